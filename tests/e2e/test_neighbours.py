"""One caller's large call must not make the others wait for all of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from e2e_asking import question
from running import Daemon, Stubs

from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

MANY = [str(2_000_001 + number) for number in range(900)]


def test_checks_are_answered_while_a_large_batch_is_decided(daemon: Daemon, stubs: Stubs) -> None:
    credentials = daemon.credentials("cs.kim")
    batch = pb.BatchCheckRequest(items=[question(member_ids=MANY)] * 300)
    stubs.decision.Check(question(), metadata=credentials)
    answered = 0
    with ThreadPoolExecutor(1) as pool, daemon.channel() as channel:
        deciding = pool.submit(Stubs(channel).decision.BatchCheck, batch, metadata=credentials, timeout=60)
        while not deciding.done():
            stubs.decision.Check(question(), metadata=credentials, timeout=60)
            answered += 1
        results = deciding.result().results
    assert answered > 4  # 9 were seen on a machine at three times its load
    assert len(results) == 300
    assert all(result.response.decision == pb.DECISION_ALLOW for result in results)
    indexes = [result.response.record.index for result in results]
    assert indexes == sorted(set(indexes))
