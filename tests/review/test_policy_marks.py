"""A gateway refuses a policy that gives back what a review took, with a review that really took it: when it reloads and when it starts."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from munjigi.adapters.policy_files import last_decided
from munjigi.app.config import load_settings
from munjigi.app.files import StateFolder
from munjigi.app.gateway import Gateway
from munjigi.app.policy_build import Built
from munjigi.app.policy_in_force import forget_in_force
from munjigi.app.policy_marks import given_back_since
from munjigi.app.policy_start import load_first
from munjigi.audit.record import Record
from munjigi.audit.records import PolicyRecord
from munjigi.grants.changes import Edit, GrantEdit, grant_added
from munjigi.grants.lifecycle import over
from munjigi.grants.ports import StateStore
from munjigi.grants.review_edits import ItemsEdit, ReviewEdit
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.errors import ConfigurationError
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Limits, Review, ReviewItem, Schedule
from munjigi.rpc.ports import PolicyStatus

ROOT = Path(__file__).resolve().parents[2]
HAN, KIM = EmployeeKey("urn:munjigi:embedded", "sec.han"), EmployeeKey("urn:munjigi:embedded", "cs.kim")
GIVEN = ("policy.csv", "REGRANT_WITHOUT_APPROVAL")
LINE = "p, cs_agent, crm.member.phone, reveal, inquiry, r.ctx.holiday and r.ctx.hour == 3, allow, clear\n"


def take(store: StateStore, now: int) -> tuple[Edit, ...]:
    """Let a review take `cs_manager` from cs.kim, who keeps `cs_agent`; return what undoes it."""
    grant = Grant("g.kim.manager", KIM, "cs_manager", "inquiry", now - 10**9, now + 10**15, ("cs.lee",))
    terms = (Schedule(0, (), 0, 0, 0), Limits(1.0, 1.0, 0.0, 0, 1.0))
    review = Review("rv-1", "unused", store.keep_plan(b"a plan"), 1, "r", now, now, KIM, *terms)
    decided = ReviewItem("rv-1", 0, grant.grant_id, "decided", "revoke")
    applied = replace(decided, state="applied", before=grant, person_id="p.cs.kim", applied_at=now)
    edits = (
        grant_added(grant),
        ReviewEdit("review_opened", review),
        ItemsEdit("items_decided", "rv-1", (decided,)),
        ReviewEdit("review_changed", replace(review, state="applying")),
        GrantEdit("grant_ended", over(grant, now, "review"), "rv-1/0", "review"),
        ItemsEdit("items_applied", "rv-1", (applied,)),
        ReviewEdit("review_closed", replace(review, state="applied")),
    )
    store.apply(edits, at=now, actor="test", request_id="")
    undone = ItemsEdit("items_undone", "rv-1", (replace(applied, state="undone"),))
    return GrantEdit("grant_restored", grant, "rv-1/0", "review"), undone


@contextmanager
def opened(folder: StateFolder, policies: Path) -> Iterator[Gateway]:
    """Open a gateway as a worker does when the daemon starts, and close it. To be used on the event loop."""
    from munjigi.app.bootstrap import open_gateway

    forget_in_force(folder)
    gateway = open_gateway(
        load_settings({"state_dir": folder.root, "policy_home": policies, "front": "grpcio", "sample": False}), pytest.fail
    )
    try:
        yield gateway
    finally:
        gateway.journal.close()
        gateway.index.close()
        gateway.store.close()


async def end(gateway: Gateway) -> None:
    await gateway.home.close()
    await gateway.committer.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    monkeypatch.setitem(os.environ, "PROMETHEUS_MULTIPROC_DIR", str(folder.metrics))
    return folder


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    return tmp_path / "policies"


def add(policies: Path, line: str) -> None:
    with (policies / "policy.csv").open("a") as file:
        file.write(line)


def errors(status: PolicyStatus) -> list[tuple[str, str]]:
    return [(each.file, each.code) for each in status.problems if each.severity == "error"]


def test_r19_a_reload_that_gives_it_back_is_refused_and_recorded_until_the_mark_is_gone(
    folder: StateFolder, policies: Path
) -> None:
    async def run() -> None:
        with opened(folder, policies) as gateway:
            home, records = gateway.home, list[Record]()
            append = gateway.journal.append

            def keep(record: Record) -> int:
                records.append(record)
                return append(record)

            gateway.journal.append = keep  # type: ignore[method-assign]
            undo = take(gateway.store, time.time_ns())
            await gateway.registrar.catch_up()
            before = home.snapshot.bundle
            add(policies, LINE)
            status = await home.reload(HAN)
            assert errors(status) == [GIVEN]
            line = next(each.line for each in status.problems if each.code == GIVEN[1])
            assert line == len((policies / "policy.csv").read_text().splitlines())
            assert status.rejected
            assert home.snapshot.bundle is before
            assert last_decided(folder.policies) == before.revision
            last = records[-1]
            assert isinstance(last, PolicyRecord)
            assert (last.accepted, last.errors, last.employee) == (False, 1, "sec.han")
            gateway.store.apply(undo, at=time.time_ns(), actor="test", request_id="")
            await gateway.registrar.catch_up()
            assert not (await home.reload(HAN)).rejected
            assert home.snapshot.bundle.revision != before.revision
            assert last_decided(folder.policies) == home.snapshot.bundle.revision
            await end(gateway)

    asyncio.run(run())


def test_r19_a_start_with_a_home_that_gives_it_back_goes_on_by_the_policy_of_before(folder: StateFolder, policies: Path) -> None:
    async def run() -> None:
        with opened(folder, policies) as gateway:
            before = gateway.home.snapshot.bundle.revision
            undo = take(gateway.store, time.time_ns())
            await end(gateway)
        add(policies, LINE)
        for _ in range(2):  # and at the next start
            with opened(folder, policies) as gateway:
                home = gateway.home
                assert home.snapshot.bundle.revision == before
                assert (home.status().rejected, errors(home.status())) == (True, [GIVEN])
                assert home.status().attempted_at
                refused = home.refused_at_start()
                assert refused is not None
                assert (refused.accepted, refused.errors, refused.policy_revision) == (False, 1, before)
                assert refused.first_problem.startswith("policy.csv:")
                assert (await home.reload(HAN)).rejected
                await end(gateway)
        with opened(folder, policies) as gateway:
            gateway.store.apply(undo, at=time.time_ns(), actor="test", request_id="")
            await end(gateway)
        with opened(folder, policies) as gateway:
            assert gateway.home.refused_at_start() is None
            assert gateway.home.snapshot.bundle.revision not in ("", before)
            await end(gateway)

    asyncio.run(run())


def started_again(gateway: Gateway, folder: StateFolder, policies: Path, running: str) -> Built:
    """Load the policy home as a worker does at its start. `running`: what the daemon's other workers decide by; empty: nobody serves."""
    given = partial(given_back_since, gateway.store, SystemClock(), folder.policies, gateway.home.snapshot.grants)
    return load_first(policies, "files", folder.policies, running, given)


