"""The account that ships can create documents and nothing else; a search account can only read."""

from __future__ import annotations

import json
import re
import urllib.error
from pathlib import Path

import pytest
import yaml
from elastic.server import DOCUMENT, USERS, ElasticsearchServer, roles
from elastic.support import Shipped, access_to, filled, installed, stored

FORBIDDEN = (
    ("PUT", "/{index}/_doc/{id}", {"event.kind": "event"}),
    ("POST", "/{index}/_update/{id}", {"doc": {"event.kind": "event"}}),
    ("DELETE", "/{index}/_doc/{id}", None),
    ("DELETE", "/{index}", None),
    ("PUT", "/{index}/_mapping", {"properties": {"new": {"type": "keyword"}}}),
    ("PUT", "/{index}/_settings", {"index.blocks.write": True}),
    ("DELETE", "/_index_template/{prefix}", None),
    ("PUT", "/_index_template/{prefix}", {"index_patterns": ["munjigi-*"]}),
    ("GET", "/_cluster/state", None),
)


def status_of(server: ElasticsearchServer, method: str, target: str, body: object, user: str) -> int:
    try:
        server.call(method, target, body, user)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code
    return 200


@pytest.mark.parametrize("user", ["shipper", "searcher"])
def test_p7_what_is_there_cannot_be_changed(secured: ElasticsearchServer, prefix: str, tmp_path: Path, user: str):
    installed(secured, tmp_path, prefix)
    Shipped(filled(tmp_path / "state", 3), access_to(secured, tmp_path), prefix).run()
    before = stored(secured, prefix)
    index, name = before[0]
    for method, target, body in FORBIDDEN:
        address = target.format(index=index, id=name, prefix=prefix)
        assert status_of(secured, method, address, body, user) == 403, (method, target)
    assert (status_of(secured, "GET", f"/{index}/_search", None, user) == 200) == (user == "searcher")
    assert stored(secured, prefix) == before


def test_nobody_gets_in_without_credentials(secured: ElasticsearchServer):
    assert status_of(secured, "GET", "/_cluster/health", None, "nobody") == 401


def test_the_roles_of_the_security_api_are_those_of_the_file_that_the_server_here_has():
    document = DOCUMENT.read_text("utf-8")
    of_the_file = yaml.safe_load(roles().replace("munjigi-*", "munjigi-audit-*"))
    shown = re.findall(r"`PUT /_security/role/(\w+)`:\n\n```json\n(.*?)```", document, re.DOTALL)
    assert {name: json.loads(body) for name, body in shown} == of_the_file
    assert of_the_file.keys() == set(USERS.values()) - {"superuser"}


@pytest.mark.parametrize("user", ["administrator", "shipper", "searcher"])
def test_no_account_reaches_what_is_not_ours(secured: ElasticsearchServer, prefix: str, user: str):
    other = f"other-{prefix}"
    secured.call("PUT", f"/{other}/_doc/1?refresh=true", {"a": 1})
    for method, target, body in (
        ("GET", f"/{other}/_search", None),
        ("PUT", f"/{other}/_doc/2", {"a": 2}),
        ("DELETE", f"/{other}", None),
        ("PUT", "/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": 1}}),
    ):
        assert status_of(secured, method, target, body, user) == 403, (method, target)
