"""A policy file that gives back what a review took (rule R19)."""

from __future__ import annotations

import pytest
from decision.builders import P, make_bundle
from grants.request_kit import NOW, company, held, role, someone

from munjigi.decision.grant_table import GrantTable
from munjigi.kernel.grant import Grant, Scope
from munjigi.kernel.review import Mark, Permission
from munjigi.policy.types import PolicyBundle
from munjigi.review.regrants import problems_of, regrants

AGENT, BLUE = role("agent"), role("blue")
MARK = Mark("p.oh", "agent", "inquiry", "rv-1", 4, "g.gone", NOW)
NAME = Permission("crm.member.name", "read")
RULES = (P("agent", "crm.member.*"), P("blue", "class:payment"))


def bundle(*more: P, links: tuple[tuple[str, str], ...] = ()) -> PolicyBundle:
    purposes = company().purposes.values()
    return make_bundle([*RULES, *more], list(links), [AGENT, BLUE], purposes=purposes)


def found(after: PolicyBundle, grant: Grant = held("oh", "blue"), mark: Mark = MARK, before: PolicyBundle | None = None):  # noqa: B008 - immutable
    table = GrantTable.build([grant], [someone("oh", "oh2"), someone("eve")], 1)
    return list(regrants(before or bundle(), after, table, [mark], NOW))


def test_r19_a_new_rule_for_a_role_that_is_still_held_is_found_with_its_place() -> None:
    (regrant,) = found(bundle(P("blue", "crm.member.name")))
    assert (regrant.role, regrant.permissions, regrant.mark) == ("blue", (NAME,), MARK)
    (problem,) = problems_of([regrant])
    assert (problem.code, problem.severity, problem.line) == ("REGRANT_WITHOUT_APPROVAL", "error", regrant.rule.line)
    assert "rv-1" in problem.message
    assert "oh" not in problem.message.split()  # nobody is named


def test_r19_a_link_from_the_held_role_to_the_taken_one_is_found() -> None:
    (regrant,) = found(bundle(links=(("blue", "agent"),)))
    assert NAME in regrant.permissions


@pytest.mark.parametrize(
    "rule",
    [
        P("blue", "crm.member.name", "*"),
        P("blue", "crm.member.name", purpose="*"),
        P("blue", "class:identity"),
        P("blue", "crm.member.*", on=lambda *_: False, cond="r.ctx.hour == 3"),
    ],
)
def test_r19_whatever_form_the_rule_has(rule: P) -> None:
    assert found(bundle(rule))


@pytest.mark.parametrize(
    "rule",
    [
        P("blue", "crm.payment.amount"),  # never taken
        P("blue", "crm.member.name", "export"),
        P("blue", "crm.member.name", purpose="marketing"),
        P("blue", "crm.member.name", allow=False),
        P("agent", "crm.payment.amount"),  # nobody holds it
    ],
)
def test_what_was_not_taken_is_nobody_s_concern(rule: P) -> None:
    assert found(bundle(rule)) == []


def test_r19_less_of_a_mask_gives_back_what_was_seen_in_the_clear() -> None:
    masked = P("blue", "crm.member.name", mask="partial")
    assert found(bundle(P("blue", "crm.member.name")), before=bundle(masked))
    assert found(bundle(masked)) != []
    assert found(bundle(masked), before=bundle(P("blue", "crm.member.name", mask="null"))) != []
    assert found(bundle(masked), before=bundle(P("blue", "crm.member.name"))) == []


def test_what_gave_it_before_already_is_no_news() -> None:
    rule = P("blue", "crm.member.name")
    assert found(bundle(rule, P("blue", "crm.payment.amount")), before=bundle(rule)) == []


def test_it_depends_on_what_the_same_person_holds_now() -> None:
    after = bundle(P("blue", "crm.member.name"))
    assert found(after, held("oh2", "blue"))  # with whatever account
    assert found(after, held("oh", "blue", scope=Scope(("crm.member.*",), ())))
    assert found(after, held("oh", "blue", suspended="owner"))  # it may be resumed
    for grant in (
        held("eve", "blue"),
        held("oh", "blue", "marketing"),
        held("oh", "blue", end=-1, start=-9),
        held("oh", "blue", scope=Scope(("class:payment",), ())),
        held("oh", "blue", scope=Scope((), ("export",))),
    ):
        assert found(after, grant) == []
    assert found(after, mark=MARK._replace(lifted_at=NOW)) == []
    assert found(after, mark=MARK._replace(person_id="p.gone")) == []


def test_many_marks_that_one_rule_gives_back_are_one_problem() -> None:
    regrant = found(bundle(P("blue", "crm.member.name")))[0]
    assert len(problems_of([regrant] * 50)) == 1
