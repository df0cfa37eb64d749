"""Run the sample database as a child of the supervisor: `python -m munjigi.adapters.sample.run --state-dir DIR`.

Prints one line on standard output when members can be read, then waits. SIGTERM, SIGINT, or the end of standard
input, if that is a pipe or a socket pair (the supervisor has died), stop PostgreSQL and end the process with 0.
What can't run here is said on standard error, exit 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Final

from munjigi.adapters.sample.postgres import SampleDatabase
from munjigi.adapters.sample.processes import signals_held
from munjigi.adapters.sample.wheel import REACHABLE
from munjigi.kernel.errors import MunjigiError

_LOOK_SECONDS: Final = 1.0
_asked_to_stop = threading.Event()


class _StopError(BaseException):
    """Asked to stop."""


def main(arguments: list[str] | None = None) -> int:
    """Start, report, wait, stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m munjigi.adapters.sample.run", description="Run the sample member database.")
    parser.add_argument("--state-dir", type=Path, required=True, help="the state folder (MUNJIGI_STATE_DIR)")
    parser.add_argument("--reachable", type=Path, default=REACHABLE, help="where root keeps sample databases")
    options = parser.parse_args(arguments)
    database = SampleDatabase(options.state_dir, reachable=options.reachable)
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _raise_stop)
        _stop_with_parent()
        started = database.start()
        how = "loaded" if started.loaded else "started"
        print(f"sample database {how} in {started.seconds:.1f} s", flush=True)  # noqa: T201 - the one line that the supervisor waits for
        # Not signal.pause(): a signal that comes just before it would never be seen. The event also tells of an exception
        # that was raised inside a finalizer and lost.
        while not _asked_to_stop.wait(_LOOK_SECONDS):
            pass
        return 0
    except _StopError:
        return 0
    except MunjigiError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - the reason, for the supervisor's log
        return 1
    finally:
        database.stop()


def _raise_stop(_number: int, _frame: FrameType | None) -> None:
    _asked_to_stop.set()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # a second signal must not cut the stop short
    raise _StopError


def _stop_with_parent() -> None:
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):  # asyncio makes a socket pair where others make a pipe
        return

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    with signals_held():  # in this thread for ever: what it took while the main thread holds them, that one would be told at once
        threading.Thread(target=wait, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
