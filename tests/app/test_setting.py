"""What a setting takes: texts of variables and options, values of files; a refusal says what is taken, and never what was given."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from munjigi.app.config import SETTINGS, as_plain, from_json, load_settings, to_json
from munjigi.kernel.errors import ConfigurationError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("MUNJIGI_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("workers", "2", 2),
        ("drain_seconds", "2", 2.0),
        ("drain_seconds", "2.5", 2.5),
        ("sample", "false", False),
        ("sample", "No", False),
        ("sample", "0", False),
        ("forwarded_certificate", "ON", True),
        ("state_dir", "/srv/munjigi", Path("/srv/munjigi")),
        ("tls_key", "null", Path("null")),
        ("oidc_audience", "12", "12"),
        ("front", "grpcio", "grpcio"),
        ("witnesses", '["a b", "c d"]', ("a b", "c d")),
        ("notice_days_before", "[7, 1]", (7, 1)),
        ("metrics_networks", '["10.0.5.0/24", "2001:db8::/32"]', (ip_network("10.0.5.0/24"), ip_network("2001:db8::/32"))),
    ],
)
def test_a_variable_is_read_by_its_settings_type(name: str, text: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"MUNJIGI_{name.upper()}", text)
    if name in ("metrics_networks", "forwarded_certificate", "tls_key"):  # not alone: refused together with the other defaults
        monkeypatch.setenv("MUNJIGI_GRPC_ADDRESS", "unix:/run/munjigi/gateway.sock")
        monkeypatch.setenv("MUNJIGI_FRONT", "auto")
    found = getattr(load_settings(), name)
    assert (found, type(found) if name != "metrics_networks" else tuple) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "takes"),
    [
        ("workers", "s3cret", "a whole number, at least 1 and at most 64"),
        ("workers", "65", "a whole number, at least 1 and at most 64"),
        ("workers", "2.5", "a whole number"),
        ("workers", "", "a whole number"),
        ("disk_full_percent", "100", "a number, above 0 and below 100"),
        ("drain_seconds", "nan", "a number"),
        ("drain_seconds", "inf", "a number"),
        ("sample", "s3cret", "yes or no"),
        ("front", "s3cret", "one of: auto, native, grpcio"),
        ("elasticsearch_prefix", "S3cret", "a text of one line that matches ^[a-z]"),
        ("elasticsearch_prefix", "s3cret\n", "a text of one line that matches ^[a-z]"),
        ("witnesses", "s3cret", "JSON list"),
        ("witnesses", '{"a": "s3cret"}', "a list of texts"),
        ("witnesses", "[1]", "a list of texts"),
        ("notice_days_before", '["s3cret"]', "a list of whole numbers"),
        ("metrics_networks", '"10.0.5.0/24"', "a list of networks"),
        ("metrics_networks", '["10.0.5.1/24"]', "without host bits"),
        ("metrics_networks", "[[]]", "a list of networks"),
    ],
)
def test_p10_a_wrong_variable_is_refused_by_what_is_taken(
    name: str, text: str, takes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"MUNJIGI_{name.upper()}", text)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    message = refused.value.message
    assert refused.value.reason == "SETTING_INVALID"
    assert f"`{name}` (MUNJIGI_{name.upper()}): it takes " in message
    assert takes in message
    assert SETTINGS[name].description in message
    assert "s3cret" not in message.lower()


@pytest.mark.parametrize(
    "line",
    [
        "workers = true",
        "workers = 1.5",
        "state_dir = 3",
        "grpc_address = 1",
        "witnesses = 'a'",
        "sample = 2",
        "drain_seconds = nan",
    ],
)
def test_p10_a_file_has_the_right_types(line: str, tmp_path: Path) -> None:
    file = tmp_path / "munjigi.toml"
    file.write_text(line + "\n")
    with pytest.raises(ConfigurationError, match=f"`{line.split(maxsplit=1)[0]}`") as refused:
        load_settings({}, file)
    assert refused.value.reason == "SETTING_INVALID"


def test_everything_wrong_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "munjigi.toml"
    file.write_text("grpc_adress = 'a'\nworkers = 0\n")
    monkeypatch.setenv("MUNJIGI_FRONT", "rocket")
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"drain_seconds": "long"}, file)
    assert all(f"`{name}`" in refused.value.message for name in ("grpc_adress", "workers", "front", "drain_seconds"))


def test_a_wrong_value_that_another_place_overrides_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "munjigi.toml"
    file.write_text("workers = 0\n")
    monkeypatch.setenv("MUNJIGI_WORKERS", "2")
    assert load_settings({}, file).workers == 2


def test_what_a_child_reads_is_what_the_supervisor_wrote(tmp_path: Path) -> None:
    settings = load_settings(
        {"state_dir": tmp_path, "metrics_networks": ["10.0.5.0/24"], "notice_days_before": ("9",), "member_key": tmp_path / "key"}
    )
    assert from_json(to_json(settings)) == settings
    assert as_plain(settings)["metrics_networks"] == ("10.0.5.0/24",)
