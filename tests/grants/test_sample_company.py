"""The sample company is what the documents say."""

from __future__ import annotations

import pytest

from munjigi.grants.ledger import Ledger
from munjigi.grants.sample import DAY, sample_company
from munjigi.kernel.identity import EMBEDDED_ISSUER

NOW = 1_800_000_000 * 10**9


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.apply(sample_company(NOW))
    return ledger


def test_who_holds_what(ledger: Ledger) -> None:
    grants = {grant.employee.subject: (grant.role, grant.purpose) for grant in ledger.state().grants}
    assert grants == {
        "cs.kim": ("cs_agent", "inquiry"),
        "cs.lee": ("cs_manager", "inquiry"),
        "mkt.park": ("marketing_analyst", "marketing"),
        "fraud.choi": ("fraud_analyst", "fraud_investigation"),
        "sec.han": ("policy_editor", "oversight"),
        "dpo.yoon": ("privacy_officer", "oversight"),
        "local.operator": ("local_operator", "oversight"),
    }


def test_who_exists(ledger: Ledger) -> None:
    state = ledger.state()
    subjects = {account.subject for person in state.people for account in person.accounts}
    assert subjects == {grant.employee.subject for grant in state.grants} | {"dba.jung", "new.oh"}
    assert {account.issuer for person in state.people for account in person.accounts} == {EMBEDDED_ISSUER}


def test_grants_are_half_open_for_a_year(ledger: Ledger) -> None:
    for grant in ledger.state().grants:
        assert not grant.active(NOW - 1)
        assert grant.active(NOW)
        assert grant.active(NOW + 365 * DAY - 1)
        assert not grant.active(NOW + 365 * DAY)


def test_p9_nobody_approves_their_own_grant(ledger: Ledger) -> None:
    state = ledger.state()
    subjects = {account.subject for person in state.people for account in person.accounts}
    for grant in state.grants:
        assert grant.approved_by
        assert grant.employee.subject not in grant.approved_by
        assert subjects.issuperset(grant.approved_by)


def test_holders_of_grants_have_pledge_training_and_device(ledger: Ledger) -> None:
    state = ledger.state()
    holders = {grant.employee for grant in state.grants}
    for person in state.people:
        if holders.intersection(person.accounts):
            assert all(person.holds(kind, NOW) for kind in ("pledge", "training", "device"))
            assert {fact.source for fact in person.facts} == {"sample"}
