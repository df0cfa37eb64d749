"""The README's tour over one PostgreSQL, with two instances of two workers: each step is taken at another one than the step before."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from at_workers import at_workers
from e2e_asking import munjigi, question
from postgresql import postgresql
from running import Daemon, Stubs, serving

from munjigi_client._proto.munjigi.v1 import audit_pb2, revocation_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

SECONDS = 90
OH = "new.oh"
CLI = "munjigi-cli"


class Worker(NamedTuple):
    """One of the four, and the daemon that it is of."""

    daemon: Daemon
    stubs: Stubs
    log_id: str

    def check(self) -> pb.CheckResponse:
        return self.stubs.decision.Check(question(), metadata=self.daemon.credentials(OH), timeout=SECONDS)


class Reader(threading.Thread):
    """Reads on over one open call, question after question; `heard` are verdicts, each with the moment at which it was asked for."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._out: queue.SimpleQueue[pb.CheckStreamRequest | None] = queue.SimpleQueue()
        metadata = worker.daemon.credentials(OH)
        self._call = worker.stubs.decision.CheckStream(iter(self._out.get, None), metadata=metadata, timeout=SECONDS)
        self.heard: list[tuple[float, str]] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            asked = time.monotonic()
            self._out.put(pb.CheckStreamRequest(id="again", check=question()))
            self.heard.append((asked, next(self._call).response.reason))

    def end(self) -> None:
        self.ended.set()
        self.join(SECONDS)
        self._out.put(None)
        assert list(self._call) == []  # and the call had been open until now

    def wait(self, reason: str, since: float) -> None:
        """Wait until a question that was asked after `since` has this answer."""
        deadline = time.monotonic() + SECONDS
        while not any(asked > since and heard == reason for asked, heard in list(self.heard)):
            assert self.is_alive()
            assert time.monotonic() < deadline, self.heard[-3:]
            time.sleep(0.01)


@pytest.fixture
def workers(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Worker, ...]]:
    """Two workers here, two there: here, there, here, there."""
    with ExitStack() as stack:
        server = stack.enter_context(postgresql(tmp_path_factory.mktemp("state")))
        server.make("munjigi")
        found: list[list[Worker]] = []
        for name in ("here", "there"):
            # A busy machine is not what this is about: no lease runs out before the revocation has gone round.
            options = ("--workers", "2", "--lease-seconds", "15")
            daemon = stack.enter_context(serving(tmp_path / name, *options, **server.settings("munjigi")))
            at = stack.enter_context(at_workers(daemon, 2))
            found.append([Worker(daemon, stubs, log_id) for log_id, stubs in at.items()])
        (first, third), (second, fourth) = found
        yield first, second, third, fourth


def ledger(daemon: Daemon) -> list[dict[str, Any]]:
    """Return the steps of new.oh's rights, once this instance's index has four of them."""
    deadline = time.monotonic() + SECONDS
    while len(steps := munjigi(daemon, f"munjigi grant ledger {OH}", "dpo.yoon")["steps"]) < 4:
        assert time.monotonic() < deadline, (steps, daemon.text)
        time.sleep(0.1)
    return list(steps)


def decisions(worker: Worker) -> list[tuple[str, str]]:
    """Return what one worker's journal has decided for new.oh, oldest first, as the index of its instance tells it."""
    metadata = worker.daemon.credentials("dpo.yoon", CLI)
    deadline = time.monotonic() + SECONDS
    while True:
        request = audit_pb2.SearchRecordsRequest(employee=OH, event_type="access.decision", page_size=1000)
        found: list[audit_pb2.AuditRecord] = []
        complete = True
        while True:
            answer = worker.stubs.audit.SearchRecords(request, metadata=metadata, timeout=SECONDS)
            found += [each for each in answer.records if each.id.startswith(worker.log_id)]
            complete &= answer.complete
            request.page_token = answer.next_page_token
            if not request.page_token:
                break
        if complete:
            return [(str(each.content["decision"]), str(each.content["reason"])) for each in reversed(found)]
        assert time.monotonic() < deadline, worker.daemon.text


def test_p8_denied_asked_approved_read_revoked_in_the_middle_and_told_by_the_ledger(workers: tuple[Worker, ...]) -> None:
    here, there = workers[0].daemon, workers[1].daemon
    for each in workers:
        denied = each.check()
        assert (denied.decision, denied.reason) == (pb.DECISION_DENY, "NO_GRANT")
    command = re.search(r"(munjigi request cs_agent .+)$", denied.help, re.MULTILINE)
    assert command is not None, denied.help

    asked = munjigi(here, command[1].replace("WHY", "'joins the inquiry desk'"), OH)["access_request"]
    (waiting,) = munjigi(there, "munjigi requests --to-decide", "cs.lee")["access_requests"]
    assert (waiting["access_request_id"], waiting["digest"]) == (asked["access_request_id"], asked["digest"])
    assert all(each.check().reason == "NO_GRANT" for each in workers)

    approve = f"munjigi approve {asked['access_request_id']} --yes --reason 'the desk is short'"
    grant = munjigi(there, approve, "cs.lee")["grant"]["grant_id"]
    assert {each.check().reason for each in workers} == {"GRANTED"}  # what was answered is so everywhere

    began = time.monotonic()
    readers = [Reader(each) for each in workers]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.wait("GRANTED", began)
    revoke = revocation_pb2.RevokeGrantRequest(grant_id=grant, reason="the desk is full again")
    owner = workers[2].daemon.credentials("cs.lee", CLI)
    revoked = workers[2].stubs.grant.RevokeGrant(revoke, metadata=owner, timeout=SECONDS)
    answered = time.monotonic()
    for reader in readers:
        reader.wait("GRANT_EXPIRED", answered)
        reader.end()
    late = [heard for reader in readers for asked_at, heard in reader.heard if asked_at > answered]
    assert set(late) == {"GRANT_EXPIRED"}
    assert revoked.acknowledgement.leases_run_out == 0
    print(f"revoked everywhere after {revoked.acknowledgement.waited / 1e6:.0f} ms; {len(late)} answers since")
    assert {each.check().reason for each in workers} == {"GRANT_EXPIRED"}

    steps = ledger(there)
    assert [(each["event"], each["decided by"] or each["applicant"], each["reason"]) for each in steps] == [
        ("request", OH, "joins the inquiry desk"),
        ("approved", "cs.lee", "the desk is short"),
        ("grant", "cs.lee", "joins the inquiry desk"),
        ("revoke", "cs.lee", "the desk is full again"),
    ]
    assert {each["request"] for each in steps[:3]} == {asked["access_request_id"]}
    assert {each["grant"] for each in steps[1:]} == {grant}
    assert steps == ledger(here)  # the same records under the same ids at either instance
    for each in workers:
        told = decisions(each)
        assert told[0] == ("DENY", "NO_GRANT")
        assert ("ALLOW", "GRANTED") in told
        assert told[-1] == ("DENY", "GRANT_EXPIRED")
        last = max(number for number, verdict in enumerate(told) if verdict == ("ALLOW", "GRANTED"))
        assert {reason for _, reason in told[last + 1 :]} == {"GRANT_EXPIRED"}
    verify = audit_pb2.VerifyJournalRequest()
    for each in workers[:2]:
        whole = each.stubs.audit.VerifyJournal(verify, metadata=each.daemon.credentials("dpo.yoon", CLI), timeout=SECONDS)
        assert whole.intact, whole
