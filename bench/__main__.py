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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, cast

from bench import (
    casbin,
    changes,
    client,
    company,
    decide,
    diff,
    following,
    load,
    metrics,
    packed,
    reload,
    review,
    review_apply,
    revoke,
    rights,
    rounds,
    rules,
    sample,
    seal,
    search,
    shipping,
    state,
    stream,
    usage_elastic,
)
from bench import journal as journal_
from bench.machine import CORES, LOAD_CORE, SERVER_CORE, Spread, keep_compiled, pin, resident_mib, spread, unpin
from bench.rounds import Measured
from bench.servers import ROOT, Empty, Worker
from bench.start import cold_start
from bench.table import Row, check_row, markdown, number, show, within

RESULTS: Final = ROOT / "bench" / "results"
_RESIDENT_CHECKS: Final = 100_000
_STARTS: Final = 5


class Run(NamedTuple):
    """One run: where it may write, how long loads last, and what it found."""

    folder: Path
    options: argparse.Namespace
    figures: dict[str, Any]
    notes: list[str]


Part = Callable[[Run], list[Row]]


def main() -> int:
    """Run the benchmark; return 0 even where a target is missed, since the machine may be busy."""
    options = _options()
    keep_compiled()
    RESULTS.mkdir(exist_ok=True)
    began = time.monotonic()
    figures: dict[str, Any] = {
        "when": datetime.now(UTC).isoformat(),
        "revision": _revision(),
        "python": platform.python_version(),
        "cores": len(CORES),
    }
    rows: list[Row] = []
    with _scratch() as folder:
        run = Run(folder, options, figures, [])
        for name in options.only or PARTS:
            unpin()
            if name in LOADED and (reason := load.missing()):
                run.notes.append(f"{name} was not measured: {reason}.")
            else:
                rows += PARTS[name](run)
    figures["rows"] = [row._asdict() for row in rows]
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    path.write_text(json.dumps(figures, indent=1, default=str))
    path.with_suffix(".md").write_text(markdown(rows))
    apart = "another" if SERVER_CORE != LOAD_CORE else "the same"
    notes = [
        *run.notes,
        (
            f"{len(CORES)} cores: server on one, load generator on {apart}; {options.rounds} interleaved rounds of "
            f"{options.seconds:g} s, median (minimum-maximum); {time.monotonic() - began:.0f} s in all."
        ),
        f"Written to {path.relative_to(ROOT)}.",
    ]
    show(rows, "Munjigi, measured", notes)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench BENCH_ARGS=...", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one load")
    parser.add_argument("--long", action="store_true", help="memory over 10,000,000 checks of unknown employees and resources")
    parser.add_argument("--only", type=_names, metavar="PART,...", help=f"these parts alone: {', '.join(PARTS)}")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is no part; parts are {', '.join(PARTS)}")
    return names


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder on the disk of the checkout: a temporary one may lie in memory, where a sync costs nothing."""
    folder = Path(tempfile.mkdtemp(prefix="state-", dir=RESULTS))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _calls(run: Run) -> list[Row]:
    """Everything that two workers are asked, one a front."""
    folder, options, figures, _ = run
    journal = _figures(run, "journal", journal_)
    pin(LOAD_CORE)  # what this process starts from here on is the load generator; children know the cores that they are given
    rows: list[Row] = []
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
    return _call_rows(measured, journal) + rows


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


def _client(run: Run) -> list[Row]:
    _tell("client")
    pin(LOAD_CORE)
    run.figures["client"] = client.measure(run.folder / "client", "native", run.options.rounds, run.options.seconds)
    return client.rows(run.figures["client"])


def _start(run: Run) -> list[Row]:
    state = run.folder / "native"
    if not state.exists():  # nothing was served before
        cold_start(state)
    _tell("start")
    starts = run.figures["start_seconds"] = spread(cold_start(state) for _ in range(_STARTS))
    return [Row("`munjigi serve` to SERVING, existing state", within(starts, " s"), target="<= 2 s", met=starts.median <= 2)]


def _figures(run: Run, name: str, module: ModuleType) -> dict[str, Any]:
    """Run a measurement in a process of its own, which has every core and chooses among them; once in a run."""
    if name not in run.figures:
        _tell(name)
        command = [sys.executable, "-m", module.__name__, str(run.folder / name)]
        run.figures[name] = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
        if reason := run.figures[name].get("missing"):
            run.notes.append(f"{name} was not measured, or not whole: {reason}.")
    return cast("dict[str, Any]", run.figures[name])


def _apart(name: str, module: ModuleType) -> Part:
    def part(run: Run) -> list[Row]:
        found = _figures(run, name, module)
        return [] if set(found) == {"missing"} else cast("list[Row]", module.rows(found))

    return part


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


_MODULES: Final = {
    "following": following,
    "metrics": metrics,
    "journal": journal_,
    "packed": packed,
    "search": search,
    "seal": seal,
    "shipping": shipping,
    "state": state,
    "rights": rights,
    "changes": changes,
    "review-apply": review_apply,
    "rules": rules,
    "company": company,
    "review": review,
    "usage-elastic": usage_elastic,
    "sample": sample,
    "decide": decide,
    "diff": diff,
    "casbin": casbin,
    "reload": reload,
    "revoke": revoke,
}
# Each part of the table, in its order.
PARTS: Final[dict[str, Part]] = {
    "calls": _calls,
    "client": _client,
    **{name: _apart(name, module) for name, module in _MODULES.items()},
    "start": _start,
}
LOADED: Final = frozenset(("calls", "client", "following", "metrics", "changes", "review-apply"))  # need the load generator


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
