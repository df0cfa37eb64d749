"""`munjigi policy eval`, as people run it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from engine.kit import model

from munjigi.cli.policy_eval import read_request
from munjigi.kernel.errors import InvalidArgument


def run(folder, text, policy, requests, *options):
    (folder / "m.conf").write_text(text, "utf-8")
    (folder / "p.csv").write_text(policy, "utf-8")
    command = [sys.executable, "-m", "munjigi.cli.main", "policy", "eval", "--model", "m.conf", "--policy", "p.csv", *options]
    return subprocess.run(command, cwd=folder, input=requests, capture_output=True, text=True, encoding="utf-8", check=False)


def test_one_line_in_one_line_out(tmp_path):
    text = model("r.sub.Age > 18 && r.obj == p.obj")
    requests = '{"Age": 30, "Name": "a, b"}, data, read\n"{""Age"": 5}",data,read\n\n{}, data, read\nalice, data\n{"Age": 19}, "da""ta", read'
    done = run(tmp_path, text, "p, x, data, read\n", requests)
    assert done.stdout.split("\n") == ["allow", "deny", "error", "error", "deny", ""]
    assert done.returncode == 1
    assert [line.split(":")[:2] for line in done.stderr.splitlines()] == [
        ["line 4", " REQUEST_UNDECIDABLE"],
        ["line 5", " REQUEST_SIZE"],
    ]


def test_requests_from_a_file_end_well(tmp_path):
    (tmp_path / "asked.csv").write_text("alice, data, read\nbob, data, read\n", "utf-8")
    done = run(tmp_path, model("r.sub == p.sub"), "p, alice, data, read\n", "", "--requests", "asked.csv")
    assert (done.stdout, done.stderr, done.returncode) == ("allow\ndeny\n", "", 0)


def test_bytes_that_are_no_text_are_an_error_of_their_line(tmp_path):
    (tmp_path / "asked.csv").write_bytes(b"alice, data, read\nal\xffce, data, read\r\nbob, data, read\n\xc3\nalice, data, read")
    done = run(tmp_path, model("r.sub == p.sub"), "p, alice, data, read\n", "", "--requests", "asked.csv")
    assert done.stdout.split() == ["allow", "error", "deny", "error", "allow"]
    assert done.returncode == 1
    assert [line.split(":")[:2] for line in done.stderr.splitlines()] == [
        ["line 2", " REQUEST_INVALID"],
        ["line 4", " REQUEST_INVALID"],
    ]


@pytest.mark.parametrize("piped", [True, False])
def test_a_byte_order_mark_before_the_requests_changes_nothing(tmp_path, piped):
    asked = "\ufeffalice, data, read\nbob, data, read\n"
    (tmp_path / "asked.csv").write_text(asked, "utf-8")
    options = () if piped else ("--requests", "asked.csv")
    done = run(tmp_path, model("r.sub == p.sub"), "p, alice, data, read\n", asked if piped else "", *options)
    assert (done.stdout, done.stderr, done.returncode) == ("allow\ndeny\n", "", 0)


def test_a_broken_second_matcher_keeps_nobody_from_asking_by_the_first(tmp_path):
    text = model("r.sub == p.sub", more="m2 = r.sub.x()\n")
    done = run(tmp_path, text, "p, alice, data, read\n", "alice, data, read\nbob, data, read\n")
    assert (done.stdout, done.stderr, done.returncode) == ("allow\ndeny\n", "", 0)


def test_files_that_do_not_load_say_where(tmp_path):
    done = run(tmp_path, model("r.sub == p.sub"), "p, alice\n", "alice, data, read\n")
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.startswith("p.csv:1:9: error RULE_ARITY: ")


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("a, b ,c", ["a", "b", "c"]),
        ('"a, ""b""", [c', ['a, "b"', "[c"]),
        ('{"a": {"b": [1, "x"]}} , c', [{"a": {"b": [1, "x"]}}, "c"]),
        ("a,", ["a", ""]),
        ('a"b', ['a"b']),
    ],
)
def test_cells_of_a_request(line, values):
    assert read_request(line) == values


@pytest.mark.parametrize("line", ['{"a": 1', '{"a": NaN}', '{"a": 1} b, c', '"open', '"a" b', "{" * 5000, '{"a":' * 5000])
def test_a_line_that_is_no_request_is_our_error(line):
    with pytest.raises(InvalidArgument) as caught:
        read_request(line)
    assert caught.value.reason == "REQUEST_INVALID"
