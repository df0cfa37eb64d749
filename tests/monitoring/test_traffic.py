"""Every metric of the catalogue is moved by real traffic on a real daemon; a real Prometheus sees no counter go back, whatever is killed."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from e2e_asking import question
from monitoring.page import OPENMETRICS, Samples, eventually, samples_of, text_of, total
from parts import need_program
from prometheus_server import Prometheus, prometheus
from running import ROOT, Daemon, Stubs
from shifted import DAY, Shift, shifted

from munjigi.monitoring.catalogue import CATALOGUE
from munjigi_client._proto.munjigi.v1 import (
    access_request_pb2,
    audit_pb2,
    people_pb2,
    revocation_pb2,
)
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

pytestmark = pytest.mark.servers
CLI = "munjigi-cli"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRET = "010-0000-0000"  # what an attacker, or a careless tool, puts where a name belongs

# What the traffic below changes, and what just has to be there.
MOVED = {
    *("munjigi_decisions_total", "munjigi_tool_decisions_total", "munjigi_class_decisions_total"),
    *("munjigi_purpose_decisions_total", "munjigi_subjects_total", "munjigi_exports_total"),
    *("munjigi_confirmations_total", "munjigi_confirmed_rows_total", "munjigi_calls_total", "munjigi_call_seconds"),
    *("munjigi_denials_counted_total", "munjigi_sign_in_failures_total", "munjigi_lockouts_total"),
    *("munjigi_sessions", "munjigi_sessions_ended_total", "munjigi_journal_records_total", "munjigi_journal_bytes_total"),
    *("munjigi_journal_next_index", "munjigi_journal_commits_total", "munjigi_journal_sync_seconds_total"),
    *("munjigi_legal_holds", "munjigi_policy_loads_total", "munjigi_policy_loaded_timestamp_seconds"),
    *("munjigi_policy_rejected", "munjigi_policy_revision_number", "munjigi_grant_revision", "munjigi_blocked_principals"),
    *("munjigi_permission_changes_total", "munjigi_grants", "munjigi_grants_ending", "munjigi_access_requests"),
    *("munjigi_access_request_oldest_timestamp_seconds", "munjigi_break_glass_active", "munjigi_people"),
    *("munjigi_index_records_total", "munjigi_index_next_index", "munjigi_seal_checkpoints_total"),
    *("munjigi_seal_checkpoint_timestamp_seconds", "munjigi_seal_records", "munjigi_process_cpu_seconds_total"),
    *("munjigi_follower_heartbeat_timestamp_seconds", "munjigi_scrape_seconds", "munjigi_series"),
}
LATER = {"munjigi_grant_expiries_total", "munjigi_break_glass_reviews_overdue"}  # days later
STANDING = {
    *(
        "munjigi_workers",
        "munjigi_worker_ready",
        "munjigi_build_info",
        "munjigi_sample_company",
        "munjigi_synthetic",
        "munjigi_disk_used_ratio",
        "munjigi_disk_level",
    ),
    *("munjigi_process_resident_bytes", "munjigi_process_open_files", "munjigi_process_start_timestamp_seconds"),
    *("munjigi_loop_stall_seconds", "munjigi_follower_job_failing", "munjigi_key_set_problem", "munjigi_lease_lapses_total"),
}
ELSEWHERE = {  # by which file, since it needs a part or a time that is not here
    "munjigi_answers_withheld_total": "tests/e2e/test_state_postgresql.py",  # a state store that is away
    "munjigi_journal_packed_segments_total": "tests/app/test_archive.py",  # closed segments
    "munjigi_archived_segments_total": "tests/app/test_archive.py",  # an archive
    "munjigi_archive_waiting_segments": "tests/app/test_archive.py",
    "munjigi_retention_removed_segments_total": "tests/app/test_retention.py",  # years
    "munjigi_retention_failing": "tests/e2e/test_retention.py",
    "munjigi_ship_records_total": "tests/elastic/test_daemon.py",  # Elasticsearch
    "munjigi_ship_retries_total": "tests/elastic/test_daemon.py",
    "munjigi_ship_next_index": "tests/elastic/test_daemon.py",
    "munjigi_ship_backlog_records": "tests/elastic/test_daemon.py",
    "munjigi_ship_pending_since_timestamp_seconds": "tests/elastic/test_daemon.py",
    "munjigi_ship_dead_letters": "tests/elastic/test_daemon_faults.py",
    "munjigi_ship_request_bytes": "tests/elastic/test_daemon.py",
    "munjigi_reconcile_timestamp_seconds": "tests/elastic/test_daemon_faults.py",
    "munjigi_reconcile_findings": "tests/elastic/test_daemon_faults.py",
    "munjigi_follower_job_failures_total": "tests/elastic/test_daemon.py",
    "munjigi_witness_timestamp_seconds": "tests/e2e/test_seal.py",  # a witness
    "munjigi_witness_failures_total": "tests/e2e/test_seal.py",
    "munjigi_notices_made_total": "tests/notices/test_follower.py",  # a webhook
    "munjigi_notices_tried_total": "tests/notices/test_outbox.py",
    "munjigi_notices_waiting": "tests/notices/test_outbox.py",
    "munjigi_notices_waiting_since_timestamp_seconds": "tests/notices/test_outbox.py",
    "munjigi_notices_given_up": "tests/notices/test_outbox.py",
    "munjigi_scheduler_holder": "tests/notices/test_follower.py",
    "munjigi_usage_records_total": "tests/e2e/test_usage.py",  # reads that are confirmed, and time
    "munjigi_usage_complete_timestamp_seconds": "tests/e2e/test_usage.py",
    "munjigi_review_log_closing_since_timestamp_seconds": "tests/e2e/test_reviews_unattended.py",  # a host that is lost
    **dict.fromkeys(
        (
            "munjigi_review_items",
            "munjigi_review_undecided_since_timestamp_seconds",
            "munjigi_review_overdue",
            "munjigi_review_planned_timestamp_seconds",
            "munjigi_review_stopped_by_spike",
            "munjigi_review_exceptions",
            "munjigi_review_taken",
            "munjigi_review_restored",
            "munjigi_review_coverage_ratio",
            "munjigi_review_excess_permissions",
            "munjigi_review_people",
        ),
        "tests/e2e/test_reviews.py",  # reviews that are decided
    ),
}


class Watched(NamedTuple):
    """A daemon of two workers, its clock, and who watches it."""

    daemon: Daemon
    shift: Shift
    server: Prometheus
    policies: Path


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    shutil.copytree(ROOT / "policies", folder / "policies")
    settings = {"MUNJIGI_WORKERS": "2", "MUNJIGI_DENIAL_RECORDS_PER_SECOND": "2", "MUNJIGI_POLICY_HOME": f"{folder}/policies"}
    with (
        shifted(folder / "var", MUNJIGI_LEASE_SECONDS="1", **settings) as (daemon, shift),
        prometheus(folder / "prometheus", daemon.http_address) as server,
    ):
        eventually(daemon, lambda page: total(page, "munjigi_worker_ready") == 2, "two workers serve")
        yield Watched(daemon, shift, server, folder / "policies")


def test_each_metric_is_exercised_in_one_place() -> None:
    assert MOVED | LATER | STANDING | set(ELSEWHERE) == {metric.name for metric in CATALOGUE}
    assert len(MOVED) + len(LATER) + len(STANDING) + len(ELSEWHERE) == len(CATALOGUE)
    for name, file in ELSEWHERE.items():
        assert name in (ROOT / file).read_text("utf-8"), f"{file} does not look at {name}"


def test_traffic_moves_every_metric(watched: Watched) -> None:
    daemon = watched.daemon
    before = eventually(
        daemon, lambda page: total(page, "munjigi_grants", state="active") == 7, "the sample's grants are counted"
    )
    with daemon.channel() as channel:
        stubs = Stubs(channel)
        ask(daemon, stubs)
        be_refused(daemon, stubs)
        change_rights(daemon, stubs)
        stubs.audit.HoldRecords(
            audit_pb2.HoldRecordsRequest(reason="civil case"), metadata=daemon.credentials("dpo.yoon", CLI), timeout=30
        )
    purposes = watched.policies / "purposes.toml"
    good = purposes.read_text() + "\n# another revision\n"
    purposes.write_text(good)
    eventually(daemon, lambda page: total(page, "munjigi_policy_loads_total", result="accepted") > 2, "another policy is loaded")
    try:
        purposes.write_text(good + "\nnot toml\n")
        after = eventually(daemon, lambda page: not still(before, page), "everything moves")
    finally:
        purposes.write_text(good)
    assert still(before, after) == set()
    assert {name for name in STANDING if not [key for key in after if key[0] == name]} == set()
    assert (total(after, "munjigi_workers"), total(after, "munjigi_worker_ready"), total(after, "munjigi_build_info")) == (
        2,
        2,
        1,
    )
    assert total(after, "munjigi_process_resident_bytes", process="worker-1") > 10 << 20
    counts(before, after)
    eventually(daemon, lambda page: total(page, "munjigi_policy_rejected") == 0, "the policy is repaired")


def still(before: Samples, after: Samples) -> set[str]:
    """Return what did not move of what has to."""

    def of(name: str, page: Samples) -> dict[object, float]:
        return {key: value for key, value in page.items() if key[0] in (name, f"{name}_count")}

    return {name for name in MOVED if of(name, before) == of(name, after)}


def ask(daemon: Daemon, stubs: Stubs) -> None:
    """Reads that are allowed, confirmed, denied, probed, downloaded."""
    kim = (*daemon.credentials("cs.kim"), ("traceparent", f"00-{TRACE}-{'b' * 16}-01"))
    answer = stubs.decision.Check(question(), metadata=kim, timeout=30)
    items = [pb.ConfirmItem(decision_id=answer.decision_id, outcome=pb.READ_OUTCOME_READ, row_count=3)]
    for _ in range(2):  # the second is the first
        stubs.decision.ConfirmRead(pb.ConfirmReadRequest(items=items), metadata=kim, timeout=30)
    stubs.decision.Check(question(member_ids=["1000002", "1000003"]), metadata=kim, timeout=30)
    stubs.decision.Check(question(intent=pb.INTENT_PROBE, member_ids=[], subject_count=999), metadata=kim, timeout=30)
    stubs.decision.Check(question(observe=True), metadata=kim, timeout=30)
    park = daemon.credentials("mkt.park", "campaign-tool")
    plan = {"resource": "crm.member_order", "fields": ["amount"], "purpose": "marketing", "case_id": "", "member_ids": []}
    stubs.decision.Check(question(**plan, action="export", subject_count=5), metadata=park, timeout=30)
    stubs.decision.Check(question(**plan, action="read", subject_count=1_000), metadata=park, timeout=30)
    stubs.decision.Check(question(resource=SECRET, purpose="nobody-registered", fields=[SECRET]), metadata=kim, timeout=30)


def be_refused(daemon: Daemon, stubs: Stubs) -> None:
    """A flood of denials, and credentials that are no good, until the door is locked."""
    nobody = daemon.credentials("new.oh")
    for _ in range(4):
        batch = pb.BatchCheckRequest(items=[question()] * 50)
        stubs.decision.BatchCheck(batch, metadata=nobody, timeout=30)
    forged = (("authorization", f"Bearer {SECRET}"), daemon.credentials("cs.kim")[1])
    for _ in range(60):  # each of two workers locks after its share of twenty
        with suppress(grpc.RpcError):
            stubs.decision.Check(question(), metadata=forged, timeout=30)


def change_rights(daemon: Daemon, stubs: Stubs) -> None:
    """Somebody asks, somebody joins and breaks glass, somebody leaves, somebody is stopped."""
    officer = daemon.credentials("dpo.yoon", CLI)
    wanted = access_request_pb2.RequestAccessRequest(role="cs_agent", purpose="inquiry", days=30, reason="joins the desk")
    stubs.grant.RequestAccess(wanted, metadata=daemon.credentials("new.oh", CLI), timeout=30)
    joiner = people_pb2.ApplyPersonnelEventRequest(
        kind=people_pb2.PERSONNEL_EVENT_KIND_JOINER,
        person_id="p.night.shift",
        department="fraud",
        accounts=[people_pb2.Account(subject="night.shift")],
        facts=[
            people_pb2.Fact(kind=kind, ends_at=time.time_ns() + 90 * DAY * 10**9) for kind in ("pledge", "training", "device")
        ],
    )
    stubs.grant.ApplyPersonnelEvent(joiner, metadata=officer, timeout=30)
    emergency = access_request_pb2.BreakGlassRequest(
        role="fraud_analyst",
        purpose="fraud_investigation",
        reason="payments are drained right now",
        case_id="FR-2026-0042",
        hours=2,
    )
    stubs.grant.BreakGlass(emergency, metadata=daemon.credentials("night.shift", CLI), timeout=30)
    leaver = people_pb2.ApplyPersonnelEventRequest(kind=people_pb2.PERSONNEL_EVENT_KIND_LEAVER, person_id="p.dba.jung")
    stubs.grant.ApplyPersonnelEvent(leaver, metadata=officer, timeout=30)
    block = revocation_pb2.BlockPrincipalRequest(employee="mkt.park", reason="incident 7")
    stubs.grant.BlockPrincipal(block, metadata=officer, timeout=30)


def counts(before: Samples, after: Samples) -> None:
    """The numbers are those of what was done."""

    def more(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert more("munjigi_confirmations_total", outcome="read") == 1
    assert more("munjigi_confirmed_rows_total", purpose="inquiry") == 3
    assert more("munjigi_subjects_total", purpose="inquiry") == 3  # probes and observed decisions let nobody read
    assert more("munjigi_exports_total", purpose="marketing") == 2
    assert more("munjigi_purpose_decisions_total", purpose="unknown", verdict="deny") == 1
    assert more("munjigi_class_decisions_total", **{"class": "contact", "verdict": "allow"}) == 4
    assert more("munjigi_sessions_ended_total", reason="leaver") == 1
    assert more("munjigi_grants", state="active") == 1  # the emergency
    assert total(after, "munjigi_access_requests", state="requested") == 1
    assert total(after, "munjigi_access_requests", state="review") == 1
    assert total(after, "munjigi_break_glass_active") == 1
    assert total(after, "munjigi_people", state="left") == 1
    assert more("munjigi_permission_changes_total", event="permission.block") == 1


def test_promtool_likes_the_page_and_nobody_is_named_in_it(watched: Watched) -> None:
    need_program("promtool")
    page = text_of(watched.daemon)
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    openmetrics = text_of(watched.daemon, OPENMETRICS)
    for text in (page, openmetrics):
        for name in (SECRET, "nobody-registered", "cs.kim", "new.oh", "1000001", "127.0.0.1"):
            assert name not in text


def test_an_exemplar_leads_from_the_slowest_call_to_its_record(watched: Watched) -> None:
    daemon = watched.daemon
    assert text_of(daemon, OPENMETRICS).endswith("# EOF\n")
    assert " # {" not in text_of(daemon)  # the older format has none
    officer = daemon.credentials("dpo.yoon", CLI)
    traced = (*officer, ("traceparent", f"00-{TRACE}-{'b' * 16}-01"))
    decisions: list[str] = []
    deadline = time.monotonic() + 60
    while not decisions:  # asked again, with nobody else asking: then it is the slowest in its second
        assert time.monotonic() < deadline
        with daemon.channel() as channel:
            Stubs(channel).decision.Check(question(), metadata=traced, timeout=30)
        time.sleep(0.5)
        now = time.time()
        found = watched.server.get(
            "query_exemplars", query='munjigi_call_seconds_bucket{method="Check"}', start=f"{now - 600}", end=f"{now}"
        )
        labels = [each["labels"] for series in found for each in series["exemplars"]]
        decisions = [each["decision_id"] for each in labels if each.get("trace_id") == TRACE]
    with daemon.channel() as channel:
        answer = Stubs(channel).audit.SearchRecords(
            audit_pb2.SearchRecordsRequest(decision_id=decisions[0]), metadata=officer, timeout=30
        )
    assert decisions[0] in [each.id for each in answer.records]


def test_only_networks_that_are_named_may_read_and_no_header_is_believed(watched: Watched) -> None:
    request = urllib.request.Request(
        f"http://{watched.daemon.http_address}/metrics",
        headers={"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # whoever connects is this machine, whatever it says
        assert answer.status == 200


def test_no_counter_goes_back_whatever_is_killed(watched: Watched) -> None:
    daemon, _, server, _ = watched
    load(daemon, 20_000)
    server.wait_for('sum(munjigi_decisions_total{reason="NO_GRANT"})', lambda found: bool(found) and found[0][1] >= 20_000)
    counted = samples_of(text_of(daemon))
    worker = daemon.workers()[1]
    os.kill(worker, signal.SIGKILL)
    seen = [counted]
    deadline = time.monotonic() + 60
    while len(daemon.workers()) < 2 or total(seen[-1], "munjigi_worker_ready") < 2 or worker in daemon.workers():
        assert time.monotonic() < deadline
        seen.append(samples_of(text_of(daemon)))
        time.sleep(0.05)
    os.kill(daemon.children()["follower"], signal.SIGKILL)
    back = eventually_again(daemon, total(counted, "munjigi_process_start_timestamp_seconds", process="follower"))
    seen.append(back)
    for earlier, later in itertools.pairwise(seen):
        fallen = {
            key: (value, later.get(key)) for key, value in earlier.items() if is_count(key[0]) and later.get(key, -1) < value
        }
        assert fallen == {}
    load(daemon, 50)
    eventually(
        daemon,
        lambda page: total(page, "munjigi_decisions_total") > total(back, "munjigi_decisions_total"),
        "it goes on counting",
    )
    asked = total(back, "munjigi_decisions_total") + 50
    server.wait_for("sum(munjigi_decisions_total)", lambda found: bool(found) and found[0][1] >= asked)
    # Through the restarts no counter was reset, and no rate is higher than what was asked at all.
    assert resets(server) == []
    assert (server.value("max_over_time(sum(rate(munjigi_decisions_total[10s]))[10m:1s])") or 0) < 25_000


def resets(server: Prometheus) -> list[object]:
    """Return each counter that Prometheus has seen go back."""
    found = server.samples('{__name__=~"munjigi_.+(_total|_bucket|_count|_sum)"}', 600)
    assert len(found) > 50
    return [(labels, values) for labels, values in found if sorted(values) != values]


def load(daemon: Daemon, items: int) -> None:
    with daemon.channel() as channel:
        for start in range(0, items, 1_000):
            batch = pb.BatchCheckRequest(items=[question()] * min(1_000, items - start))
            Stubs(channel).decision.BatchCheck(batch, metadata=daemon.credentials("new.oh"), timeout=60, wait_for_ready=True)


def eventually_again(daemon: Daemon, started: float) -> Samples:
    """Wait for the page of another follower."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError, urllib.error.URLError):
            page = samples_of(text_of(daemon))
            if total(page, "munjigi_process_start_timestamp_seconds", process="follower") > started:
                return page
        time.sleep(0.05)
    raise AssertionError(daemon.text)


def is_count(name: str) -> bool:
    return name.endswith(("_total", "_bucket", "_count", "_sum"))


def test_counters_stand_a_clock_that_is_set_forward_and_back(watched: Watched) -> None:
    daemon, shift, server, _ = watched
    before = samples_of(text_of(daemon))
    shift.to(4 * DAY)  # the emergency is over, and its review overdue
    ahead = eventually(
        daemon,
        lambda page: total(page, "munjigi_grant_expiries_total") == 1 and total(page, "munjigi_break_glass_reviews_overdue") == 1,
        "the emergency ends",
    )
    assert total(ahead, "munjigi_break_glass_active") == 0
    shift.to(0)
    load(daemon, 50)
    asked = total(ahead, "munjigi_decisions_total") + 50
    back = eventually(
        daemon,
        lambda page: total(page, "munjigi_decisions_total") >= asked and total(page, "munjigi_break_glass_active") == 1,
        "it is counted by the clock as it is",
    )
    assert total(back, "munjigi_grant_expiries_total") == 1
    for earlier, later in ((before, ahead), (ahead, back)):
        assert {key for key, value in earlier.items() if is_count(key[0]) and later.get(key, -1) < value} == set()
    assert resets(server) == []
