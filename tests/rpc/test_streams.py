"""A bidirectional call without a network: what is read, what is written, and when (promise P1)."""

from __future__ import annotations

import asyncio

import pytest

from munjigi.kernel.errors import AuditUnavailable, Unauthenticated, Unavailable
from munjigi.rpc.streams import IN_FLIGHT, Streams

GRANTS = [object()]  # the last one decides


class Disk:
    """Makes everything durable when told to."""

    def __init__(self):
        self.waiting = []
        self.lapsed = None

    def when_durable(self, callback, *, patience):
        self.waiting.append(callback)

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


async def settle(times=2_000):
    for _ in range(times):
        await asyncio.sleep(0)


def play(scene):
    asyncio.run(asyncio.wait_for(scene(), 60))


def test_p1_no_answer_leaves_before_its_record_is_durable():
    async def scene():
        disk, client = Disk(), Client(10)
        call = asyncio.ensure_future(
            Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, lambda payload: b"a" + payload)
        )
        await settle()
        assert (client.said, client.heard) == (10, [])
        disk.sync()
        assert await call is None
        assert client.heard == [b"a%d" % number for number in range(10)]

    play(scene)


def test_a_client_that_does_not_read_is_held_back():
    async def scene():
        disk, client = Disk(), Client(10 * IN_FLIGHT)
        client.reads.clear()
        call = asyncio.ensure_future(Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, lambda payload: payload))
        for _ in range(20):
            await settle()
            disk.sync()
        assert client.said == IN_FLIGHT
        client.reads.set()
        while not call.done():
            await settle()
            disk.sync()
        assert len(client.heard) == 10 * IN_FLIGHT

    play(scene)


def test_p1_a_failed_sync_ends_the_call_without_an_answer():
    async def scene():
        disk, client = Disk(), Client(3, ends=False)
        call = asyncio.ensure_future(Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, lambda payload: payload))
        await settle()
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
        call = asyncio.ensure_future(Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, start))
        await settle()
        disk.sync()
        assert (await call).reason == "TOKEN_EXPIRED"
        assert (client.said, client.heard) == (3, [b"0", b"1"])

    play(scene)


def test_a_drain_answers_what_was_read_and_refuses_the_rest():
    async def scene():
        disk, client = Disk(), Client(5, ends=False)
        streams = Streams(disk, lambda: GRANTS[-1])
        call = asyncio.ensure_future(streams.serve(client.read, client.write, lambda payload: payload))
        await settle()
        streams.drain()
        await settle()
        assert not call.done()
        disk.sync()
        assert (await call).reason == "DRAINING"
        assert len(client.heard) == 5
        late = Client(5)
        call = asyncio.ensure_future(streams.serve(late.read, late.write, lambda payload: payload))
        await settle()
        disk.sync()
        assert (await call).reason == "DRAINING"
        assert late.heard == []

    play(scene)


def test_a_client_that_goes_away_leaves_nothing_behind():
    async def scene():
        async def write(_):
            raise ConnectionError

        before = asyncio.all_tasks()
        disk, client = Disk(), Client(5, ends=False)
        streams = Streams(disk, lambda: GRANTS[-1])
        call = asyncio.ensure_future(streams.serve(client.read, write, lambda payload: payload))
        await settle()
        disk.sync()
        with pytest.raises(ConnectionError):
            await call
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

        call = asyncio.ensure_future(Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, start))
        await settle()
        disk.sync()
        await settle()  # the first answer is with the transport; two wait for it
        GRANTS.append(object())
        client.reads.set()
        await settle()
        if large:
            assert (await call).reason == "GRANTS_CHANGED"
            assert client.heard == [b"%d" % (len(GRANTS) - 1)]
        else:
            assert await call is None
            before, now = b"%d" % (len(GRANTS) - 1), b"%d" % len(GRANTS)
            assert client.heard == [before, now, now]
            assert len(asked) == 5

    play(scene)


def test_p8_a_stream_sends_nothing_once_the_lease_has_run_out():
    async def scene():
        disk, client = Disk(), Client(3, ends=False)
        call = asyncio.ensure_future(Streams(disk, lambda: GRANTS[-1]).serve(client.read, client.write, lambda payload: payload))
        await settle()
        disk.lapsed = Unavailable("STATE_UNREACHABLE", "Wait.")
        disk.sync()
        assert (await call).reason == "STATE_UNREACHABLE"
        assert client.heard == []

    play(scene)
