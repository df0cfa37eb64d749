"""A gateway refuses a policy that gives back what a review took, with a review that really took it."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from munjigi.app.files import StateFolder
from munjigi.audit.record import Record
from munjigi.audit.records import PolicyRecord
from munjigi.grants.changes import Edit, GrantEdit, grant_added
from munjigi.grants.lifecycle import over
from munjigi.grants.ports import StateStore
from munjigi.grants.review_edits import ItemsEdit, ReviewEdit
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Limits, Review, ReviewItem, Schedule

ROOT = Path(__file__).resolve().parents[2]
HAN, KIM = EmployeeKey("urn:munjigi:embedded", "sec.han"), EmployeeKey("urn:munjigi:embedded", "cs.kim")
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


def test_r19_a_reload_that_gives_it_back_is_refused_and_recorded_until_the_mark_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from munjigi.app.bootstrap import open_gateway
    from munjigi.app.config import load_settings

    folder = StateFolder(tmp_path / "state")
    folder.make()
    monkeypatch.setitem(os.environ, "PROMETHEUS_MULTIPROC_DIR", str(folder.metrics))
    policies = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", policies)

    async def run() -> None:
        settings = load_settings({"state_dir": folder.root, "policy_home": policies, "front": "grpcio", "sample": False})
        gateway = open_gateway(settings, pytest.fail)
        home, records = gateway.home, list[Record]()
        append = gateway.journal.append

        def keep(record: Record) -> int:
            records.append(record)
            return append(record)

        gateway.journal.append = keep  # type: ignore[method-assign]
        try:
            undo = take(gateway.store, time.time_ns())
            await gateway.registrar.catch_up()
            before = home.snapshot.bundle
            with (policies / "policy.csv").open("a") as file:
                file.write(LINE)
            status = await home.reload(HAN)
            errors = [each for each in status.problems if each.severity == "error"]
            assert [(each.file, each.code) for each in errors] == [("policy.csv", "REGRANT_WITHOUT_APPROVAL")]
            assert errors[0].line == len((policies / "policy.csv").read_text().splitlines())
            assert status.rejected
            assert home.snapshot.bundle is before
            last = records[-1]
            assert isinstance(last, PolicyRecord)
            assert (last.accepted, last.errors, last.employee) == (False, 1, "sec.han")
            gateway.store.apply(undo, at=time.time_ns(), actor="test", request_id="")
            await gateway.registrar.catch_up()
            assert not (await home.reload(HAN)).rejected
            assert home.snapshot.bundle.revision != before.revision
        finally:
            await home.close()
            await gateway.committer.close()
            gateway.journal.close()
            gateway.index.close()
            gateway.store.close()

    asyncio.run(run())
