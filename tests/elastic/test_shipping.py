from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from audit.support import START
from elastic.server import ElasticsearchServer
from elastic.support import DAY, Shipped, access_to, filled, installed, stored

from munjigi.audit.reader import list_logs
from munjigi.kernel.errors import Corruption


def names(log_id: str, count: int) -> list[str]:
    return [f"{log_id}-{number}" for number in range(count)]


def answered(shipped: Shipped) -> float:
    """A cluster that has just begun may answer too late, and then has stored the record already."""
    return sum(shipped.metric("records_total", result) for result in ("stored", "already"))


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
    assert (answered(shipped), shipped.metric("next_index")) == (2_500, 2_500)
    assert shipped.metric("pending_since_timestamp_seconds") == 0

    filled(tmp_path / "state", 10, at=START + 3 * DAY)
    shipped.run()
    assert [each for _, each in stored(cluster_server, prefix)] == names(log_id, 2_510)
    assert answered(shipped) == 2_510, "what is shipped is not sent again"


def test_by_month_every_record_arrives_in_the_index_of_its_own_month(
    cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path
):
    folder = filled(tmp_path / "state", 600, days=60)  # from 2026-09-21 on
    installed(cluster_server, tmp_path, prefix, rollover="month")
    shipped = Shipped(folder, access_to(cluster_server, tmp_path), prefix, rollover="month")
    shipped.run()
    log_id = list_logs(folder.journal)[0]
    found = stored(cluster_server, prefix)
    assert [each for _, each in found] == names(log_id, 600)
    assert Counter(index for index, _ in found) == {f"{prefix}-2026.09": 100, f"{prefix}-2026.10": 310, f"{prefix}-2026.11": 190}


def test_p7_shipping_passes_by_what_is_past_its_retention_however_much_that_is(
    cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path
):
    folder = filled(tmp_path / "state", 5_000)
    installed(cluster_server, tmp_path, prefix)
    shipped = Shipped(folder, access_to(cluster_server, tmp_path), prefix, kept_from=START + DAY)
    shipped.run()
    assert (shipped.metric("next_index"), shipped.metric("records_total", "expired")) == (5_000, 5_000)
    assert stored(cluster_server, prefix) == []

    filled(tmp_path / "state", 2_500, at=START + DAY)
    again = Shipped(folder, access_to(cluster_server, tmp_path), prefix, kept_from=START + DAY)
    again.run()
    log_id = list_logs(folder.journal)[0]
    assert [each for _, each in stored(cluster_server, prefix)] == names(log_id, 7_500)[5_000:]
    assert (again.metric("next_index"), again.metric("records_total", "expired"), answered(again)) == (7_500, 0, 2_500)

    (folder.shipping / f"{log_id}.cursor").unlink()
    whole = Shipped(folder, access_to(cluster_server, tmp_path), prefix, kept_from=START + DAY)
    whole.run()
    assert (whole.metric("next_index"), whole.metric("records_total", "expired"), answered(whole)) == (7_500, 5_000, 2_500)


def test_p7_a_log_that_was_taken_back_is_not_shipped_on(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    folder = filled(tmp_path / "state", 10)
    shutil.copytree(folder.journal, tmp_path / "backup")
    filled(tmp_path / "state", 20)
    installed(cluster_server, tmp_path, prefix)
    shipped = Shipped(folder, access_to(cluster_server, tmp_path), prefix)
    shipped.run()
    shutil.rmtree(folder.journal)
    shutil.copytree(tmp_path / "backup", folder.journal)
    for _ in range(2):  # as it came back, and with other records in the place of those that were shipped
        with pytest.raises(Corruption) as told:
            shipped.run()
        assert told.value.reason == "LOG_BEHIND_SHIPPING"
        filled(tmp_path / "state", 25, at=START + DAY)
    assert len(stored(cluster_server, prefix)) == 30
