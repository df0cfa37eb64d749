"""The state's database is gone for a while, or tells another time: nothing is answered that could be wrong, and it goes on by itself."""

from __future__ import annotations

import queue
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from at_workers import at_workers
from e2e_asking import question, reason_of
from postgresql import PostgresqlServer, postgresql
from relay import Relay
from running import ROOT, Daemon, Stubs, serving
from shifted import Shift, shifted
from witnessing import metrics

from munjigi_client._proto.munjigi.v1 import access_request_pb2, revocation_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

DATABASE = "munjigi"
CLI = "munjigi-cli"
SECONDS = 120  # for what happens by itself, on a busy machine
LEASE = 1.0
ALLOW = "DECISION_ALLOW GRANTED"
EXPIRED = "DECISION_DENY GRANT_EXPIRED"
AWAY = "UNAVAILABLE STATE_UNREACHABLE"
SKEWED = "UNAVAILABLE CLOCK_SKEWED"
Credentials = tuple[tuple[str, str], ...]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    """One of this file's own: it is killed."""
    with postgresql(tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture
def server(own: PostgresqlServer) -> PostgresqlServer:
    """It, with nothing in it."""
    own.make(DATABASE)
    return own


def answer(stubs: Stubs, who: Credentials) -> str:
    """Say what a question is answered: verdict or status, and why."""
    try:
        found = stubs.decision.Check(question(), metadata=who, timeout=SECONDS)
    except grpc.RpcError as error:
        code, reason = reason_of(error)
        return f"{code.name} {reason}"
    return f"{pb.Decision.Name(found.decision)} {found.reason}"


class Asker(threading.Thread):
    """Asks at one worker, again and again; `heard` are its answers, each with the moment before it was asked."""

    def __init__(self, stubs: Stubs, who: Credentials) -> None:
        super().__init__()
        self._stubs, self._who = stubs, who
        self.ended = threading.Event()
        self.heard: list[tuple[float, str]] = []

    def run(self) -> None:
        while not self.ended.wait(0.02):
            asked = time.monotonic()
            self.heard.append((asked, answer(self._stubs, self._who)))

    def wait(self, wanted: str, since: float = 0.0) -> None:
        """Wait until what was asked after `since` is answered so."""
        deadline = time.monotonic() + SECONDS
        while not any(asked > since and heard == wanted for asked, heard in list(self.heard)):
            assert self.is_alive()
            assert time.monotonic() < deadline, self.heard[-3:]
            time.sleep(0.02)


@contextmanager
def asking(*askers: Asker) -> Iterator[None]:
    """They ask for as long as the block lasts."""
    for each in askers:
        each.start()
    try:
        yield
    finally:
        for each in askers:
            each.ended.set()
        for each in askers:
            each.join(SECONDS)


def ready(daemon: Daemon) -> bool:
    try:
        with urllib.request.urlopen(f"http://{daemon.http_address}/readyz", timeout=30) as found:
            return bool(found.status == 200)
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return False


def wait_ready(daemon: Daemon, *, wanted: bool) -> None:
    deadline = time.monotonic() + SECONDS
    while ready(daemon) is not wanted:
        assert time.monotonic() < deadline, daemon.text
        time.sleep(0.1)


def revoke(daemon: Daemon, stubs: Stubs, grant: str) -> revocation_pb2.RevokeGrantResponse:
    request = revocation_pb2.RevokeGrantRequest(grant_id=grant, reason="changed duty", request_id=f"revoke-{grant}")
    found = stubs.grant.RevokeGrant(request, metadata=daemon.credentials("dpo.yoon", CLI), timeout=SECONDS)
    assert isinstance(found, revocation_pb2.RevokeGrantResponse)
    return found


def revoked(daemon: Daemon, stubs: Stubs, grant: str) -> revocation_pb2.RevokeGrantResponse | None:
    """Revoke; None where the worker could not say now: the machine is busy, and leases are short."""
    try:
        return revoke(daemon, stubs, grant)
    except grpc.RpcError as error:
        if reason_of(error) != (grpc.StatusCode.UNAVAILABLE, "STATE_UNREACHABLE"):
            raise
        return None


@pytest.mark.parametrize("gone", [6.0, pytest.param(60.0, marks=pytest.mark.torture)])
def test_p8_a_database_that_is_gone_for_many_leases_is_unavailable_to_all_and_all_go_on_by_themselves(
    tmp_path: Path, server: PostgresqlServer, gone: float
) -> None:
    settings = server.settings(DATABASE) | {"MUNJIGI_LEASE_SECONDS": str(LEASE)}
    with (
        serving(tmp_path / "here", "--workers", "2", **settings) as here,
        serving(tmp_path / "there", **settings) as there,
        at_workers(here, 2) as ours,
        at_workers(there, 1) as theirs,
    ):
        everywhere = [*((here, each) for each in ours.values()), *((there, each) for each in theirs.values())]
        askers = [Asker(stubs, daemon.credentials("cs.kim")) for daemon, stubs in everywhere]
        out: queue.SimpleQueue[pb.CheckStreamRequest | None] = queue.SimpleQueue()
        reading = everywhere[0][1].decision.CheckStream(
            iter(out.get, None), metadata=here.credentials("cs.kim"), timeout=3 * SECONDS
        )
        pids = (here.workers(), there.workers())
        with asking(*askers):
            for each in askers:
                each.wait(ALLOW)
            out.put(pb.CheckStreamRequest(id="before", check=question()))
            assert next(reading).response.decision == pb.DECISION_ALLOW

            server.stop(signal.SIGQUIT)
            killed = time.monotonic()
            for each in askers:
                each.wait(AWAY, killed)
            # Who reads on over an open call is told, too.
            out.put(pb.CheckStreamRequest(id="meanwhile", check=question()))
            with pytest.raises(grpc.RpcError) as ended:
                next(reading)
            assert reason_of(ended.value) == (grpc.StatusCode.UNAVAILABLE, "STATE_UNREACHABLE")
            # What would be a change is refused, and so is a right that would be taken away: it is said, and may be repeated.
            for daemon, stubs in everywhere:
                with pytest.raises(grpc.RpcError) as refused:
                    revoke(daemon, stubs, "g.cs.kim.cs_agent")
                assert reason_of(refused.value) == (grpc.StatusCode.UNAVAILABLE, "STATE_UNREACHABLE")
                wanted = access_request_pb2.RequestAccessRequest(role="cs_agent", purpose="inquiry", days=30, reason="new")
                with pytest.raises(grpc.RpcError) as refused:
                    stubs.grant.RequestAccess(wanted, metadata=daemon.credentials("new.oh", CLI), timeout=SECONDS)
                assert reason_of(refused.value)[0] is grpc.StatusCode.UNAVAILABLE
            for daemon in (here, there):
                wait_ready(daemon, wanted=False)
            time.sleep(max(0.0, killed + gone - time.monotonic()))

        for each in askers:
            during = [heard for asked, heard in each.heard if asked > killed + LEASE]
            assert during
            assert set(during) == {AWAY}
        server.start()  # nobody asks meanwhile: it is made by a fork, which gRPC does not bear in the middle of a call
        back = time.monotonic()
        askers = [Asker(stubs, daemon.credentials("cs.kim")) for daemon, stubs in everywhere]
        with asking(*askers):
            for each in askers:
                each.wait(ALLOW)
            print(f"gone for {back - killed:.0f} s; all answered again {time.monotonic() - back:.1f} s after it was started")
            for daemon in (here, there):
                wait_ready(daemon, wanted=True)
            assert pids == (here.workers(), there.workers())  # nobody was started again

            # What was refused meanwhile is repeated as it was.
            deadline = time.monotonic() + SECONDS
            while (done := revoked(here, everywhere[1][1], "g.cs.kim.cs_agent")) is None:
                assert time.monotonic() < deadline
            since = time.monotonic()
            assert done.grant.state == "revoked"
            for each in askers:
                each.wait(EXPIRED, since)
                assert {heard for asked, heard in each.heard if asked > since} <= {EXPIRED, AWAY}
        out.put(None)
        reading.cancel()


def test_p8_an_instance_that_is_cut_off_answers_nothing_after_its_lease_and_a_revocation_waits_for_that_alone(
    tmp_path: Path, server: PostgresqlServer
) -> None:
    settings = server.settings(DATABASE)
    with Relay(server.port).running() as wire:
        through = settings | {"MUNJIGI_STATE_URL": settings["MUNJIGI_STATE_URL"].replace(f":{server.port}/", f":{wire.port}/")}
        with (
            serving(tmp_path / "parted", **through) as parted,
            serving(tmp_path / "whole", **settings) as whole,
            parted.channel() as to_parted,
            whole.channel() as to_whole,
        ):
            there, here = Stubs(to_parted), Stubs(to_whole)
            for who, grant, forget in (("cs.kim", "g.cs.kim.cs_agent", False), ("cs.lee", "g.cs.lee.cs_manager", True)):
                out_there = Asker(there, parted.credentials(who))
                at_home = Asker(here, whole.credentials(who))
                with asking(out_there, at_home):
                    out_there.wait(ALLOW)
                    at_home.wait(ALLOW)
                    wire.cut()
                    revoked = revoke(whole, here, grant)
                    answered = time.monotonic()
                    # It answered by what was before while its lease held, and nobody was told that it is over until that ended.
                    assert revoked.acknowledgement.leases_run_out == 1
                    out_there.wait(AWAY, answered)
                    at_home.wait(EXPIRED, answered)
                    wait_ready(parted, wanted=False)
                    assert ready(whole)
                    mended = time.monotonic()
                    wire.mend(forget=forget)
                    out_there.wait(EXPIRED, mended)
                    wait_ready(parted, wanted=True)
                for each in (out_there, at_home):
                    assert not [asked for asked, heard in each.heard if heard == ALLOW and asked > answered]
            # A stop does not wait for a database that says nothing: what there is to close is closed.
            wire.cut()
            assert parted.stop(seconds=SECONDS) == 0
            ended = [line for line in parted.log if '"process": "worker"' in line]
            assert '"event": "stopped"' in ended[-1], parted.text


def test_p10_an_instance_whose_clock_is_not_the_databases_refuses_to_start_and_says_why(
    tmp_path: Path, server: PostgresqlServer
) -> None:
    shift = Shift(tmp_path / "clock")
    environment = {"PYTHONPATH": str(ROOT / "tests" / "clockshift"), "TEST_CLOCK_SHIFT": str(tmp_path / "clock")}
    environment |= server.settings(DATABASE)
    for off in (-30, 30):
        shift.to(off)
        daemon = Daemon(tmp_path / "var", **environment)
        daemon.launch()
        try:
            daemon.wait_for("Refusing to start: This machine's clock and the state store's differ")
            assert daemon.process is not None
            assert daemon.process.wait(SECONDS) != 0
            assert "synchronise both" in daemon.text
            assert "is serving." not in daemon.text
        finally:
            daemon.stop(signal.SIGKILL)
    shift.to(1)  # within what a lease bears
    with serving(tmp_path / "var", **environment) as again, again.channel() as channel:
        assert answer(Stubs(channel), shift.credentials(again)) == ALLOW


def test_p8_an_instance_whose_clock_is_set_wrong_serves_no_more_holds_nobody_up_and_goes_on_when_it_is_right(
    tmp_path: Path, server: PostgresqlServer
) -> None:
    settings = server.settings(DATABASE)
    (tmp_path / "wrong").mkdir()
    with (
        serving(tmp_path / "right", **settings) as right,
        shifted(tmp_path / "wrong" / "var", **settings) as (wrong, shift),
        right.channel() as to_right,
        wrong.channel() as to_wrong,
    ):
        good, bad = Stubs(to_right), Stubs(to_wrong)
        for off, who, grant in ((-30, "cs.kim", "g.cs.kim.cs_agent"), (30, "cs.lee", "g.cs.lee.cs_manager")):

            def until(wanted: str, who: str = who) -> None:
                deadline = time.monotonic() + SECONDS
                while (found := answer(bad, shift.credentials(wrong, who))) != wanted:
                    assert time.monotonic() < deadline, (found, wrong.text)
                    time.sleep(0.05)

            until(ALLOW)
            shift.to(off)
            until(SKEWED)
            wait_ready(wrong, wanted=False)
            assert answer(good, right.credentials(who)) == ALLOW
            # Who does not answer is waited for no longer than its lease, and does not answer by what was before.
            assert revoke(right, good, grant).record_id
            assert answer(bad, shift.credentials(wrong, who)) == SKEWED
            shift.to(0)
            until(EXPIRED)
            wait_ready(wrong, wanted=True)
            assert answer(good, right.credentials(who)) == EXPIRED
        lapsed = [line for line in wrong.log if "the lease has run out" in line]
        assert any("CLOCK_SKEWED" in line for line in lapsed), wrong.text
        deadline = time.monotonic() + SECONDS
        while 'munjigi_answers_withheld_total{reason="CLOCK_SKEWED"}' not in metrics(wrong):
            assert time.monotonic() < deadline
            time.sleep(0.1)