def test_r19_a_worker_that_is_started_again_looks_too(folder: StateFolder, policies: Path) -> None:
    """The others decide by the policy of before, and the home was exchanged meanwhile."""

    async def run() -> None:
        with opened(folder, policies) as gateway:
            before = gateway.home.snapshot.bundle.revision
            take(gateway.store, time.time_ns())
            add(policies, LINE)
            built = started_again(gateway, folder, policies, before)
            assert built.bundle is not None
            assert built.bundle.revision == before
            assert [each.code for each in built.problems if each.severity == "error"] == [GIVEN[1]]
            await end(gateway)

    asyncio.run(run())


@pytest.mark.parametrize("running", [True, False])
def test_r19_without_the_policy_of_before_no_other_one_decides(folder: StateFolder, policies: Path, running: bool) -> None:
    async def run() -> None:
        with opened(folder, policies) as gateway:
            before = gateway.home.snapshot.bundle.revision
            take(gateway.store, time.time_ns())
            kept = folder.policies / f"{before}.bundle"
            kept.rename(kept.with_suffix(".away"))
            add(policies, "# nothing but a remark\n")
            with pytest.raises(ConfigurationError) as refused:
                started_again(gateway, folder, policies, before if running else "")
            assert refused.value.reason == "POLICY_BEFORE_UNREADABLE"
            shutil.copy(ROOT / "policies" / "policy.csv", policies)  # as the message says
            assert started_again(gateway, folder, policies, "").bundle is not None
            add(policies, "# nothing but a remark\n")
            assert last_decided(folder.policies) == before
            bundle = started_again(gateway, folder, policies, "").bundle
            assert bundle is not None
            assert last_decided(folder.policies) == bundle.revision != before
            await end(gateway)

    asyncio.run(run())
