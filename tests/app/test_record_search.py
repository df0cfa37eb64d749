"""Where the trail is searched, and what that costs a worker that searches elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from munjigi.app.cluster import searched
from munjigi.app.config import load_settings
from munjigi.kernel.errors import ConfigurationError

CLUSTER = ("http://127.0.0.1:9200",)
FILE = Path("account")
SHIPPER, READER = "MUNJIGI_ELASTICSEARCH_AUTHORIZATION", "MUNJIGI_ELASTICSEARCH_READER_AUTHORIZATION"


@pytest.mark.parametrize(
    ("options", "environment", "expected"),
    [
        ({}, {}, False),
        ({"elasticsearch_urls": CLUSTER}, {}, True),  # a cluster without accounts
        ({"elasticsearch_urls": CLUSTER, "elasticsearch_credentials": FILE}, {}, False),
        ({"elasticsearch_urls": CLUSTER}, {SHIPPER: "a:b"}, False),
        ({"elasticsearch_urls": CLUSTER, "elasticsearch_credentials": FILE, "elasticsearch_reader": FILE}, {}, True),
        ({"elasticsearch_urls": CLUSTER, "elasticsearch_credentials": FILE}, {READER: "a:b"}, True),
        ({"elasticsearch_urls": CLUSTER, "elasticsearch_reader": FILE, "audit_search": "sqlite"}, {}, False),
        ({"elasticsearch_reader": FILE}, {}, False),
    ],
)
def test_the_settings_say_where(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], environment: dict[str, str], expected: bool
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert searched(load_settings(options)) is expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"audit_search": "elasticsearch"}, "SETTING_UNSAFE"),
        ({"audit_search": "elasticsearch", "elasticsearch_urls": CLUSTER, "elasticsearch_credentials": FILE}, "READER_MISSING"),
    ],
)
def test_p10_what_cannot_be_is_refused(options: dict[str, object], reason: str):
    with pytest.raises(ConfigurationError) as refused:
        searched(load_settings(options))
    assert refused.value.reason == reason


def loaded(code: str) -> set[str]:
    """Return the client's packages that are loaded after some code."""
    code += "; import json, sys; print(json.dumps([name for name in sys.modules if '.' not in name]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {"elasticsearch", "elastic_transport", "aiohttp", "urllib3"} & set(json.loads(done.stdout))


def test_a_worker_loads_no_client_and_one_that_searches_with_it_only_its_transport():
    assert loaded("import munjigi.app.worker") == set()
    assert "elasticsearch" not in loaded("import munjigi.app.worker, munjigi.adapters.elasticsearch.search")
