"""A bidirectional call without a network: what is read, what is written, and when (promise P1)."""

from __future__ import annotations

import asyncio

import pytest

from munjigi.kernel.errors import AuditUnavailable, Unauthenticated, Unavailable
from munjigi.rpc import streams as streams_module
from munjigi.rpc.streams import IN_FLIGHT, TOGETHER, Streams

GRANTS = [object()]  # the last one decides


class Disk:
    """Makes everything durable when told to."""

    def __init__(self):
        self.waiting = []
        self.answers = 0
        self.lapsed = None

    def when_durable(self, callback, *, answers):
        self.waiting.append(callback)
        self.answers += answers

    async def durable(self):
        await asyncio.sleep(0)

    def refusal(self):
        return self.lapsed

    def sync(self, failure=None):
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback(failure)


class Client:
    """Says `count` messages, then nothing more; takes answers while `reads`."""

    def __init__(self, count, *, ends=True):
        self.left = list(range(count))
        self.said = 0
        self.ends = ends
        self.heard = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def read(self):
        await asyncio.sleep(0)
        if not self.left:
            if not self.ends:
                await asyncio.Event().wait()
            return None
        self.said += 1
        return str(self.left.pop(0)).encode()

    async def write(self, answer):
        await self.reads.wait()
        self.heard.append(answer)


def each(start):
    """Answer messages in a row, as a pipeline does: as the answers are taken."""
    return lambda payloads: map(start, payloads)


async def settle(times=2_000):
    for _ in range(times):
        await asyncio.sleep(0)


async def until(happened):
    async with asyncio.timeout(30):
        while not happened():
            await asyncio.sleep(0)


async def outcome(call, disk):
    """Sync until the call has ended; return how."""

    def ended():
        disk.sync()
        return call.done()

    await until(ended)
    return await call


def play(scene):
    asyncio.run(asyncio.wait_for(scene(), 60))


def test_p1_no_answer_leaves_before_its_record_is_durable():
    async def scene():
        disk, client = Disk(), Client(10)
        call = asyncio.ensure_future(
            Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, each(lambda payload: b"a" + payload))
        )
        await until(lambda: disk.answers == 11)  # and the end
        await settle()
        assert (client.said, client.heard) == (10, [])
        assert await outcome(call, disk) is None
        assert client.heard == [b"a%d" % number for number in range(10)]

    play(scene)


def test_a_client_that_does_not_read_is_held_back():
    async def scene():
        disk, client = Disk(), Client(10 * IN_FLIGHT)
        client.reads.clear()
        call = asyncio.ensure_future(
            Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, each(lambda payload: payload))
        )
        await until(lambda: client.said == IN_FLIGHT)
        await settle()
        disk.sync()
        await settle()
        assert client.said == IN_FLIGHT
        client.reads.set()
        await outcome(call, disk)
        assert len(client.heard) == 10 * IN_FLIGHT

    play(scene)


def test_p1_a_failed_sync_ends_the_call_without_an_answer():
    async def scene():
        disk, client = Disk(), Client(3, ends=False)
        call = asyncio.ensure_future(
            Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, each(lambda payload: payload))
        )
        await until(lambda: disk.answers == 3)
        disk.sync(AuditUnavailable("full"))
        assert (await call).reason == "AUDIT_UNAVAILABLE"
        assert client.heard == []

    play(scene)


def test_who_is_no_longer_admitted_gets_the_answers_before_that():
    async def scene():
        def start(payload):
            if payload == b"2":
                raise Unauthenticated("TOKEN_EXPIRED", "Sign in again.")
            return payload

        disk, client = Disk(), Client(5, ends=False)
        call = asyncio.ensure_future(Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, each(start)))
        assert (await outcome(call, disk)).reason == "TOKEN_EXPIRED"
        assert client.heard == [b"0", b"1"]

    play(scene)


def test_a_drain_answers_what_was_read_and_refuses_the_rest():
    async def scene():
        disk, client = Disk(), Client(5, ends=False)
        streams = Streams(disk, lambda: GRANTS[-1])
        call = asyncio.ensure_future(streams.serve(client.read, client.write, each(lambda payload: payload)))
        await until(lambda: client.said == 5)
        streams.drain()
        await until(lambda: disk.answers == 6)
        await settle()
        assert not call.done()
        assert (await outcome(call, disk)).reason == "DRAINING"
        assert len(client.heard) == 5
        late = Client(5)
        call = asyncio.ensure_future(streams.serve(late.read, late.write, each(lambda payload: payload)))
        assert (await outcome(call, disk)).reason == "DRAINING"
        assert late.heard == []

    play(scene)


