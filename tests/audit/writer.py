"""A child process that appends under load and tells on standard output what was acknowledged.

Lines: `a N` (about to append request N), `k INDEX N` (acknowledged). Ends by `SIGKILL`, or with 3 when the disk refuses.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Literal, cast

from audit.support import access, open_journal

from munjigi.audit.committer import GroupCommitter
from munjigi.kernel.errors import AuditUnavailable


def say(text: str) -> None:
    os.write(1, text.encode())


async def run(state: Path, mode: Literal["loop", "thread"], first: int, segment_bytes: int) -> None:
    journal = open_journal(state, segment_bytes=segment_bytes)
    committer = GroupCommitter(journal, mode, lambda _: None)
    numbers = iter(range(first, 1 << 40))

    async def user() -> None:
        for number in numbers:
            say(f"a {number}\n")
            index = journal.append(access(number))
            await committer.durable()
            say(f"k {index} {number}\n")

    await asyncio.gather(*(user() for _ in range(16)))


def main() -> int:
    state, mode, first, segment_bytes, file_limit = sys.argv[1:]
    if int(file_limit):
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_limit), int(file_limit)))
    try:
        asyncio.run(run(Path(state), cast('Literal["loop", "thread"]', mode), int(first), int(segment_bytes)))
    except AuditUnavailable as error:
        sys.stderr.write(f"{error.reason} {error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
