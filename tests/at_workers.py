"""Connections to each of several gateway workers, which share a port: the kernel chooses, so they are made until each has one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import grpc
from e2e_asking import question
from running import Daemon, Stubs

ALONE = (("grpc.use_local_subchannel_pool", 1),)  # else channels of one process share a connection


@contextmanager
def at_workers(daemon: Daemon, count: int) -> Iterator[dict[str, Stubs]]:
    """Give the services at each worker, by the id of its log."""
    found: dict[str, Stubs] = {}
    deadline = time.monotonic() + 30
    with ExitStack() as stack:
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} workers answer"
            channel = grpc.insecure_channel(daemon.grpc_address, options=ALONE)
            answer = Stubs(channel).decision.Check(question(), metadata=daemon.credentials("cs.kim"), wait_for_ready=True)
            if answer.record.log_id in found:
                channel.close()
            else:
                found[answer.record.log_id] = Stubs(stack.enter_context(channel))
        yield found
