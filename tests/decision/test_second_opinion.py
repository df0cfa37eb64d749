"""The transcription and pycasbin give a second opinion on the decision tables; a disagreement refuses the bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from munjigi.adapters.casbin_process import ask_casbin
from munjigi.app import two_engines
from munjigi.app.policy_build import build
from munjigi.app.two_engines import IN_FULL, compare_engines
from munjigi.decision.second_opinion import disagreements, questions_of, transcribed
from munjigi.decision.transcription import Transcription, key_match
from munjigi.policy.compile import compile_bundle
from munjigi.policy.findings import Findings
from munjigi.policy.tables import cases_of

HOME = Path(__file__).parents[2] / "policies"
SAMPLE = {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}


def compiled(**changed: str):
    files = SAMPLE | {name.replace("__", "."): text.encode() for name, text in changed.items()}
    bundle, problems = compile_bundle(files, "test")
    assert bundle is not None, problems
    return bundle


def asked(bundle):
    return questions_of(bundle, cases_of(bundle, Findings()))


def test_three_engines_agree_on_the_shipped_tables():
    found = compare_engines(compiled(), IN_FULL)
    assert found.problems == ()
    assert found.casbin_installed
    assert found.questions == found.casbin > 60
    assert len(found.lines) > 25


def wrong(bundle):
    """The same bundle, whose compiled index has lost its denying rules."""
    index = {
        key: {sub: tuple(rule for rule in rules if rule.allow) for sub, rules in by_sub.items()}
        for key, by_sub in bundle.index.items()
    }
    return replace(bundle, index=index, revision="0" * 64, memo={})


def test_p3_a_core_that_differs_is_told_by_the_transcription():
    bundle = wrong(compiled())
    questions = asked(bundle)
    answers, _ = transcribed(bundle, questions)
    problems = disagreements("the transcription", questions, answers)
    assert {each.code for each in problems} == {"ENGINES_DISAGREE"}
    assert all(
        "Munjigi decides clear and the transcription denied" in each.message or "decides partial" in each.message
        for each in problems
    )
    assert all(each.severity == "error" and each.file.startswith("tests/") and each.line for each in problems)


def test_p3_a_core_that_differs_is_told_by_pycasbin():
    bundle = wrong(compiled())
    questions = asked(bundle)
    answers = ask_casbin(bundle, questions, 60).answers
    assert disagreements("pycasbin", questions, answers)


def test_p3_a_disagreement_refuses_the_bundle(monkeypatch):
    monkeypatch.setattr(two_engines, "transcribed", lambda _, questions: (["denied"] * len(questions), frozenset()))
    two_engines.forget()
    bundle, problems, run, _, _ = build(SAMPLE, "test")
    two_engines.forget()
    assert bundle is None
    assert run > 60
    assert "ENGINES_DISAGREE" in {each.code for each in problems}


def test_what_pycasbin_has_no_time_for_is_counted():
    bundle = compiled()
    questions = asked(bundle)
    answers = ask_casbin(bundle, questions, 0.001)
    assert answers.installed
    assert answers.answers == [""] * len(questions)
    assert disagreements("pycasbin", questions, answers.answers) == ()


def test_pycasbin_is_not_asked_about_an_employee_with_the_name_of_a_role():
    bundle = compiled(
        **{"tests/customer_service__yaml": SAMPLE["tests/customer_service.yaml"].decode().replace("cs.kim", "cs_manager")}
    )
    questions = asked(bundle)
    answers = ask_casbin(bundle, questions, 60).answers
    for question, answer in zip(questions, answers, strict=True):
        assert (answer == "") == (question.subject == "cs_manager")


@pytest.mark.parametrize(
    ("key", "pattern", "expected"),
    [
        ("crm.member.name", "crm.member.*", True),
        ("crm.member", "crm.member.*", False),
        ("a", "a", True),
        ("ab", "a", False),
        ("", "*", True),
    ],
)
def test_key_match(key, pattern, expected):
    from casbin.util import key_match as theirs

    assert key_match(key, pattern) is theirs(key, pattern) is expected


def test_the_transcription_fits_on_a_page():
    import munjigi.decision.transcription as page

    written = [line for line in Path(str(page.__file__)).read_text("utf-8").splitlines() if line.strip()]
    assert len(written) <= 50
    assert Transcription(compiled()).p


def test_a_large_policy_is_left_out_at_a_load_and_asked_in_full_otherwise():
    section = '\n[roles.r{}]\ntitle = "x"\nowners = ["cs.lee"]\nstages = ["owner"]\nlongest_days = 3\nreview = "yearly"\nrequires = []\nbudget = 0\n'
    columns = ("name", "phone", "email", "status", "joined_at")
    bundle = compiled(
        roles__toml=SAMPLE["roles.toml"].decode() + "".join(section.format(number) for number in range(1_001)),
        policy__csv=SAMPLE["policy.csv"].decode()
        + "".join(
            f"p, r{number}, crm.member.{name}, read, inquiry, True, allow, clear\n" for number in range(1_001) for name in columns
        ),
    )
    questions = asked(bundle)[:2]
    assert ask_casbin(bundle, questions, 1.0).answers == ["", ""]
    told = []
    found = ask_casbin(bundle, questions, None, told.append)
    assert found.answers == [each.core for each in questions]
    assert told == [0, 1, 2]
