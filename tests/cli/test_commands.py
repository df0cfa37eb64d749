"""Every command: documented, settable from the environment, quick to start, and ending with the promised exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from munjigi.app.config import PREFIX, SETTINGS
from munjigi.cli.lazy import LazyGroup
from munjigi.cli.main import cli, run
from munjigi.cli.reference import commands, context_of, reference

ALL = list(commands(cli, context_of(cli, "munjigi")))
REFERENCE = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.mark.parametrize(("command", "ctx"), ALL, ids=[ctx.command_path for _, ctx in ALL])
def test_every_option_has_an_environment_variable(command: click.Command, ctx: click.Context):
    for option in command.params:
        if not isinstance(option, click.Option):
            continue
        described = option.get_help_record(ctx)
        settings = {f"[{PREFIX}{name.upper()}" for name in [*SETTINGS, "config"]}
        assert option.envvar or option.allow_from_autoenv or any(name in described[1] for name in settings), option.opts


@pytest.mark.parametrize("group", [each for each, _ in ALL if isinstance(each, LazyGroup)], ids=lambda group: group.name)
def test_lazy_help_is_the_commands_own(group: LazyGroup):
    ctx = context_of(group, str(group.name))
    for name, entry in group.entries.items():
        command = group.get_command(ctx, name)
        assert command is not None
        assert command.name == name
        assert (command.help or "").split("\n\n", maxsplit=1)[0].replace("\n", " ") == entry.help


def test_the_reference_is_generated():
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run: .venv/bin/python .ci/generate_docs.py"


def test_help_imports_nothing_heavy_and_starts_within_250_ms():
    heavy = "{'rich', 'grpc', 'google.protobuf', 'sqlalchemy', 'cryptography'}"
    code = f"import sys; from munjigi.cli.main import run; run(['--help']); print(sorted({heavy} & set(sys.modules)))"
    took = []
    for _ in range(5):
        began = os.times()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        ended = os.times()
        # Processor time: a busy machine may take its time, the command may not.
        took.append(ended.children_user + ended.children_system - began.children_user - began.children_system)
        assert done.stdout.endswith("[]\n")
    print(f"munjigi --help: {min(took) * 1000:.0f} ms")
    assert min(took) < 0.25


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["no-such-command"], 2, "No such command"),
        (["check", "crm.member"], 2, "Missing option '--purpose'"),
        (["audit", "search", "--since", "yesterday-ish"], 2, "how long ago"),
        (["check", "crm.member", "--purpose", "inquiry", "--output", "xml"], 2, "is not one of"),
        (["grant", "list", "--everyone", "--employee", "cs.kim"], 2, "exclude"),
        (["init", "--tool", "x"], 2, "--tls"),
    ],
)
def test_usage_errors_exit_2_with_two_lines(arguments: list[str], code: int, told: str, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == code
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2


def test_without_arguments_help_and_exit_2(capsys):
    assert run([]) == 2
    assert "Commands:" in capsys.readouterr().out


def test_nobody_there_exits_6(capsys, tmp_path):
    assert run(["init", "--state-dir", str(tmp_path / "var")]) == 0
    capsys.readouterr()
    address = "127.0.0.1:1"
    assert run(["whoami", "--state-dir", str(tmp_path / "var"), "--grpc-address", address]) == 6
    error = capsys.readouterr().err
    assert address in error
    assert "munjigi serve" in error
    assert len(error.splitlines()) == 2


def test_no_identity_says_where_one_comes_from(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("MUNJIGI_TOKEN", raising=False)
    assert run(["whoami", "--state-dir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "MUNJIGI_TOKEN" in error
    assert "munjigi serve" in error


def test_a_token_does_not_leave_this_machine_without_tls(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("MUNJIGI_TOKEN", "a.b.c")
    assert run(["whoami", "--state-dir", str(tmp_path), "--grpc-address", "192.0.2.1:7443"]) == 2
    error = capsys.readouterr().err
    assert "--ca" in error
    assert "a.b.c" not in error


def test_an_internal_error_is_one_line_without_its_text(capsys, monkeypatch):
    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("010-1234-5678")

    monkeypatch.setattr(cli, "main", broken)
    assert run([]) == 1
    error = capsys.readouterr().err
    assert "RuntimeError at test_commands.py" in error
    assert "1234-5678" not in error
    assert "Traceback" not in error


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys, tmp_path):
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_MUNJIGI_COMPLETE" in script
    if shell == "bash":
        path = tmp_path / "munjigi.bash"
        path.write_text(script)
        subprocess.run(["bash", "-n", str(path)], check=True)


def test_completion_completes():
    environment = {**os.environ, "_MUNJIGI_COMPLETE": "bash_complete", "COMP_WORDS": "munjigi audit v", "COMP_CWORD": "2"}
    code = "from munjigi.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "plain,verify\nplain,verifier\n"


def test_a_reader_that_stops_early_is_no_error():
    command = f"{sys.executable} -m munjigi.cli.main config schema | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "{\n"
    assert done.stderr == ""
