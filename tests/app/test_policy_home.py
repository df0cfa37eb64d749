"""What is recorded as in force is in force, and no edit ends the decisions."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from munjigi.app.files import StateFolder
from munjigi.app.policy_home import PolicyHome
from munjigi.audit.record import Record
from munjigi.audit.records import PolicyRecord
from munjigi.kernel.identity import EmployeeKey

ROOT = Path(__file__).resolve().parents[2]
HAN = EmployeeKey("urn:munjigi:embedded", "sec.han")
Scenario = Callable[[PolicyHome, Path, list[Record]], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], None]:
    """Run a scenario on the policy home of a real gateway; it gets what the journal takes."""
    folder = StateFolder(tmp_path / "state")
    folder.make()
    monkeypatch.setitem(os.environ, "PROMETHEUS_MULTIPROC_DIR", str(folder.metrics))
    policies = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", policies)

    async def run(scenario: Scenario) -> None:
        from munjigi.app.bootstrap import open_gateway
        from munjigi.app.config import load_settings

        settings = load_settings({"state_dir": folder.root, "policy_home": policies, "front": "grpcio", "sample": False})
        gateway = open_gateway(settings, pytest.fail)
        records: list[Record] = []
        append = gateway.journal.append

        def keep(record: Record) -> int:
            records.append(record)
            return append(record)

        gateway.journal.append = keep  # type: ignore[method-assign]
        try:
            await scenario(gateway.home, policies, records)
        finally:
            await gateway.home.close()
            await gateway.committer.close()
            gateway.journal.close()
            gateway.index.close()
            gateway.store.close()

    return lambda scenario: asyncio.run(run(scenario))


def edit(policies: Path) -> None:
    with (policies / "policy.csv").open("a") as file:
        file.write("# one more line\np, cs_agent, crm.member.joined_at, read, marketing, True, allow, clear\n")


def test_a_caller_who_goes_away_leaves_no_half_done_reload(play: Callable[[Scenario], None]) -> None:
    async def scenario(home: PolicyHome, policies: Path, records: list[Record]) -> None:
        before = home.snapshot.bundle.revision
        edit(policies)
        reloading = asyncio.ensure_future(home.reload(HAN))
        while not records:
            await asyncio.sleep(0)
        reloading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reloading
        await home.reload(HAN)  # waits for the one before
        assert [type(record) for record in records] == [PolicyRecord, PolicyRecord]
        assert all(record.accepted and record.policy_revision != before for record in records)  # type: ignore[attr-defined]
        assert home.snapshot.bundle.revision == records[0].policy_revision  # type: ignore[attr-defined]
        assert home.status().loaded_at < records[1].time

    play(scenario)


def test_a_defect_of_the_compiler_keeps_the_last_good_policy(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> None:
        raise RecursionError("010-1234-5678")

    async def scenario(home: PolicyHome, policies: Path, records: list[Record]) -> None:
        before = home.snapshot
        edit(policies)
        monkeypatch.setattr("munjigi.app.policy_compiler.Assembly.take", defect)
        status = await home.reload()
        assert home.snapshot is before
        assert status.rejected
        assert [problem.code for problem in status.problems] == ["POLICY_INTERNAL"]
        assert "010-1234" not in str(status) + str(records)

    play(scenario)
