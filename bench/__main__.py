"""`make bench`: measure, print one table of ratios, write the figures as JSON for later comparison.

Every figure stands beside a baseline of the same run: an empty RPC on the same server stack under the same load
generator, or a raw write and fdatasync of as many bytes. Rounds are interleaved; medians with minimum and maximum.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench import (
    casbin,
    client,
    decide,
    diff,
    following,
    load,
    packed,
    reload,
    revoke,
    rights,
    rounds,
    sample,
    seal,
    search,
    shipping,
    state,
    stream,
)
from bench import journal as journal_
from bench.machine import CORES, LOAD_CORE, SERVER_CORE, Spread, pin, resident_mib, spread, unpin
from bench.rounds import Measured
from bench.servers import ROOT, Empty, Worker
from bench.start import cold_start
from bench.table import Row, check_row, markdown, number, show, within

RESULTS: Final = ROOT / "bench" / "results"
_RESIDENT_CHECKS: Final = 100_000
_STARTS: Final = 5


def main() -> int:
    """Run the benchmark; return 0 even where a target is missed, since the machine may be busy."""
    options = _options()
    pin(LOAD_CORE)
    RESULTS.mkdir(exist_ok=True)
    began = time.monotonic()
    figures: dict[str, Any] = {
        "when": datetime.now(UTC).isoformat(),
        "revision": _revision(),
        "python": platform.python_version(),
    }
    figures["cores"] = len(CORES)
    notes = []
    with _scratch() as folder:
        journal = _json_of("bench.journal", str(folder / "journal"))
        figures["journal"] = journal
        rows = []
        if reason := load.missing():
            notes.append(f"Calls under load were not measured: {reason}.")
        else:
            measured, served = _served(folder, options, figures)
            rows += _call_rows(measured, journal) + served
            _tell("the Python client")
            figures["client"] = client.measure(folder / "client", "native", options.rounds, options.seconds)
            rows += client.rows(figures["client"])
            figures["following"] = _json_of("bench.following", str(folder / "following"))
            rows += following.rows(figures["following"])
            if reason := figures["following"].get("missing"):
                notes.append(f"Following was measured without shipping: {reason}.")
        rows += journal_.rows(journal)
        figures["packed"] = _json_of("bench.packed", str(folder / "packed"))
        rows += packed.rows(figures["packed"])
        figures["search"] = _json_of("bench.search", str(folder / "search"))
        rows += search.rows(figures["search"])
        figures["seal"] = _json_of("bench.seal", str(folder / "seal"))
        rows += seal.rows(figures["seal"])
        figures["shipping"] = _json_of("bench.shipping", str(folder / "shipping"))
        if reason := figures["shipping"].get("missing"):
            notes.append(f"Shipping was not measured: {reason}.")
        else:
            rows += shipping.rows(figures["shipping"])
        figures["state"] = _json_of("bench.state", str(folder / "state"))
        rows += state.rows(figures["state"])
        if reason := figures["state"].get("missing"):
            notes.append(f"{reason}.")
        figures["rights"] = _json_of("bench.rights", str(folder / "rights"))
        rows += rights.rows(figures["rights"])
        figures["sample"] = _json_of("bench.sample")
        if reason := figures["sample"].get("missing"):
            notes.append(f"The sample database was not measured: {reason}.")
        else:
            rows += sample.rows(figures["sample"])
        figures["decide"] = _json_of("bench.decide")
        rows += decide.rows(figures["decide"])
        figures["diff"] = _json_of("bench.diff")
        rows += diff.rows(figures["diff"])
        figures["casbin"] = _json_of("bench.casbin")
        rows += casbin.rows(figures["casbin"])
        figures["reload"] = _json_of("bench.reload")
        rows += reload.rows(figures["reload"])
        unpin()  # neither revocation nor a start is a load test: they have the machine
        figures["revoke"] = _json_of("bench.revoke", str(folder / "revoke"))
        rows += revoke.rows(figures["revoke"])
        starts = spread(_start(folder) for _ in range(_STARTS))
        figures["start_seconds"] = starts
        rows.append(
            Row("`munjigi serve` to SERVING, existing state", within(starts, " s"), target="<= 2 s", met=starts.median <= 2)
        )
    figures["rows"] = [row._asdict() for row in rows]
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    path.write_text(json.dumps(figures, indent=1, default=str))
    path.with_suffix(".md").write_text(markdown(rows))
    apart = "another" if SERVER_CORE != LOAD_CORE else "the same"
    notes.append(
        f"{len(CORES)} cores: server on one, load generator on {apart}; {options.rounds} interleaved rounds of "
        f"{options.seconds:g} s, median (minimum-maximum); {time.monotonic() - began:.0f} s in all."
    )
    notes.append(f"Written to {path.relative_to(ROOT)}.")
    show(rows, "Munjigi, measured", notes)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench BENCH_ARGS=...", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one load")
    parser.add_argument("--long", action="store_true", help="memory over 10,000,000 checks of unknown employees and resources")
    return parser.parse_args()


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder on the disk of the checkout: a temporary one may lie in memory, where a sync costs nothing."""
    folder = Path(tempfile.mkdtemp(prefix="state-", dir=RESULTS))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _served(folder: Path, options: argparse.Namespace, figures: dict[str, Any]) -> tuple[dict[str, Measured], list[Row]]:
    rows = []
    with ExitStack() as running:
        aio, native = running.enter_context(Empty("aio")), running.enter_context(Empty("native"))
        on_native = running.enter_context(Worker("native", folder / "native"))
        on_grpcio = running.enter_context(Worker("grpcio", folder / "grpcio"))
        fresh = resident_mib(on_native.pid)
        all_cases = rounds.cases(aio, native, on_native, on_grpcio)
        measured = rounds.run(all_cases, options.rounds, options.seconds, folder, _tell)
        for worker in (on_native, on_grpcio):
            rounds.only_allowed(worker)
        _tell("CheckStream")
        streams = stream.measure(
            {stream.EMPTY: (aio, b""), stream.GRPCIO: (on_grpcio, stream.ASKED), stream.NATIVE: (on_native, stream.ASKED)},
            options.rounds,
            options.seconds,
        )
        figures["streams"] = {name: each._asdict() for name, each in streams.items()}
        rows += stream.rows(streams)
        rounds.fill(on_native, _RESIDENT_CHECKS)
        resident = resident_mib(on_native.pid)
        figures["calls"] = {name: each._asdict() for name, each in measured.items()}
        figures["resident_mib"] = {"fresh": fresh, "after": resident}
        rows.append(
            Row(
                f"memory of the worker after {number(_RESIDENT_CHECKS)} checks or more",
                f"{number(resident)} MiB",
                f"just started {number(fresh)} MiB",
                f"{resident / fresh:.2f}x",
                "<= 150 MiB",
                resident <= 150,
            )
        )
        if options.long:
            _tell("10,000,000 checks of unknown names")
            seen = rounds.unknown(on_native, 10_000_000, lambda: resident_mib(on_native.pid))
            figures["unknown"] = seen
            growth = seen[-1][1] / seen[0][1]
            rows.append(
                Row(
                    "memory over 10,000,000 checks of unknown employees and resources",
                    f"{number(seen[-1][1])} MiB",
                    f"after {number(seen[0][0])}: {number(seen[0][1])} MiB",
                    f"{growth:.2f}x",
                    "<= 1.1x, <= 150 MiB",
                    growth <= 1.1 and seen[-1][1] <= 150,
                )
            )
    return measured, rows


