"""What `munjigi report dashboard` says when it can't."""

from __future__ import annotations

from pathlib import Path

import pytest

from munjigi.cli.main import run

NOWHERE = ("--prometheus", "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--since", "1m", "--until", "5m"), 2, "begins after its end"),
        (("--zone", "Mars/Olympus"), 2, "Asia/Seoul"),
        # Days and times without an offset are the zone's, and a day as an end is meant to its end: these periods are some.
        (("--since", "2026-11-22", "--until", "2026-11-22", *NOWHERE), 1, "--prometheus"),
        (("--zone", "Pacific/Kiritimati", "--since", "2026-11-22", "--until", "2026-11-21T12:00Z", *NOWHERE), 1, "--prometheus"),
        (("--zone", "Asia/Seoul", "--since", "2026-11-22", "--until", "2026-11-21T12:00Z", *NOWHERE), 2, "begins after its end"),
        (("--prometheus", "localhost:9090"), 1, "http://127.0.0.1:9090"),
        (NOWHERE, 1, "--prometheus"),
    ],
)
def test_it_says_what_to_do(options: tuple[str, ...], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["report", "dashboard", "--out", str(tmp_path / "out"), *options]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
