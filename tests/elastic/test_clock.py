"""P7: the clock jumps over midnight, back, and on, under load: time never falls in a log, and each record has its own date's index."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import grpc
from e2e_asking import question
from elastic.server import ElasticsearchServer
from elastic.support import installed, settings_of, stored
from elastic.test_daemon import eventually, metric, recorded
from running import Daemon, Stubs
from shifted import DAY, Shift, refused, shifted

from munjigi.adapters.elasticsearch.documents import Naming
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import decode
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


class Asking:
    """Asks by the daemon's clock until told to stop; a token made just before a jump may be refused."""

    def __init__(self, daemon: Daemon, shift: Shift) -> None:
        self.answered: list[tuple[int, str]] = []  # the shift, or -1 where the clock was set meanwhile, and the record
        self.failures: list[grpc.RpcError] = []
        self._daemon, self._shift = daemon, shift
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with self._daemon.channel() as channel:
            stub = Stubs(channel).decision
            while not self.stop.is_set():
                shift, turn = self._shift.seconds, self._shift.turns
                try:
                    answer = stub.Check(question(), metadata=self._shift.credentials(self._daemon), timeout=30)
                except grpc.RpcError as error:
                    if not refused(error):
                        self.failures.append(error)
                    continue
                if answer.decision == pb.DECISION_ALLOW:
                    certain = turn % 2 == 0 and turn == self._shift.turns
                    self.answered.append((shift if certain else -1, answer.decision_id))

    def until(self, shift: int, count: int) -> None:
        eventually(lambda: sum(each == shift for each, _ in list(self.answered)) >= count, "decisions stopped")


def test_p7_the_clock_jumps_over_a_date_and_back_under_load(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    installed(cluster_server, tmp_path, prefix)
    with shifted(tmp_path / "state", **settings_of(cluster_server, tmp_path, prefix)) as (daemon, shift):
        asking = Asking(daemon, shift)
        asking.thread.start()
        try:
            for seconds in (0, DAY, 1, 2 * DAY):  # 1: back, told from the beginning
                shift.to(seconds)
                asking.until(seconds, 60)
        finally:
            asking.stop.set()
            asking.thread.join()
        eventually(lambda: metric(daemon, "munjigi_ship_next_index") >= len(recorded(daemon.state_dir)), "it was not shipped")
        found = stored(cluster_server, prefix)
    assert asking.failures == []
    names = [name for _, name in found]
    assert len(set(names)) == len(names)
    assert {name for _, name in asking.answered} <= set(names)
    (log_id,) = list_logs(daemon.state_dir / "journal")
    with JournalReader(daemon.state_dir / "journal" / log_id) as log:
        records = [decode(payload) for _, payload in log.read(0, 1_000_000)]
    times = [each.time for each in records]
    assert times == sorted(times)
    index_of = {name: index for index, name in found}
    naming = Naming(prefix)
    for each in records:
        if (name := f"{log_id}-{each.index}") in index_of:  # the last ones came with the stop
            assert index_of[name] == naming.of_time(each.time)
    shipped = [each for each in records if f"{log_id}-{each.index}" in index_of]
    assert len(records) - len(shipped) <= 2
    assert len({index_of[f"{log_id}-{each.index}"] for each in shipped}) == 3
    stepped = {f"{log_id}-{each.index}" for each in records if each.clock_stepped}
    back = [name for seconds, name in asking.answered if seconds == 1]
    assert set(back) <= stepped
    assert not stepped & {name for seconds, name in asking.answered if seconds in (0, DAY)}
    assert times[-1] > time.time_ns() + DAY * 10**9