def test_a_client_that_goes_away_leaves_nothing_behind():
    async def scene():
        async def write(_):
            raise ConnectionError

        before = asyncio.all_tasks()
        disk, client = Disk(), Client(5, ends=False)
        streams = Streams(disk, lambda: GRANTS[-1])
        call = asyncio.ensure_future(streams.serve(client.read, write, each(lambda payload: payload)))
        with pytest.raises(ConnectionError):
            await outcome(call, disk)
        assert not streams._readers
        assert asyncio.all_tasks() == before

    play(scene)


@pytest.mark.parametrize("large", [False, True])
def test_p8_what_waits_in_a_stream_when_a_grant_changes_is_decided_again(large):
    async def scene():
        disk, client = Disk(), Client(3)
        if large:
            client.left = ["x" * 100_000] * 3
        client.reads.clear()
        asked = []

        def start(payload):
            asked.append(len(GRANTS))
            return b"%d" % len(GRANTS)

        call = asyncio.ensure_future(Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, each(start)))
        await until(lambda: disk.answers == 4)
        disk.sync()
        await settle()  # the first answer is with the transport; two wait for it
        GRANTS.append(object())
        client.reads.set()
        if large:
            assert (await call).reason == "GRANTS_CHANGED"
            assert client.heard == [b"%d" % (len(GRANTS) - 1)]
        else:
            assert await outcome(call, disk) is None
            before, now = b"%d" % (len(GRANTS) - 1), b"%d" % len(GRANTS)
            assert client.heard == [before, now, now]
            assert len(asked) == 5

    play(scene)


def test_p8_a_stream_sends_nothing_once_the_lease_has_run_out():
    async def scene():
        disk, client = Disk(), Client(3, ends=False)
        call = asyncio.ensure_future(
            Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, each(lambda payload: payload))
        )
        await until(lambda: disk.answers == 3)
        disk.lapsed = Unavailable("STATE_UNREACHABLE", "Wait.")
        disk.sync()
        assert (await call).reason == "STATE_UNREACHABLE"
        assert client.heard == []

    play(scene)


def test_what_has_come_meanwhile_is_decided_in_a_row_and_shares_a_commit():
    async def scene():
        rounds = []

        def start(payloads):
            rounds.append(len(payloads))
            return iter(payloads)

        disk, clients = Disk(), [Client(100, ends=False), Client(100)]
        streams = Streams(disk, lambda: GRANTS[-1])
        calls = [asyncio.ensure_future(streams.serve(each.read, each.write, start)) for each in clients]
        await until(lambda: disk.answers == 201)
        assert (len(rounds) < 50, sum(rounds), max(rounds) <= TOGETHER) == (True, 200, True)
        assert len(disk.waiting) <= len(rounds)
        assert await outcome(calls[1], disk) is None
        await until(lambda: len(clients[0].heard) == 100)
        assert [each.heard for each in clients] == [[b"%d" % number for number in range(100)]] * 2
        calls[0].cancel()
        await asyncio.wait(calls)

    play(scene)


def test_who_asks_one_question_after_the_other_never_waits_for_company(monkeypatch):
    monkeypatch.setattr(streams_module, "PATIENCE", 3_600.0)

    async def scene():
        class Patient(Client):
            async def read(self):
                while len(self.heard) < self.said:
                    await asyncio.sleep(0)
                return await super().read()

        disk, client = Disk(), Patient(20)
        call = asyncio.ensure_future(
            Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, each(lambda payload: payload))
        )
        assert await outcome(call, disk) is None
        assert len(client.heard) == 20

    play(scene)


def test_who_is_admitted_no_more_may_still_end_the_call():
    async def scene():
        asked = []

        def start(payloads):
            asked.append(list(payloads))
            if len(asked) > 1:
                raise Unauthenticated("TOKEN_EXPIRED", "Sign in again.")
            return iter(payloads)

        class Slow(Client):
            async def read(self):
                while self.said and not self.heard:
                    await asyncio.sleep(0)
                return await super().read()

        disk, client = Disk(), Slow(1)
        call = asyncio.ensure_future(Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, start))
        assert await outcome(call, disk) is None
        assert (asked, client.heard) == ([[b"0"]], [b"0"])

    play(scene)


def test_large_messages_are_not_read_before_those_that_wait_are_decided(monkeypatch):
    monkeypatch.setattr(streams_module, "PATIENCE", 3_600.0)

    async def scene():
        disk, client = Disk(), Client(20, ends=False)
        client.left = ["x" * 100_000] * 20
        call = asyncio.ensure_future(
            Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, each(lambda payload: payload))
        )
        await settle()
        assert (disk.answers, client.said) == (1, 4)  # one at once; then as many as wait for a round
        call.cancel()
        await asyncio.wait((call,))

    play(scene)
