"""Every mistake is found, with its file, line and column, and all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from munjigi.policy.compile import compile_bundle
from munjigi.policy.hierarchy import MAX_CHAIN
from munjigi.policy.types import Problem

HOME = Path(__file__).parents[2] / "policies"


def sample() -> dict[str, bytes]:
    """Return the shipped policy home."""
    return {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}


def with_lines(*lines: str) -> tuple[dict[str, bytes], int]:
    """Return the sample with lines after its policy, and the number of the first of them."""
    files = sample()
    first = files["policy.csv"].count(b"\n") + 1
    files["policy.csv"] += "".join(f"{line}\n" for line in lines).encode()
    return files, first


def found(files: dict[str, bytes]) -> list[tuple[str, int, int, str]]:
    """Return file, line, column and code of every finding."""
    return [(each.file, each.line, each.column, each.code) for each in compile_bundle(files, "test")[1]]


def test_shipped_policy_has_no_finding() -> None:
    bundle, problems = compile_bundle(sample(), "test")
    assert problems == ()
    assert bundle is not None
    assert bundle.source == "test"


@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        ("p, cs_agent, crm.member.name, read, inquiry, True, allow", 57, "WRONG_ARITY"),
        ("p, cs_agent, crm.member.name, read, inquiry, True, allow, partial, more", 68, "WRONG_ARITY"),
        ("g, cs_agent", 12, "WRONG_ARITY"),
        ("P, cs_agent, crm.member.name, read, inquiry, True, allow, partial", 1, "PTYPE_UNKNOWN"),
        ("p2, cs_agent, crm.member.name, read, inquiry, True, allow, partial", 1, "PTYPE_UNKNOWN"),
        ("p, nobody, crm.member.name, read, inquiry, True, allow, partial", 4, "ROLE_UNKNOWN"),
        ("p, cs_agent, crm.member.shoe, read, inquiry, True, allow, partial", 14, "RESOURCE_UNKNOWN"),
        ("p, cs_agent, *, read, inquiry, True, allow, clear", 14, "RESOURCE_UNKNOWN"),
        ("p, cs_agent, crm.member*, read, inquiry, True, allow, clear", 14, "RESOURCE_UNKNOWN"),
        ("p, cs_agent, class:shoes, read, inquiry, True, allow, clear", 14, "CLASS_UNKNOWN"),
        ("p, cs_agent, class:key, look, inquiry, True, allow, clear", 25, "ACTION_UNKNOWN"),
        ("p, cs_agent, class:key, operate, inquiry, True, allow, clear", 25, "ACTION_NOT_APPLICABLE"),
        ("p, cs_agent, munjigi.audit, export, oversight, True, allow, clear", 29, "ACTION_NOT_APPLICABLE"),
        ("p, cs_agent, class:key, read, curiosity, True, allow, clear", 31, "PURPOSE_UNKNOWN"),
        ("p, cs_agent, class:key, read, *, True, allow, clear", 31, "ALLOW_WITHOUT_PURPOSE"),
        ("p, cs_agent, class:key, read, inquiry, True, Deny,", 46, "EFFECT_UNKNOWN"),
        ("p, cs_agent, class:key, read, inquiry, True, allow,", 52, "MASK_MISSING"),
        ("p, cs_agent, class:key, read, inquiry, True, deny, null", 52, "MASK_ON_DENY"),
        ("p, cs_agent, class:key, read, inquiry, True, allow, blur", 53, "MASK_UNKNOWN"),
        ("p, cs_agent, class:key, read, inquiry, True, allow, year", 53, "MASK_NOT_OF_CLASS"),
        ("p, cs_agent, munjigi.audit, read, oversight, True, allow, null", 59, "MASK_NOT_APPLICABLE"),
        ("p, cs_agent, class:key, read, inquiry, exit(), allow, clear", 40, "CONDITION_INVALID"),
        ("p, cs_agent, class:key, read, inquiry, r.ctx.device and x, allow, clear", 57, "CONDITION_INVALID"),
        ("p, fraud_analyst, crm.member.*, read, fraud_investigation, True, allow, clear", 19, "WILDCARD_OVER_UNIQUE"),
        ('p, cs_agent, "class:key, read', 14, "CSV_UNTERMINATED_QUOTE"),
        ('p, cs"age"nt, class:key, read, inquiry, True, allow, clear', 6, "CSV_STRAY_QUOTE"),
        ("p, cs_agent, class:key\x07, read, inquiry, True, allow, clear", 23, "CSV_CONTROL_CHARACTER"),
        ("g, cs_agent, nobody", 14, "ROLE_UNKNOWN"),
        ("g, cs_agent, cs_manager", 4, "ROLE_CYCLE"),
        ("g, cs_agent, cs_agent", 4, "ROLE_CYCLE"),
        ("g2, crm.member.shoe, class:key", 5, "RESOURCE_UNKNOWN"),
        ("g2, crm.member.name, class:shoes", 22, "CLASS_UNKNOWN"),
        ("g2, class:key, class:identity", 5, "RESOURCE_UNKNOWN"),
    ],
)
def test_a_bad_line_keeps_the_policy_from_loading(line: str, column: int, code: str) -> None:
    files, number = with_lines(line)
    bundle, problems = compile_bundle(files, "test")
    assert bundle is None
    errors = [each for each in problems if each.severity == "error"]
    assert {(each.file, each.code) for each in errors} == {("policy.csv", code)}
    if code == "ROLE_CYCLE" and "manager" in line:
        assert len(errors) == 1  # either line of the cycle may be the one that closes it
    else:
        assert [(each.line, each.column) for each in errors] == [(number, column)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("p, cs_agent, class:key, read, inquiry, True, allow, clear", "DUPLICATE_RULE"),
        ("g, cs_manager, cs_agent", "DUPLICATE_RULE"),
        ("p, cs_manager, crm.member.resident_number, read, inquiry, True, allow, null", "RULE_SHADOWED"),
        ("p, marketing_analyst, crm.dormant_member.status, read, marketing, True, allow, clear", "RULE_SHADOWED"),
        ("p, cs_agent, class:activity, read, inquiry, False, allow, clear", "RULE_NEVER_MATCHES"),
        ("p, cs_agent, class:activity, read, inquiry, not True, allow, clear", "RULE_NEVER_MATCHES"),
        ("p, cs_agent, class:activity, read, inquiry, False && r.ctx.device, allow, clear", "RULE_NEVER_MATCHES"),
        ("p, cs_agent, class:activity, read, inquiry, r.ctx.hour > 30, allow, clear", "RULE_NEVER_MATCHES"),
        ("p, cs_agent, class:activity, read, inquiry, r.ctx.hour < 3 and r.ctx.hour > 5, deny,", "RULE_NEVER_MATCHES"),
        ("p, cs_agent, class:activity, read, inquiry, r.ctx.tool == 'campaign-tool', allow, clear", "RULE_NEVER_MATCHES"),
        ("p, cs_agent, class:activity, read, inquiry, r.act == 'export', allow, clear", "RULE_NEVER_MATCHES"),
        (
            "p, fraud_analyst, class:key, read, fraud_investigation, \"r.ctx.tool in ('fraud-console', 'munjigi-cli')\", allow, clear",
            "CASBIN_READS_DIFFERENTLY",
        ),
    ],
)
def test_a_doubtful_line_is_a_warning(line: str, code: str) -> None:
    files, number = with_lines(line)
    bundle, problems = compile_bundle(files, "test")
    assert bundle is not None
    assert [(each.line, each.severity, each.code) for each in problems] == [(number, "warning", code)]
    assert bundle.problems == problems


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        # cs.kim holds cs_agent in the decision tables; cs.lee, who owns it, does not.
        ('[roles.cs_agent]|owners = ["cs.lee"]', 'owners = ["cs.kim"]', "ROLE_APPROVES_ITSELF"),
        ('[roles.cs_agent]|owners = ["cs.lee"]', 'owners = ["cs.kim", "cs.lee"]', None),
        ('[roles.fraud_analyst]|owners = ["cs.lee"]', 'owners = ["fraud.choi"]', None),  # the privacy office decides, too
        ('[roles.cs_agent]|owners = ["cs.lee"]', 'owners = ["cs_manager"]', "ROLE_NOBODY_CAN_HOLD"),
        ('[roles.cs_agent]|owners = ["cs.lee"]', 'owners = ["cs_manager", "cs.lee"]', None),
    ],
)
def test_who_could_come_to_hold_a_role(old: str, new: str, code: str | None) -> None:
    files = sample()
    section, line = old.split("|")
    before, _, after = files["roles.toml"].decode().partition(section)
    assert line in after
    changed = before + section + after.replace(line, new, 1)
    files["roles.toml"] = changed.encode()
    where = changed[: changed.index(new)].count("\n") + 1
    assert [(each[0], each[1], each[3]) for each in found(files)] == ([("roles.toml", where, code)] if code else [])


def test_a_role_that_brings_another_one_to_other_departments() -> None:
    files = sample()
    for old, codes in (
        (b'departments = ["customer-service"]\n\n[roles.marketing_analyst]', []),
        (b"", ["ROLE_DEPARTMENTS_WIDER"]),
    ):
        files["roles.toml"] = files["roles.toml"].replace(
            b'departments = ["customer-service"]\n\n[roles.marketing_analyst]', old or b"\n[roles.marketing_analyst]"
        )
        assert [each[3] for each in found(files)] == codes


def test_a_role_whose_requirements_contradict_all_its_rules() -> None:
    role = b'\n[roles.night]\ntitle = "x"\nowners = ["cs.lee"]\nstages = ["owner"]\nlongest_days = 1\nreview = "yearly"\n'
    role += b'requires = ["device"]\nbudget = 0\n'
    rule = "p, night, class:key, read, inquiry, {}, allow, clear"
    expected = {"!r.ctx.device && r.ctx.hour > 3": ["ROLE_NOBODY_CAN_HOLD"], "r.ctx.hour > 3": [], "!r.ctx.pledge": []}
    for condition, codes in expected.items():
        files, _ = with_lines(rule.format(condition))
        files["roles.toml"] += role
        assert [each[3] for each in found(files)] == codes, condition
    files, _ = with_lines(rule.format("!r.ctx.device"), rule.format("True"))
    files["roles.toml"] += role
    assert found(files) == []


def test_an_action_that_no_tool_may_ask_for_never_matches() -> None:
    files, number = with_lines("p, cs_agent, class:key, delete, inquiry, True, allow, clear")
    files["tools.toml"] = files["tools.toml"].replace(b'actions = ["*"]', b'actions = ["read", "operate", "export", "reveal"]')
    assert found(files) == [("policy.csv", number, 25, "RULE_NEVER_MATCHES")]


def test_all_findings_come_at_once() -> None:
    files, number = with_lines("p, nobody, nothing, look, nowhen, x, Deny, y", "q")
    files["roles.toml"] += b"\n[roles.spare]\ntitle = 1\n"
    files["purposes.toml"] = files["purposes.toml"].replace(b"retention_days = 730", b"retention_days = 'x'")
    files["model.conf"] = files["model.conf"].replace(b"some(where (p.eft == allow))", b"true")
    files["surprise.csv"] = b""
    codes = {(each[0], each[3]) for each in found(files)}
    assert {
        ("policy.csv", "ROLE_UNKNOWN"),
        ("policy.csv", "RESOURCE_UNKNOWN"),
        ("policy.csv", "ACTION_UNKNOWN"),
        ("policy.csv", "PURPOSE_UNKNOWN"),
        ("policy.csv", "CONDITION_INVALID"),
        ("policy.csv", "EFFECT_UNKNOWN"),
        ("policy.csv", "PTYPE_UNKNOWN"),
        ("roles.toml", "VALUE_WRONG_TYPE"),
        ("roles.toml", "KEY_MISSING"),
        ("roles.toml", "ROLE_WITHOUT_OWNER"),
        ("purposes.toml", "VALUE_INVALID"),
        ("model.conf", "MODEL_NOT_SUPPORTED"),
        ("surprise.csv", "FILE_UNKNOWN"),
    } <= codes
    assert {each[1] for each in found(files) if each[0] == "policy.csv"} == {number, number + 1}


@pytest.mark.parametrize(
    ("file", "old", "new", "line_of", "code"),
    [
        ("model.conf", "e = some", "e = any", "e = any", "MODEL_NOT_SUPPORTED"),
        ("model.conf", "g2 = _, _", "g3 = _, _", "g3 = _, _", "MODEL_DEFINITION_UNKNOWN"),
        ("model.conf", "[matchers]", "[matcher]", "[matcher]", "MODEL_SECTION_UNKNOWN"),
        ("model.conf", "[matchers]", "matchers", "matchers", "MODEL_SYNTAX"),
        ("catalog.toml", 'key = "serial"', 'key = "number"', 'key = "number"', "COLUMN_UNKNOWN"),
        ("catalog.toml", 'key_type = "integer"', 'key_type = "real"', 'key_type = "real"', "VALUE_INVALID"),
        ("catalog.toml", 'schema = "public"', 'schema = "public"\nshema = "x"', "shema", "KEY_UNKNOWN"),
        ("catalog.toml", '["null", "token"]', '["null", "blur"]', 'masks = ["null", "blur"]', "MASK_UNKNOWN"),
        ("catalog.toml", '["null", "token"]', "[]", "masks = []", "CLASS_WITHOUT_MASK"),
        ("catalog.toml", 'masks = ["null", "partial"]', 'masks = ["partial", "null"]', None, "MASK_ORDER_CONFLICT"),
        ("catalog.toml", 'partition_of = "crm.member"', 'partition_of = "crm.x"', 'partition_of = "crm.x"', "TABLE_UNKNOWN"),
        (
            "catalog.toml",
            'subjects_of = "crm.member"',
            'subjects_of = "crm.inquiry"',
            'subjects_of = "crm.inquiry"',
            "TABLE_UNKNOWN",
        ),
        ("roles.toml", 'owners = ["cs.lee"]', "owners = []", "owners = []", "ROLE_WITHOUT_OWNER"),
        ("roles.toml", 'stages = ["owner"]', 'stages = ["friend"]', 'stages = ["friend"]', "VALUE_INVALID"),
        ("roles.toml", "budget = 200", "budget = -1", "budget = -1", "VALUE_INVALID"),
        ("roles.toml", "budget = 200", "budget = true", "budget = true", "VALUE_INVALID"),
        ("roles.toml", "[roles.cs_agent]", "[roles.cs_agent", "[roles.cs_agent", "TOML_SYNTAX"),
        ("purposes.toml", r"'CS-\d{4}-\d{6}'", "'(a+)+'", "case_pattern = '(a+)+'", "CASE_PATTERN_INVALID"),
        ("purposes.toml", '"CS-2026-000123"', '"CS-26"', 'case_example = "CS-26"', "CASE_EXAMPLE_INVALID"),
        ("tools.toml", 'purposes = ["inquiry"]', 'purposes = ["tea"]', 'purposes = ["tea"]', "PURPOSE_UNKNOWN"),
        ("tools.toml", 'actions = ["read", "reveal"]', 'actions = ["look"]', 'actions = ["look"]', "ACTION_UNKNOWN"),
        ("tools.toml", 'token_subject = "campaign-tool"', 'token_subject = "crm-desk"', None, "TOOL_IDENTITY_TWICE"),
        ("tools.toml", "asserts_origin = true", 'asserts_origin = "yes"', 'asserts_origin = "yes"', "VALUE_WRONG_TYPE"),
        ("tests/fraud.yaml", "decision: ALLOW", "decision: MAYBE", "decision: MAYBE", "VALUE_INVALID"),
        ("tests/fraud.yaml", "employee:", "employe:", "employe:", "KEY_UNKNOWN"),
        ("tests/fraud.yaml", "tests:", "tests: [", None, "YAML_SYNTAX"),
    ],
)
def test_a_mistake_is_found_on_its_line(file: str, old: str, new: str, line_of: str | None, code: str) -> None:
    files = sample()
    text = files[file].decode()
    assert old in text
    changed = text.replace(old, new, 1)
    files[file] = changed.encode()
    problems = [each for each in compile_bundle(files, "test")[1] if each.code == code and each.file == file]
    assert problems
    assert problems[0].severity == "error"
    if line_of is not None:
        assert line_of in changed.split("\n")[problems[0].line - 1]
        assert problems[0].column >= 1


@pytest.mark.parametrize(
    ("content", "line", "column", "code"),
    [
        (b"# \xff\n", 1, 3, "FILE_NOT_UTF8"),
        (b"a\n\xea\xb0\x80\x00", 2, 2, "FILE_HAS_NUL"),
        (b"\xef\xbb\xbfp", 1, 1, "FILE_HAS_BOM"),
        (b"#" * (16 * 1024 * 1024 + 1), 0, 0, "FILE_TOO_LARGE"),
    ],
)
@pytest.mark.parametrize("file", ["policy.csv", "roles.toml", "tests/fraud.yaml"])
def test_bytes_that_are_no_text(file: str, content: bytes, line: int, column: int, code: str) -> None:
    files = sample() | {file: content}
    assert (file, line, column, code) in found(files)
    assert compile_bundle(files, "test")[0] is None


@pytest.mark.parametrize("file", ["model.conf", "policy.csv", "catalog.toml", "roles.toml", "purposes.toml", "tools.toml"])
def test_a_missing_file_is_named(file: str) -> None:
    files = sample()
    del files[file]
    bundle, problems = compile_bundle(files, "test")
    assert bundle is None
    assert [each.code for each in problems if each.file == file and each.severity == "error"] == ["FILE_MISSING"]


def test_an_empty_policy_is_refused() -> None:
    files = sample()
    files["policy.csv"] = b"\n".join(line for line in files["policy.csv"].split(b"\n") if not line.startswith(b"p,"))
    assert ("policy.csv", 0, 0, "POLICY_EMPTY") in found(files)


def test_p3_an_unclassified_column_cannot_be_allowed() -> None:
    files, number = with_lines("p, cs_agent, crm.member.status, read, inquiry, True, allow, clear")
    files["policy.csv"] = files["policy.csv"].replace(b"g2, crm.member.status, class:activity\n", b"")
    problems = found(files)
    assert ("policy.csv", number - 1, 14, "ALLOW_UNCLASSIFIED") in problems
    assert any(each[0] == "catalog.toml" and each[3] == "COLUMN_UNCLASSIFIED" for each in problems)


def test_p5_values_that_look_personal_are_not_repeated() -> None:
    files, _ = with_lines("p, 010-1234-5678, class:key, read, 900101-1234568, True, allow, clear", "kim@example.com, x")
    files["010-1234-5678.csv"] = b""
    shown = "".join(str(each) for each in compile_bundle(files, "test")[1])
    assert "1234" not in shown
    assert "kim" not in shown


@pytest.mark.parametrize(("links", "good"), [(MAX_CHAIN, True), (MAX_CHAIN + 1, False)])
def test_a_chain_of_roles_has_a_limit(links: int, good: bool) -> None:
    files, _ = with_lines(*(f"g, r{number}, r{number + 1}" for number in range(links)))
    role = '\n[roles.r{}]\ntitle = "x"\nowners = ["cs.lee"]\nstages = ["owner"]\nlongest_days = 1\nreview = "yearly"\nrequires = []\nbudget = 0\n'
    files["roles.toml"] += "".join(role.format(number) for number in range(links + 1)).encode()
    bundle, problems = compile_bundle(files, "test")
    assert (bundle is not None) == good
    assert ("ROLE_CHAIN_TOO_LONG" in {each.code for each in problems}) == (not good)


def test_problems_print_like_a_compiler() -> None:
    assert str(Problem("policy.csv", 3, 7, "error", "X", "Repair it.")) == "policy.csv:3:7: error X: Repair it."
