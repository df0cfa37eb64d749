"""P10: settings come from three places in a known order, and what is unsafe is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from munjigi.app.addresses import split_address
from munjigi.app.config import SETTINGS, load_settings
from munjigi.kernel.errors import ConfigurationError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("MUNJIGI_"):
            monkeypatch.delenv(name)


def test_options_win_over_environment_over_file_over_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "munjigi.toml"
    file.write_text('grpc_address = "127.0.0.1:1"\nhttp_address = "127.0.0.1:2"\ndrain_seconds = 3\n')
    monkeypatch.setenv("MUNJIGI_HTTP_ADDRESS", "127.0.0.1:4")
    settings = load_settings({"drain_seconds": 5.0, "front": None}, file)
    assert (settings.grpc_address, settings.http_address, settings.drain_seconds, settings.front) == (
        "127.0.0.1:1",
        "127.0.0.1:4",
        5.0,
        "auto",
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"grpc_address": "0.0.0.0:7443"}, "MUNJIGI_IDENTITY"),
        ({"grpc_address": "10.0.0.1:7443", "identity": "oidc", "oidc_issuer": "x", "oidc_keys": "y"}, "MUNJIGI_TLS_CERTIFICATE"),
        ({"http_address": "0.0.0.0:1"}, "http_address"),
        ({"front": "native", "tls_certificate": "c", "tls_key": "k", "tls_client_authority": "a"}, "MUNJIGI_FRONT"),
        ({"tls_certificate": "c"}, "set all three"),
        ({"forwarded_certificate": True}, "unix:"),
        ({"identity": "oidc"}, "MUNJIGI_OIDC_ISSUER"),
        ({"identity": "oidc", "oidc_issuer": "urn:munjigi:embedded", "oidc_keys": "k"}, "embedded issuer"),
        ({"identity": "oidc", "oidc_issuer": "i", "oidc_keys": "k"}, "certificates"),
        ({"front": "rocket"}, "MUNJIGI_FRONT"),
        ({"grpc_adress": "127.0.0.1:1"}, "config schema"),
        ({"grpc_address": "nowhere"}, "127.0.0.1:7443"),
        ({"grpc_address": "127.0.0.1:99999"}, "127.0.0.1:7443"),
        ({"segment_mebibytes": 0}, "MUNJIGI_SEGMENT_MEBIBYTES"),
    ],
)
def test_p10_the_message_names_the_setting_and_the_fix(options: dict, named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(options)
    assert named in refused.value.message


def test_a_bad_value_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"drain_seconds": "s3cret"})
    assert "s3cret" not in refused.value.message


@pytest.mark.parametrize("content", [b"= 1", b"\xff", b"unknown = 1"])
def test_a_bad_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "munjigi.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError):
        load_settings({}, file)


def test_the_production_example_is_accepted(tmp_path: Path) -> None:
    example = Path(__file__).resolve().parents[2] / "deploy" / "munjigi.toml"
    settings = load_settings({}, example)
    assert settings.tls
    assert settings.identity == "oidc"


def test_every_setting_is_described() -> None:
    assert all(field.description for field in SETTINGS.values())


@pytest.mark.parametrize(
    ("address", "parts"), [("127.0.0.1:1", ("127.0.0.1", 1)), ("[::1]:2", ("::1", 2)), ("localhost:0", ("localhost", 0))]
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("mysql://munjigi@127.0.0.1/munjigi", "postgresql://USER@HOST:PORT/DATABASE"),
        ("postgresql://127.0.0.1/munjigi", "user, host and database"),
        ("postgresql://munjigi@127.0.0.1", "user, host and database"),
        ("postgresql://munjigi@[::1/munjigi", "postgresql://USER@HOST:PORT/DATABASE"),
        ("postgresql://munjigi@127.0.0.1:port/munjigi", "postgresql://USER@HOST:PORT/DATABASE"),
        ("postgresql://munjigi:s3cret@127.0.0.1/munjigi", "MUNJIGI_STATE_PASSWORD_FILE"),
        ("postgresql://munjigi@db.example/munjigi", "MUNJIGI_STATE_AUTHORITY"),
        ("postgresql://munjigi@10.0.0.7:5432/munjigi", "MUNJIGI_STATE_AUTHORITY"),
        ("postgresql://munjigi@127.0.0.1/munjigi?host=db.example", "MUNJIGI_STATE_AUTHORITY"),
        ("postgresql://munjigi@db.example/munjigi?sslmode=disable", "leave it out"),
        ("postgresql://munjigi@/munjigi?host=/run/one,db.example", "one"),
        ("postgresql://munjigi@/munjigi", "no host"),
    ],
)
def test_p10_a_state_that_could_be_read_on_its_way_is_refused(url: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match="state_url") as refused:
        load_settings({"state_url": url})
    assert named in refused.value.message
    assert "s3cret" not in refused.value.message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://munjigi@127.0.0.1:5432/munjigi",
        "postgresql://munjigi@localhost/munjigi",
        "postgresql://munjigi@[::1]/munjigi",
        "postgresql://munjigi@/munjigi?host=/run/postgresql",
    ],
)
def test_a_state_on_this_machine_needs_no_authority(url: str) -> None:
    assert load_settings({"state_url": url}).state_url == url


def test_a_state_elsewhere_is_spoken_to_by_verified_tls_only(tmp_path: Path) -> None:
    from munjigi.app.state import address_of

    options = {"state_url": "postgresql://munjigi@db.example/munjigi", "state_authority": tmp_path / "authority.pem"}
    address = address_of(load_settings(options))
    assert address is not None
    parameters = address.parameters(read_only=False)
    assert (parameters["sslmode"], parameters["sslrootcert"]) == ("verify-full", str(tmp_path / "authority.pem"))
