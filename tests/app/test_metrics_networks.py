"""Who may read /metrics: this machine, and the networks that configuration names. What a header says counts for nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from munjigi.kernel.errors import ConfigurationError


def asked(
    folder: Path, peer: str, path: str = "/metrics", headers: Mapping[str, str] | None = None, **settings: Any
) -> tuple[int, str]:
    """Ask the pages from an address, as a server hands a connection over; return status and text."""
    from doubles.metrics import MemorySink
    from munjigi.app.config import load_settings
    from munjigi.app.files import StateFolder
    from munjigi.app.follower_http import application
    from munjigi.monitoring.meter import Meter

    pages = application(StateFolder(folder), load_settings({"state_dir": folder, **settings}), Meter(MemorySink()))
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": raw}
        await pages({**scope, "client": (peer, 40_000), "server": ("127.0.0.1", 9464), "scheme": "http"}, receive, send)

    asyncio.run(ask())
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent).decode()


@pytest.fixture(autouse=True)
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics").mkdir()
    monkeypatch.setitem(os.environ, "PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "metrics"))


@pytest.mark.parametrize("peer", ["10.1.2.3", "192.168.0.9", "203.0.113.9", "2001:db8::1", "::ffff:10.1.2.3", "", "local"])
def test_by_default_only_this_machine_may(tmp_path: Path, peer: str) -> None:
    status, text = asked(tmp_path, peer)
    assert status == 403
    assert "MUNJIGI_METRICS_NETWORKS" in text
    believed = {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1", "x-real-ip": "127.0.0.1"}
    assert asked(tmp_path, peer, headers=believed)[0] == 403
    assert asked(tmp_path, peer, "/healthz")[0] == 200


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_always_may(tmp_path: Path, peer: str) -> None:
    assert asked(tmp_path, peer)[0] == 200
    assert asked(tmp_path, peer, headers={"x-forwarded-for": "203.0.113.9"}, metrics_networks=["10.0.5.0/24"])[0] == 200


@pytest.mark.parametrize(
    ("peer", "status"),
    [("10.0.5.7", 200), ("::ffff:10.0.5.7", 200), ("10.0.6.7", 403), ("2001:db8:5::1", 200), ("2001:db8:6::1", 403)],
)
def test_networks_that_are_named_may(tmp_path: Path, peer: str, status: int) -> None:
    assert asked(tmp_path, peer, metrics_networks=["10.0.5.0/24", "2001:db8:5::/48"])[0] == status


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"http_address": "10.0.5.1:9464"}, "SETTING_UNSAFE"),
        ({"http_address": "10.0.5.1:9464", "metrics_networks": ["0.0.0.0/0"]}, "SETTING_UNSAFE"),
        ({"metrics_networks": ["::/0"]}, "SETTING_UNSAFE"),
        ({"metrics_networks": ["10.0.5.1/24"]}, "SETTING_INVALID"),
        ({"metrics_networks": ["prometheus.example"]}, "SETTING_INVALID"),
    ],
)
def test_p10_what_lets_everybody_read_is_refused(tmp_path: Path, settings: dict[str, Any], reason: str) -> None:
    from munjigi.app.config import load_settings

    with pytest.raises(ConfigurationError) as caught:
        load_settings({"state_dir": tmp_path, **settings})
    assert caught.value.reason == reason


def test_beyond_loopback_with_networks_named(tmp_path: Path) -> None:
    from munjigi.app.config import from_json, load_settings, to_json

    settings = load_settings({"state_dir": tmp_path, "http_address": "10.0.5.1:9464", "metrics_networks": ["10.0.5.0/24"]})
    assert from_json(to_json(settings)) == settings  # what children read
