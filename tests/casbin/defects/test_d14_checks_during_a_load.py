"""D14: pycasbin's SyncedEnforcer stops every check during a reload. Ours goes on deciding with what is in force."""

from __future__ import annotations

import threading
import time

from defects.support import engine, model

POLICY = "".join(f"p, role{n}, data{n}, read\n" for n in range(500)) + "".join(
    f"g, user{n}, role{n % 500}\n" for n in range(20_000)
)


def test_d14_checks_go_on_while_a_policy_loads():
    ours = engine(model(), "p, staff, data1, read\ng, alice, staff\n")
    loaded = []
    loading = threading.Thread(target=lambda: loaded.append(engine(model(), POLICY)))
    loading.start()
    answered = 0
    deadline = time.monotonic() + 60
    while loading.is_alive() and time.monotonic() < deadline:
        assert ours.enforce(("alice", "data1", "read"))
        answered += 1
    loading.join()
    assert loaded[0].enforce(("user7", "data7", "read"))
    # The server compiles in another process (tests/e2e); even in a thread beside us no lock is shared.
    assert answered > 100
