"""SCIM does not start where it would be open: no token, a short one, one that others can read, another address than loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from munjigi.app.config import Settings, load_settings
from munjigi.app.scim import VARIABLE, token_of
from munjigi.kernel.errors import ConfigurationError

TOKEN = "0123456789abcdef0123456789abcdef"


def test_the_token_comes_from_the_file_or_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    assert token_of(Settings(scim_token_file=path)) == TOKEN
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert token_of(Settings()) == TOKEN


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN.replace("a", " "), TOKEN + "\u00e9"])
def test_p10_a_token_that_can_be_guessed_is_refused(token: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, token)
    with pytest.raises(ConfigurationError) as caught:
        token_of(Settings())
    assert (caught.value.reason, "openssl rand" in caught.value.message) == ("SCIM_TOKEN_UNUSABLE", True)


def test_p10_a_token_that_others_can_read_is_refused(tmp_path: Path):
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError) as caught:
        token_of(Settings(scim_token_file=path))
    assert caught.value.reason == "KEY_FILE_EXPOSED"


@pytest.mark.parametrize("address", ["0.0.0.0:9480", "[::]:9480", "192.0.2.1:9480", "unix:/run/scim.sock"])
def test_p10_scim_listens_on_loopback_only(address: str):
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"scim_address": address})
    assert (caught.value.reason, "scim_address" in caught.value.message) == ("SETTING_UNSAFE", True)
    assert load_settings({"scim_address": "127.0.0.1:9480"}).scim_address == "127.0.0.1:9480"
