"""Parsers give findings, never exceptions; the revision depends on the files alone."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munjigi.kernel.errors import Corruption
from munjigi.policy.canonical import canonical_bytes, files_of, revision_of
from munjigi.policy.case_pattern import matcher
from munjigi.policy.compile import compile_bundle
from munjigi.policy.csvfile import read_rows
from munjigi.policy.findings import Findings
from munjigi.policy.tables import TableCase, TableOutcome, read_tables, run_tables
from munjigi.policy.toml_file import read_toml
from munjigi.policy.types import PolicyBundle

HOME = Path(__file__).parents[2] / "policies"
SAMPLE = {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
FILES = sorted(SAMPLE)
cells = st.text(st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters="\x85\u2028\u2029"), max_size=12)


@given(st.lists(st.lists(cells, min_size=1, max_size=5), max_size=5))
def test_csv_written_by_another_writer_is_read_back(table: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(table)
    findings = Findings()
    rows = read_rows("x.csv", out.getvalue(), findings)
    assert findings.all() == ()
    assert [list(row.cells) for row in rows] == table


def test_csv_columns_and_lines() -> None:
    findings = Findings()
    rows = read_rows("x.csv", '# c\n\n a, b ,c\n"x ""y""", "1\n2",z\r\n  # d\nlast', findings)
    assert findings.all() == ()
    assert [(row.line, row.cells) for row in rows] == [(3, ("a", "b", "c")), (4, ('x "y"', "1\n2", "z")), (7, ("last",))]
    assert [rows[0].column(cell) for cell in range(3)] == [2, 5, 8]
    assert [rows[1].column(cell) for cell in range(4)] == [1, 12, 0, 0]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FILES), st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_in_any_file_give_findings_only(file: str, content: bytes) -> None:
    bundle, problems = compile_bundle(SAMPLE | {file: content}, "fuzz")
    assert (bundle is None) == any(each.severity == "error" for each in problems)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(FILES), st.data())
def test_a_damaged_file_gives_findings_only(file: str, data: st.DataObject) -> None:
    content = SAMPLE[file]
    at = data.draw(st.integers(0, len(content)))
    until = min(len(content), at + data.draw(st.integers(0, 30)))
    changed = content[:at] + data.draw(st.text("[]{}\",'#=\n:-&*!.\\ab1", max_size=8)).encode() + content[until:]
    bundle, problems = compile_bundle(SAMPLE | {file: changed}, "fuzz")
    assert (bundle is None) == any(each.severity == "error" for each in problems)
    lines = changed.count(b"\n") + 2
    assert all(0 <= each.line <= lines and each.column >= 0 for each in problems if each.file == file)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "tests: &a [*a]",
        "tests: !!python/object:os.system x",
        "--- a\n--- b",
        "? [a]\n: b",
        "- " * 3000,
        "a: 1\na: 2",
        "\x85",
    ],
)
def test_hostile_yaml_is_a_finding(text: str) -> None:
    findings = Findings()
    read_tables("tests/x.yaml", text, findings)
    assert findings.failed


@pytest.mark.parametrize(
    "text", ["a=" + "[" * 5000, "[a]\n[a]", "a = 1\na = 2", "a = 'x", 'a = "\\x"', "=", "a.b.c = 1979-99-99"]
)
def test_hostile_toml_is_a_finding(text: str) -> None:
    findings = Findings()
    assert read_toml("roles.toml", text, findings) is None
    assert findings.failed


def test_toml_places_survive_strings_arrays_and_comments() -> None:
    text = 'a = """\n[not.a.table]\n"""\nb = [ # ]\n  "x]",\n]\n[t."q.r"]\n  key = { inner = 1 } # k = 2\n'
    file = read_toml("x.toml", text, Findings())
    assert file is not None
    assert [
        file.place(path) for path in (("a",), ("b",), ("t", "q.r"), ("t", "q.r", "key"), ("t", "q.r", "key", "inner"), ("not",))
    ] == [
        (1, 1),
        (4, 1),
        (7, 2),
        (8, 3),
        (8, 3),
        (0, 0),
    ]


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "a*", "a+", ".", "a|b", "^a", "a$", "[^a]", "[z-a]", "a{3,1}", "a?b?c?", "\\w", "[", "a{1000}"]
)
def test_a_costly_or_loose_case_pattern_is_refused(pattern: str) -> None:
    assert isinstance(matcher(pattern), str)


def test_a_case_pattern_matches_whole_ids_only() -> None:
    matches = matcher(r"CS-\d{4}-[A-F0-9]{1,6}")
    assert not isinstance(matches, str)
    assert matches("CS-2026-00FF")
    assert not any(
        map(matches, ("CS-2026-", "xCS-2026-1", "CS-2026-1\n", "CS-\uff12\uff10\uff12\uff16-1", "CS-2026-1234567", ""))
    )


@given(st.permutations(FILES))
def test_the_revision_does_not_depend_on_the_order_of_files(order: list[str]) -> None:
    assert revision_of({path: SAMPLE[path] for path in order}) == revision_of(SAMPLE)


@given(
    st.dictionaries(st.text(max_size=8), st.binary(max_size=20), max_size=4),
    st.dictionaries(st.text(max_size=8), st.binary(max_size=20), max_size=4),
)
def test_equal_revisions_are_equal_files(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (revision_of(one) == revision_of(other)) == (one == other)
    assert files_of(canonical_bytes(one)) == one


def files_survive(stored: bytes) -> bool:
    """Tell whether the bytes happen to be another well-formed home."""
    try:
        return canonical_bytes(files_of(stored)) == stored
    except Corruption:
        return False


@given(st.binary(max_size=60))
def test_kept_bytes_that_are_damaged_are_corruption(tail: bytes) -> None:
    stored = canonical_bytes({"a": b"1"}) + tail
    if not tail:
        assert files_of(stored) == {"a": b"1"}
        return
    with pytest.raises(Corruption):
        files_of(stored[:-1] if files_survive(stored) else stored)


def test_a_failing_decision_test_is_a_problem_at_its_line() -> None:
    bundle, _ = compile_bundle(SAMPLE, "test")
    assert bundle is not None

    def refuse(_bundle: PolicyBundle, case: TableCase) -> TableOutcome:
        return TableOutcome("DENY", case.reason, dict(case.fields))

    problems, run = run_tables(bundle, refuse)
    text = {path: content.decode().split("\n") for path, content in SAMPLE.items()}
    allows = sum("decision: ALLOW" in line for path, lines in text.items() if path.startswith("tests/") for line in lines)
    assert run >= 40
    assert len(problems) == allows
    assert {each.code for each in problems} == {"TEST_FAILED"}
    assert all("- name:" in text[each.file][each.line - 1] for each in problems)