def _call_rows(measured: dict[str, Measured], journal: dict[str, list[float]]) -> list[Row]:
    aio, native = "empty grpc.aio", "empty native"
    rows = [
        check_row("Check, native front, 50 in flight", measured["check native 50"], measured["empty aio 50"], aio, 1.8, 12_000),
        check_row("same, against its own stack", measured["check native 50"], measured["empty native 50"], native),
        check_row(
            "Check, native front, 200 in flight", measured["check native 200"], measured["empty aio 200"], aio, 1.8, 12_000
        ),
        check_row("Check, grpcio front, 50 in flight", measured["check grpcio 50"], measured["empty aio 50"], aio, 0.45),
    ]
    for front in ("native", "grpcio"):
        batch = measured[f"batch {front}"]
        rate = Spread(*(each * 100 for each in batch.rate))
        rows.append(
            Row(
                f"BatchCheck of 100, {front} front, decisions",
                within(rate, "/s"),
                f"Check {number(measured[f'check {front} 50'].rate.median)}/s",
                f"{rate.median / measured[f'check {front} 50'].rate.median:.1f}x",
                ">= 60,000/s" if front == "native" else "",
                rate.median >= 60_000 if front == "native" else None,
                f"{number(batch.p50.median)} / {number(batch.p99.median)}",
                within(batch.cpu),
            )
        )
    sync = spread(journal["raw 1"]).median / 1000
    for front, stack in (("native", "native"), ("grpcio", "aio")):
        alone, empty = measured[f"check {front} 1"], measured[f"empty {stack} 1"]
        limit = empty.p50.median + sync + 0.3
        rows.append(
            Row(
                f"one Check alone, {front} front, p50",
                f"{within(alone.p50)} ms",
                f"empty {number(empty.p50.median)} + fdatasync {number(sync)} ms",
                f"{alone.p50.median / (empty.p50.median + sync):.2f}x",
                "<= baseline + 0.3 ms",
                alone.p50.median <= limit,
                f"{number(alone.p50.median)} / {number(alone.p99.median)}",
                within(alone.cpu),
            )
        )
    return rows


def _start(folder: Path) -> float:
    state = folder / "native"
    if not state.exists():  # nothing was served before
        cold_start(state)
    _tell("cold start")
    return cold_start(state)


def _json_of(module: str, *arguments: str) -> dict[str, Any]:
    """Run a measurement in a process of its own, on the server's core."""
    _tell(module)
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _revision() -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _tell(what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what} ")
        sys.stderr.flush()


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
