"""Every way a call can end without an answer: the exit code, two lines, and no secret in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from munjigi import kernel
from munjigi.cli.failure import of_our_tree
from munjigi.cli.main import run
from munjigi.cli.options import Connection
from munjigi.cli.session import failure_of
from munjigi.kernel.errors import ConfigurationError
from munjigi_client import (
    ConfigurationError as ClientConfigurationError,
)
from munjigi_client import (
    InvalidRequest,
    MunjigiClientError,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RateLimited,
    ServerFault,
    Unavailable,
)

CONNECTION = Connection("127.0.0.1:7443", Path("var"), "", "munjigi-cli", None, None, None, 10.0, False)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (Unavailable("UNAVAILABLE", "away"), 6, "munjigi serve"),
        (Unavailable("DEADLINE_EXCEEDED", "late"), 6, "--timeout"),
        (Unavailable("AUDIT_UNAVAILABLE", "The record could not be made durable."), 6, "AUDIT_UNAVAILABLE"),
        (NotPermitted("NO_GRANT", "Denied.", decision_id="abc-1"), 3, "recorded as abc-1"),
        (NotAuthenticated("TOKEN_EXPIRED", "The token has expired."), 1, "MUNJIGI_TOKEN"),
        (InvalidRequest("CASE_ID_INVALID", "Malformed."), 2, "nothing was decided"),
        (RateLimited("TOO_MANY", "Too much.", retry_after=1.5), 1, "1.5 s"),
        (ClientConfigurationError("TLS_REQUIRED", "x"), 2, "--ca"),
        (ClientConfigurationError("TLS_INCOMPLETE", "`certificate` and `key` go together."), 2, "TLS_INCOMPLETE"),
        (NotFound("LOG_UNKNOWN", "No journal."), 1, "LOG_UNKNOWN"),
        (ServerFault("INTERNAL", "Reference 1."), 1, "INTERNAL"),
    ],
)
def test_exit_codes(error: MunjigiClientError, code: int, told: str):
    failure = failure_of(error, CONNECTION)
    assert failure.code == code
    assert told in f"{failure.what}\n{failure.todo}"
    assert failure.what
    assert failure.todo
    assert len(failure.what.splitlines()) == len(failure.todo.splitlines()) == 1


@pytest.mark.parametrize(
    ("message", "what", "todo"),
    [
        ("It is missing; make it.", "It is missing.", "Make it."),
        ("It is missing. Make it.", "It is missing.", "Make it."),
        ("It is missing", "It is missing", "Reason X; `munjigi doctor` checks the installation."),
    ],
)
def test_a_rooms_message_becomes_two_lines(message: str, what: str, todo: str):
    failure = of_our_tree(ConfigurationError("X", message))
    assert (failure.what, failure.todo, failure.code) == (what, todo, 1)


def test_a_listing_keeps_its_lines():
    assert of_our_tree(ConfigurationError("X", "Two errors:\n  a\n  b")).what == "Two errors:\n  a\n  b"


def test_the_demo_without_a_server_or_as_someone(tmp_path: Path, capsys):
    state = str(tmp_path / "var")
    assert run(["init", "--state-dir", state]) == 0
    assert run(["demo", "--count", "3", "--state-dir", state, "--grpc-address", "127.0.0.1:1"]) == 6
    assert "munjigi serve" in capsys.readouterr().err
    assert run(["demo", "--as", "cs.kim", "--state-dir", state]) == 2


def test_a_policy_home_that_does_not_compile_runs_no_test(tmp_path: Path, capsys):
    home = tmp_path / "policies"
    home.mkdir(mode=0o700)
    for path in (Path(kernel.__file__).parents[3] / "policies").glob("*.*"):
        (home / path.name).write_bytes(path.read_bytes())
        (home / path.name).chmod(0o600)
    with (home / "policy.csv").open("a") as rules:
        rules.write("p, too, few\n")
    assert run(["policy", "test", str(home)]) == 1
    captured = capsys.readouterr()
    assert "does not compile" in captured.err
    assert f"{home}/policy.csv:" in captured.out


def test_a_policy_home_without_tests_says_so(tmp_path: Path, capsys):
    home = tmp_path / "policies"
    home.mkdir(mode=0o700)
    for path in (Path(kernel.__file__).parents[3] / "policies").glob("*.*"):
        (home / path.name).write_bytes(path.read_bytes())
        (home / path.name).chmod(0o600)
    assert run(["policy", "test", str(home)]) == 0
    assert "no tests" in capsys.readouterr().out
    with (home / "policy.csv").open("a") as rules:
        rules.write("p, nobody, crm.member.name, read, inquiry, True, allow, clear\n")
    (home / "policy.csv").chmod(0o666)
    assert run(["policy", "lint", str(home)]) == 1
    assert "chmod go-w" in capsys.readouterr().err
