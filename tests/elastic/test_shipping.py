from __future__ import annotations

from pathlib import Path

from audit.support import START
from elastic.server import ElasticsearchServer
from elastic.support import DAY, Shipped, access_to, filled, installed, stored

from munjigi.audit.reader import list_logs


def names(log_id: str, count: int) -> list[str]:
    return [f"{log_id}-{number}" for number in range(count)]


def test_p7_every_record_arrives_once_in_the_index_of_its_own_date(
    cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path
):
    folder = filled(tmp_path / "state", 2_500, days=3)
    installed(cluster_server, tmp_path, prefix)
    shipped = Shipped(folder, access_to(cluster_server, tmp_path), prefix)
    shipped.run()
    log_id = list_logs(folder.journal)[0]
    found = stored(cluster_server, prefix)
    assert [each for _, each in found] == names(log_id, 2_500)
    assert len({index for index, _ in found}) == 3
    assert (shipped.metric("records_total", "stored"), shipped.metric("next_index")) == (2_500, 2_500)
    assert shipped.metric("pending_since_timestamp_seconds") == 0

    filled(tmp_path / "state", 10, at=START + 3 * DAY)
    shipped.run()
    assert [each for _, each in stored(cluster_server, prefix)] == names(log_id, 2_510)
    assert shipped.metric("records_total", "already") == 0
