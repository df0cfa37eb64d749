"""Asking, deciding, withdrawing: the life of a request (docs/grants.md), and that every reason is tried."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from grants.request_kit import DAY, NOW, OWNER, PRIVACY, SECOND, WHY, Company, held, key, refused, role, someone

from munjigi.grants.changes import GrantEdit, RequestEdit
from munjigi.grants.lifecycle import request_state_of
from munjigi.grants.requests import LAPSE_DAYS
from munjigi.kernel.grant import Scope
from munjigi.policy.compile import compile_bundle
from munjigi.rpc.grant_messages import waits_for

ROOT = Path(__file__).parents[2]


@pytest.fixture
def there() -> Company:
    return Company()


# ---- The life of a request


def test_an_employee_asks_an_owner_approves_and_the_grant_lives_from_then_until_its_end(there: Company) -> None:
    assert not there.reads("oh")
    asked = there.ask("oh", days=30)
    there.now += DAY
    assert not there.reads("oh")
    done = there.vote(asked, "lee")
    grant = done.grant
    assert grant is not None
    assert done.request.state == "approved"
    assert (grant.starts_at, grant.ends_at, grant.approved_by, grant.access_request_id, done.request.grant_id) == (
        NOW + DAY, NOW + 31 * DAY, ("lee",), asked.access_request_id, grant.grant_id,
    )  # fmt: skip
    assert [type(edit) for edit in done.edits] == [RequestEdit, GrantEdit]
    assert there.reads("oh")
    there.now = grant.ends_at - 1
    assert there.reads("oh")
    there.now = grant.ends_at
    assert not there.reads("oh")


def test_the_records_say_who_asked_when_why_and_who_decided_when_and_why(there: Company) -> None:
    """ISMS-P 2.5.6: applicant, time, purpose, period; approver, decision, reason, time; method, system, right."""
    asked = there.ask("kim", "senior", by="mia")
    there.now += SECOND
    there.vote(asked, "lee")
    there.now += SECOND
    closed, given = (edit for edit in there.vote(asked, "yoon").edits)
    assert isinstance(closed, RequestEdit)
    assert isinstance(given, GrantEdit)
    request = closed.request
    assert (request.applicant, request.employee, request.made_at, request.reason) == (key("mia"), key("kim"), NOW, WHY)
    assert (request.role, request.purpose, request.impact_assessment, request.days) == ("senior", "inquiry", "PIA-1", 30)
    assert [(vote.subject, vote.approve, vote.reason, vote.at) for vote in request.votes] == [
        ("lee", True, "as it should", NOW + SECOND),
        ("yoon", True, "as it should", NOW + 2 * SECOND),
    ]
    assert (given.method, given.reason, given.grant.approved_by) == ("request", WHY, ("lee", "yoon"))


def test_stages_decide_in_order(there: Company) -> None:
    asked = there.ask("oh", "senior")
    with refused("NOT_A_DECIDER"):
        there.vote(asked, "yoon")
    onward = there.vote(asked, "lee")
    assert (onward.request.state, onward.request.stage, onward.grant) == ("requested", 1, None)
    with refused("NOT_A_DECIDER"):
        there.vote(asked, "ann")
    assert not there.reads("oh")
    assert there.vote(asked, "yoon").grant is not None
    assert there.reads("oh")


@pytest.mark.parametrize("stage", [0, 1])
def test_a_denial_at_any_stage_ends_it(there: Company, stage: int) -> None:
    asked = there.ask("oh", "senior")
    if stage:
        there.vote(asked, "lee")
    assert there.vote(asked, ("ann", "yoon")[stage], approve=False).request.state == "denied"
    assert there.table.of(key("oh")) == ()


def test_what_is_decided_is_decided(there: Company) -> None:
    approved, denied, withdrawn = there.ask("oh"), there.ask("eve"), there.ask("bo")
    there.vote(approved, "lee")
    there.vote(denied, "lee", approve=False)
    there.withdraw(withdrawn, "bo")
    for each in (approved, denied, withdrawn):
        for approve in (True, False):
            with refused("ACCESS_REQUEST_CLOSED"):
                there.vote(each, "ann", approve=approve)
        with refused("ACCESS_REQUEST_CLOSED"):
            there.withdraw(each, each.employee.subject)


def test_whoever_asked_or_would_hold_it_withdraws_with_whatever_account(there: Company) -> None:
    for name in ("kim", "kim2", "mia"):
        asked = there.ask("kim", by="mia")
        for other in ("lee", "oh"):
            with refused("NOT_YOURS_TO_WITHDRAW"):
                there.withdraw(asked, other)
        assert there.withdraw(asked, name).state == "withdrawn"
    with refused("ACCESS_REQUEST_UNKNOWN"):
        there.withdraw(replace(asked, access_request_id="ar-none"), "kim")


def test_access_is_asked_for_by_whoever_would_hold_it_or_their_manager(there: Company) -> None:
    for other in ("lee", "top", "oh"):
        with refused("NOT_YOURS_TO_ASK"):
            there.ask("kim", by=other)
    there.ask("kim", by="mia")
    for name, by in (("nobody", "mia"), ("kim", "nobody")):
        with refused("ACCOUNT_UNKNOWN"):
            there.ask(name, by=by)


def test_nobody_decides_in_14_days_and_it_has_lapsed(there: Company) -> None:
    asked = there.ask("oh")
    there.now = NOW + LAPSE_DAYS * DAY - 1
    assert request_state_of(asked, there.now) == "requested"
    there.now += 1
    assert request_state_of(asked, there.now) == "lapsed"
    with refused("ACCESS_REQUEST_CLOSED"):
        there.vote(asked, "lee")
    with refused("ACCESS_REQUEST_CLOSED"):
        there.withdraw(asked, "oh")
    with refused("ACCESS_REQUEST_UNKNOWN"):
        there.ask("oh", supersedes=asked.access_request_id)


def test_a_request_waits_for_who_may_decide_it_and_has_not_until_it_lapses(there: Company) -> None:
    asked = there.ask("oh", "board")
    there.vote(asked, "lee")

    def waits() -> set[str]:
        names = ("lee", "ann", "bo", "oh", "yoon")
        return {each for each in names if waits_for(there.book(), there.found(asked), f"p.{each}")}

    assert waits() == {"ann", "bo"}
    there.now += LAPSE_DAYS * DAY
    assert waits() == set()


def test_what_has_lapsed_is_asked_for_anew(there: Company) -> None:
    there.ask("oh")
    there.now += LAPSE_DAYS * DAY
    assert there.given("oh").ends_at == there.now + 30 * DAY


# ---- What is approved is what was read


def test_what_is_approved_is_what_was_read(there: Company) -> None:
    asked, other = there.ask("oh"), there.ask("eve")
    for digest in ("", "0" * 64, other.digest, asked.digest.upper()):
        for approve in (True, False):
            if digest:
                with refused("ACCESS_REQUEST_CHANGED"):
                    there.vote(asked, "lee", digest=digest, approve=approve)
    assert there.vote(asked, "lee", digest=asked.digest).grant is not None


def test_the_digest_is_of_all_that_was_asked_and_of_nothing_that_became_of_it(there: Company) -> None:
    asked = there.ask("oh", scope=Scope(("crm.member.name", "crm.member.phone"), ("read",)))
    changes = {
        "access_request_id": "ar-x", "kind": "change", "employee": key("eve"), "applicant": key("mia"), "role": "senior",
        "purpose": "marketing", "case_id": "FR-1", "impact_assessment": "PIA-2", "starts_at": 1, "ends_at": 1, "days": 31,
        "reason": WHY + ".", "stages": ("owner", "privacy"),
    }  # fmt: skip
    scopes = (None, Scope((), ()), Scope(("crm.member.name,crm.member.phone",), ()), Scope(("crm.member.name",), ("read",)))
    others = [replace(asked, **{name: value}) for name, value in changes.items()] + [
        replace(asked, scope=each) for each in scopes
    ]
    others += [replace(asked, kind="renew", grant_id=each) for each in ("g-1", "g-2")]
    assert len({asked.digest, *(each.digest for each in others)}) == len(others) + 1
    assert there.vote(asked, "lee").request.digest == asked.digest


def test_a_request_is_replaced_by_another_and_its_votes_count_no_more(there: Company) -> None:
    first = there.ask("oh", "senior")
    there.vote(first, "lee")
    second = there.ask("oh", "senior", supersedes=first.access_request_id, days=7)
    assert there.state(first) == "superseded"
    assert (second.stage, second.votes, second.supersedes) == (0, (), first.access_request_id)
    with refused("ACCESS_REQUEST_CLOSED"):
        there.vote(first, "yoon")
    with refused("NOT_A_DECIDER"):
        there.vote(second, "yoon")


def test_only_ones_own_open_request_is_replaced(there: Company) -> None:
    theirs, denied = there.ask("eve"), there.ask("oh")
    there.vote(denied, "lee", approve=False)
    for each in (theirs.access_request_id, denied.access_request_id, "ar-none"):
        with refused("ACCESS_REQUEST_UNKNOWN"):
            there.ask("oh", supersedes=each)
    assert there.state(theirs) == "requested"


@pytest.mark.parametrize("stages", [(OWNER, PRIVACY), (PRIVACY,), (OWNER._replace(everyone=True),)])
def test_a_role_whose_stages_have_changed_is_asked_for_anew(stages: tuple[object, ...]) -> None:
    there = Company()
    asked = there.ask("oh")
    there.bundle = Company(role("agent", *stages)).bundle  # type: ignore[arg-type]
    for name in ("lee", "ann", "yoon"):
        with refused("STAGES_CHANGED"):
            there.vote(asked, name)
    there.ask("oh", supersedes=asked.access_request_id)


def test_a_role_that_is_gone_is_approved_for_nobody(there: Company) -> None:
    asked = there.ask("oh")
    there.bundle = replace(
        there.bundle, roles={name: each for name, each in there.bundle.roles.items() if name != "agent"}, memo={}
    )
    with refused("STAGES_CHANGED"):
        there.vote(asked, "lee")
    with refused("ROLE_UNKNOWN"):
        there.ask("eve")


# ---- The sample company


def test_the_sample_policys_own_roles_are_asked_for_and_approved() -> None:
    files = {
        path.relative_to(ROOT / "policies").as_posix(): path.read_bytes()
        for path in (ROOT / "policies").rglob("*")
        if path.is_file()
    }
    bundle, problems = compile_bundle(files, "test")
    assert bundle is not None, problems
    people = (someone("dpo.yoon"), someone("sec.han"), someone("fraud.seo", department="fraud"))
    people += tuple(someone(name, department="customer-service") for name in ("cs.lee", "new.oh"))
    grants = (held("dpo.yoon", "privacy_officer", "oversight"), held("sec.han", "policy_editor", "oversight"))
    there = Company(people=people, grants=grants)
    there.bundle = bundle
    assert there.given("new.oh", "cs_agent", "inquiry", by="cs.lee", days=90).ends_at == NOW + 90 * DAY
    with refused("ROLE_NOT_FOR_DEPARTMENT"):
        there.ask("new.oh", "fraud_analyst", "fraud_investigation", case_id="FR-2026-0042")
    asked = there.ask("fraud.seo", "fraud_analyst", "fraud_investigation", case_id="FR-2026-0042")
    there.vote(asked, "cs.lee")
    assert there.vote(asked, "dpo.yoon").grant is not None
    with refused("NOBODY_DECIDES"):  # both stages would be dpo.yoon's
        there.ask("cs.lee", "cs_manager")
    with refused("NOBODY_DECIDES"):  # cs.lee alone owns it
        there.ask("cs.lee", "privacy_officer", "oversight")


def test_every_reason_of_the_plans_is_tried_by_a_test() -> None:
    rooms = ("requests", "rights", "deciders", "eligibility", "delegations", "lifecycle")
    sources = "".join((ROOT / f"server/munjigi/grants/{name}.py").read_text() for name in rooms)
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    raised = set(re.findall(r'(?:InvalidArgument|NotFound|FailedPrecondition|PermissionDenied)\(\s*"([A-Z_]+)"', sources))
    assert len(raised) > 35
    assert {reason for reason in raised if f'"{reason}"' not in tests} == set()
