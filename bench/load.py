"""h2load as a gRPC load generator: one framed message, posted again and again over HTTP/2.

h2load counts an answer with HTTP status 200 as a success, and a gRPC error has that too. So whoever uses it must
check with a real client and with the server's own counts that the answers were what they should be.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bench.machine import percentile

CHECK: Final = "/munjigi.v1.DecisionService/Check"
BATCH_CHECK: Final = "/munjigi.v1.DecisionService/BatchCheck"
_STREAMS: Final = 10  # calls in flight on one connection
_RATE: Final = re.compile(r"finished in [\d.]+\w+, ([\d.]+) req/s")
_COUNTS: Final = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")


class Load(NamedTuple):
    """What the load generator saw. Latencies in milliseconds, rate in requests a second."""

    requests: int
    rate: float
    p50: float
    p99: float


class LoadFailed(Exception):
    """The load generator could not do its work, or calls failed."""


def missing() -> str:
    """Return why there is no load generator here; empty when there is one."""
    if shutil.which("h2load") is None:
        return "h2load is not installed (Debian: apt-get install nghttp2-client)"
    return ""


def run(
    port: int, path: str, message: bytes, metadata: Mapping[str, str], *, in_flight: int, seconds: float, folder: Path
) -> Load:
    """Keep `in_flight` calls under way for `seconds`, from the core that this process is on.

    Raises `LoadFailed`.
    """
    body, log = folder / "body.bin", folder / "latencies.tsv"
    body.write_bytes(b"\x00" + struct.pack(">I", len(message)) + message)
    log.unlink(missing_ok=True)
    headers = {"content-type": "application/grpc", "te": "trailers", **metadata}
    command = [
        *("h2load", "-D", f"{round(seconds * 1000)}ms", "-t", "1", "-d", str(body), "--log-file", str(log)),
        *("-c", str(-(-in_flight // _STREAMS)), "-m", str(min(in_flight, _STREAMS))),
        *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}")),
        f"http://127.0.0.1:{port}{path}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 30)
    rate, counts = _RATE.search(done.stdout), _COUNTS.search(done.stdout)
    if done.returncode or rate is None or counts is None:
        raise LoadFailed(f"h2load ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}")
    succeeded, *bad = (int(each) for each in counts.groups())
    if not succeeded or any(bad):
        raise LoadFailed(f"h2load: {counts.group()}")
    latencies = sorted(int(line.rpartition("\t")[2]) / 1000 for line in log.read_text().splitlines())
    return Load(succeeded, float(rate.group(1)), percentile(latencies, 0.5), percentile(latencies, 0.99))
