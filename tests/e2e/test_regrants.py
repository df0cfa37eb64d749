"""A real daemon, restarted on a policy home that gives back what a review took, and the patch by which the home agrees with the review (R19)."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from at_workers import at_workers
from grpc_health.v1 import health_pb2, health_pb2_grpc
from notices.kit import Receiver
from review_house import House, policies, until
from running import serving

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import grant_added
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey
from munjigi_client._proto.munjigi.v1 import audit_pb2, policy_pb2
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb

REVEAL = "p, cs_agent, crm.member.phone, reveal, inquiry, r.ctx.holiday and r.ctx.hour == 3, allow, clear\n"
REMARK = "# Agents at night, INC-2026-0042.\n"
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def take(house: House) -> pb.Review:
    """Let a review take `cs_manager` from cs.kim, who keeps `cs_agent`."""
    now = time.time_ns()
    kim = EmployeeKey(EMBEDDED_ISSUER, "cs.kim")
    grant = Grant("g.kim.manager", kim, "cs_manager", "inquiry", now - 10**9, now + 10**15, ("cs.lee",))
    with closing(SqliteStateStore(house.daemon.state_dir / "state.sqlite")) as store:
        store.apply((grant_added(grant),), at=now, actor="test", request_id="")
    review = house.plan("by_name").review
    for who in ("cs.lee", "dpo.yoon"):
        mine = house.items(review, who, to_decide=True)
        goes = {each.number for each in mine if (each.employee, each.role) == ("cs.kim", "cs_manager")}
        house.decide(review, who, {each.number: "REVOKE" if each.number in goes else "KEEP" for each in mine})
    early = offline(house, "review", "patch", review.review_id)
    assert (early.returncode, "REVIEW_STATE" in early.stderr) == (1, True), early.stderr
    assert house.apply(review).applied == 1
    return review


def offline(house: House, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that asks no server."""
    line = [*house.daemon.command, *arguments]
    return subprocess.run(line, env=house.daemon.environment, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def house_at(folder: Path, home: Path) -> Iterator[House]:
    """Run two workers for a while."""
    settings = {"MUNJIGI_WORKERS": "2", "MUNJIGI_LEASE_SECONDS": "1", "MUNJIGI_POLICY_WATCH_SECONDS": "0"}
    with serving(folder, MUNJIGI_POLICY_HOME=str(home), **settings) as daemon, at_workers(daemon, 2) as workers:
        yield House(daemon, workers, Receiver())


def test_r19_a_restart_on_a_home_that_gives_it_back_and_the_patch(tmp_path: Path) -> None:
    home = policies(tmp_path)
    with house_at(tmp_path / "var", home) as house:
        assert "REFUSED" not in house.daemon.text
        review = take(house)
    before = (home / "policy.csv").read_bytes()
    (home / "policy.csv").write_bytes(before + REMARK.encode() + REVEAL.encode())
    with house_at(tmp_path / "var", home) as house:
        look_at_refused(house)
        mend(house, home, review)
    assert (home / "policy.csv").read_bytes() == before + REMARK.encode()


def look_at_refused(house: House) -> None:
    """See each worker decide by the policy of before, and everybody who should say that the one on disk is refused."""
    who = house.who("sec.han")
    for stubs in house.workers.values():
        status = stubs.policy.GetPolicyStatus(policy_pb2.GetPolicyStatusRequest(), metadata=who, timeout=30)
        errors = [each.code for each in status.problems if each.severity == policy_pb2.SEVERITY_ERROR]
        assert (status.rejected, errors) == (True, ["REGRANT_WITHOUT_APPROVAL"])
        health = health_pb2_grpc.HealthStub(stubs.channel)

        def told(health: health_pb2_grpc.HealthStub = health) -> bool:
            return bool(health.Check(health_pb2.HealthCheckRequest(service="policy"), timeout=30).status == NOT_SERVING)

        until(told, "the health service says so")
    assert "REFUSED: the policy home on disk" in house.daemon.text
    assert house.verdicts() == {"DECISION_ALLOW"}  # cs_agent is held still
    until(lambda: house.metric("munjigi_policy_rejected") == 1, "the metric says so")
    assert "policy refused; the last good one decides" in house.daemon.text
    examined = offline(house, "doctor", "--output", "json")
    assert examined.returncode == 1
    (found,) = [each for each in json.loads(examined.stdout)["findings"] if each["check"] == "what reviews took"]
    assert (found["result"], "REGRANT_WITHOUT_APPROVAL" in found["found"]) == ("fail", True)
    asked = audit_pb2.SearchRecordsRequest(event_type="policy.load", page_size=10)

    def recorded() -> list[str]:
        found = next(iter(house.workers.values())).audit.SearchRecords(asked, metadata=house.who("dpo.yoon"), timeout=30)
        return [each.position.log_id for each in found.records]

    until(lambda: set(recorded()) == set(house.workers), "each worker's refusal is in the trail")


def mend(house: House, home: Path, review: pb.Review) -> None:
    """Have git apply the patch where the security team works, and the policy loaded."""
    out = home.parent / "x.patch"
    made = offline(house, "review", "patch", review.review_id, "--policies", str(home), "--out", str(out))
    assert (made.returncode, made.stdout) == (0, ""), made.stderr
    assert "gives back what the review took: it goes" in made.stderr
    assert "kim" not in out.read_text()
    assert offline(house, "review", "patch", review.review_id).stdout == out.read_text()
    for arguments in (["init", "-q", ".."], ["apply", "--check", str(out)], ["apply", str(out)]):
        subprocess.run(["git", *arguments], cwd=home, check=True, capture_output=True, timeout=30)
    assert offline(house, "policy", "lint", "--strict", str(home)).returncode == 0
    reloaded = house.command("policy", "reload", who="sec.han")
    assert reloaded.returncode == 0, reloaded.stderr
    until(lambda: house.metric("munjigi_policy_rejected") == 0, "nothing is refused any more")
    again = offline(house, "review", "patch", review.review_id)
    assert (again.returncode, again.stdout) == (0, "")
    assert "The patch is empty" in again.stderr
