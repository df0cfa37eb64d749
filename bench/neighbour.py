"""A process that does nothing but use a core, as much of it as the follower did: what any neighbour costs is not following's.

It hashes pieces of a buffer of some MiB, so that it reads memory and fills caches, for `share` of the time. Run as
`python -m bench.neighbour SHARE`; ends with its standard input.
"""

from __future__ import annotations

import hashlib
import select
import sys
import time
from typing import Final

_BUFFER: Final = 16 << 20  # bytes
_PIECE: Final = 64 << 10
_PERIOD: Final = 0.05  # seconds, as long as the follower's busy jobs pause


def main(share: float) -> None:
    """Use `share` of a core until standard input ends."""
    data = memoryview(bytearray(_BUFFER))
    at, owed = 0, 0.0
    print("ready", flush=True)
    last = time.monotonic()
    while not select.select([sys.stdin], [], [], _PERIOD if owed <= 0 else 0)[0]:
        now = time.monotonic()
        owed += (now - last) * share
        last, begun = now, time.process_time()
        while owed > time.process_time() - begun < _PERIOD:
            hashlib.sha256(data[at : at + _PIECE]).digest()
            at = (at + _PIECE) % _BUFFER
        owed -= time.process_time() - begun


if __name__ == "__main__":
    main(float(sys.argv[1]))
