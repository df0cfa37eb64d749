"""A refusal that is kept is the one that was made, and nothing is kept under a name that a caller made up."""

from __future__ import annotations

import pytest
from decision.builders import DAY, KIM, NOW, P, ask, grant, make_bundle, purpose, snapshot

from munjigi.decision.core import decide
from munjigi.decision.frames import Memory

NOBODY = KIM._replace(subject="nobody")
LINES = [P("agent", "crm.member.name"), P("agent", "crm.member.phone"), P("boss", "crm.payment.card")]
BOUND = purpose("inquiry", case_pattern="CS", case_required=True, matches_case=lambda text: text == "CS-1")


def made(revision=7):
    return snapshot(make_bundle(LINES, purposes=[BOUND]), grant("g1", "agent"), revision=revision)


QUESTIONS = [
    ask("name", case_id="CS-1", employee=NOBODY),
    ask("name", "phone", case_id="CS-1", employee=NOBODY),
    ask("name", "shoe", case_id="CS-1", employee=NOBODY),
    ask("shoe", "name", case_id="CS-1", employee=NOBODY),
    ask(case_id="CS-1", employee=NOBODY),
    ask("name"),
    ask("name", case_id="wrong"),
    ask("name", case_id="CS-1", subjects=0),
    ask("name", case_id="CS-1", subjects=101),
    ask("shoe", case_id="CS-1"),
    ask("shoe", "name", case_id="CS-1"),
    ask("name", "shoe", case_id="CS-1"),
    ask("memo", case_id="CS-1"),
    ask("card", case_id="CS-1", resource="crm.payment"),
    ask("name", resource="crm.nothing"),
    ask(resource="crm.nothing"),
    ask("a", "b", "a", resource="class:nothing"),
    ask(resource="class:contact", case_id="CS-1"),
    ask("x", resource="class:contact", case_id="CS-1"),
    ask("name", purpose="curiosity"),
    ask("name", action="peek"),
    ask("name", tool="nothing"),
    ask("name", purpose="marketing"),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_kept_is_what_was_made(question):
    first = decide(made(), question, NOW)
    assert not first.allow
    warm = made()
    for each in QUESTIONS:
        decide(warm, each, NOW)
    assert decide(warm, question, NOW) == first
    later = warm._replace(grants=made(revision=8).grants)
    assert decide(later, question, NOW) == first._replace(grant_revision=8)
    # An ended grant is another reason, whatever was kept of the same question.
    ended = warm._replace(grants=snapshot(warm.bundle, grant("g1", "agent", ends_at=NOW - DAY), revision=7).grants)
    assert decide(ended, question, NOW) == decide(made()._replace(grants=ended.grants), question, NOW)


def test_nothing_is_kept_under_a_name_that_a_caller_made_up():
    warm = made()
    for each in QUESTIONS:
        decide(warm, each, NOW)
    memory = Memory.of(warm.bundle)

    def size():
        return (
            len(memory.frames),
            len(memory.grounds),
            len(memory.help),
            sum(len(each.refusals) for each in memory.frames.values()),
        )

    before = size()
    for number in range(500):
        for question in (
            ask(f"f{number}", case_id="CS-1"),
            ask(f"f{number}", "name", case_id="CS-1", employee=NOBODY),
            ask("name", resource=f"crm.r{number}"),
            ask("name", purpose=f"p{number}"),
            ask("name", action=f"a{number}"),
            ask("name", tool=f"t{number}"),
            ask("name", case_id=f"c{number}", employee=KIM._replace(subject=f"e{number}")),
        ):
            assert not decide(warm, question, NOW).allow
    assert size() == before
