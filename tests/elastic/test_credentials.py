"""Who we are to the cluster: what is sent, and what is refused before anything is sent."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from elastic.scripted import Scripted, scripted

from munjigi.adapters.elasticsearch.access import Access
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.kernel.errors import ConfigurationError

BASIC = "munjigi-shipper:pass:with:colons"
KEY = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="
VARIABLE = "MUNJIGI_ELASTICSEARCH_AUTHORIZATION"


def header_of(credentials: str) -> str:
    return f"ApiKey {KEY}" if credentials == KEY else "Basic " + b64encode(credentials.encode()).decode()


def ask(script: Scripted, *between: Any, **access: Any) -> list[str]:
    """Ask once, and once more after each of `between` was called; return what was sent as authorization."""

    async def run() -> None:
        async with Cluster(Access((script.url,), **access)) as cluster:
            await cluster.request("GET", "/")
            for each in between:
                each()
                await cluster.request("GET", "/")

    asyncio.run(run())
    return [each.authorization for each in script.asked]


def written(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize("credentials", [BASIC, KEY])
@pytest.mark.parametrize("where", ["file", "environment"])
def test_name_and_password_or_an_api_key_come_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, credentials: str, where: str
):
    if where == "environment":
        monkeypatch.setenv(VARIABLE, credentials)
    path = written(tmp_path / "credentials", credentials + "\n") if where == "file" else None
    with scripted() as script:
        assert ask(script, credentials=path) == [header_of(credentials)]


def test_the_file_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, KEY)
    with scripted() as script:
        assert ask(script, credentials=written(tmp_path / "credentials", BASIC)) == [header_of(BASIC)]


def test_without_credentials_none_are_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with scripted() as script:
        assert ask(script) == [""]


def test_a_replaced_file_is_read_anew(tmp_path: Path):
    path = written(tmp_path / "credentials", BASIC)

    def replace() -> None:
        written(tmp_path / "next", KEY).replace(path)

    with scripted() as script:
        assert ask(script, lambda: None, replace, credentials=path) == [header_of(BASIC), header_of(BASIC), header_of(KEY)]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_p10_credentials_that_others_can_read_are_refused_with_the_fix(tmp_path: Path, mode: int):
    path = written(tmp_path / "credentials", BASIC, mode)
    with scripted() as script:
        with pytest.raises(ConfigurationError) as told:
            ask(script, credentials=path)
        assert script.asked == []
    assert told.value.reason == "CREDENTIALS_OPEN_TO_OTHERS"
    assert f"chmod 600 {path}" in told.value.message


def test_a_file_that_became_open_to_others_is_refused_from_then_on(tmp_path: Path):
    path = written(tmp_path / "credentials", BASIC)
    with scripted() as script:
        with pytest.raises(ConfigurationError):
            ask(script, lambda: path.chmod(0o644), credentials=path)
        assert len(script.asked) == 1


@pytest.mark.parametrize("content", [None, b"name:\xff\xfe"])
def test_p5_a_file_that_cannot_be_read_is_named_and_not_quoted(tmp_path: Path, content: bytes | None):
    path = tmp_path / "credentials"
    if content is not None:
        written(path, content)
    with scripted() as script, pytest.raises(ConfigurationError) as told:
        ask(script, credentials=path)
    assert told.value.reason == "CREDENTIALS_UNREADABLE"
    assert "name:" not in told.value.message


def test_an_authority_that_holds_no_certificate_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError) as told:
        Cluster(Access(("https://127.0.0.1:9",), authority=written(tmp_path / "ca.crt", "no certificate")))
    assert told.value.reason == "ELASTICSEARCH_AUTHORITY_UNUSABLE"
