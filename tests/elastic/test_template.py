"""What `audit install-index` sends. The Elasticsearch of the tests has no lifecycle management, so what a server with it is sent
is seen here by one that only writes down and agrees: that the real one acts on it is not shown."""

from __future__ import annotations

import asyncio

import pytest
from elastic.scripted import Scripted, scripted

from munjigi.adapters.elasticsearch.access import Access
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Naming, Rollover
from munjigi.adapters.elasticsearch.template import Installed, install
from munjigi.kernel.errors import InvalidArgument, Unavailable


def installing(script: Scripted, keep_days: int, rollover: Rollover = "day") -> Installed:
    async def run() -> Installed:
        async with Cluster(Access((script.url,))) as cluster:
            return await install(cluster, Naming("munjigi-audit", rollover), replicas=2, keep_days=keep_days)

    return asyncio.run(run())


def test_a_server_with_lifecycle_management_is_given_a_policy_that_the_template_names():
    with scripted() as script:
        assert installing(script, 1200) == Installed("munjigi-audit", lifecycle=True)
    policy, template = script.asked
    assert (policy.method, policy.target) == ("PUT", "/_ilm/policy/munjigi-audit")
    assert policy.body == {
        "policy": {"phases": {"hot": {"actions": {}}, "delete": {"min_age": "1200d", "actions": {"delete": {}}}}}
    }
    assert (template.method, template.target) == ("PUT", "/_index_template/munjigi-audit")
    assert template.body["index_patterns"] == ["munjigi-audit-*"]
    assert template.body["template"]["mappings"]["dynamic"] == "strict"
    assert template.body["template"]["settings"]["index"] == {
        "number_of_replicas": 2,
        "codec": "best_compression",
        "lifecycle": {"name": "munjigi-audit"},
    }


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_server_without_it_gets_the_template_alone(status: int):
    with scripted() as script:
        script.answers["/_ilm"] = status
        assert installing(script, 1200) == Installed("munjigi-audit", lifecycle=False)
    assert "lifecycle" not in script.asked[-1].body["template"]["settings"]["index"]


def test_no_policy_is_sent_where_none_was_asked_for():
    with scripted() as script:
        assert not installing(script, 0).lifecycle
    assert [each.target for each in script.asked] == ["/_index_template/munjigi-audit"]


@pytest.mark.parametrize(("rollover", "least"), [("day", 1099), ("month", 1129)])
def test_no_record_of_an_index_is_deleted_before_the_law_lets_it(rollover: Rollover, least: int):
    with scripted() as script:
        with pytest.raises(InvalidArgument) as told:
            installing(script, least - 1, rollover)
        assert (told.value.reason, str(least) in told.value.message) == ("RETENTION_TOO_SHORT", True)
        assert script.asked == []
        assert installing(script, least, rollover).lifecycle


def test_an_account_that_may_not_is_told_so():
    with scripted() as script:
        script.answers["/_index_template"] = 403
        with pytest.raises(Unavailable) as told:
            installing(script, 0)
    assert told.value.reason == "ELASTICSEARCH_DENIED"
