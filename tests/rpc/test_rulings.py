"""What stands is found again, and only that (promise P2)."""

from __future__ import annotations

from decision.builders import KIM, NOW, P, ask, grant, make_bundle, snapshot

from munjigi.decision.core import decide
from munjigi.kernel.references import NameDigests
from munjigi.policy.calendar import MINUTE
from munjigi.rpc.answers import Answer
from munjigi.rpc.forms import Form
from munjigi.rpc.recording import access_record
from munjigi.rpc.rulings import Rulings
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

BUNDLE = make_bundle([P("agent", "crm.member.name")], [])
GRANT = grant("g", "agent", "inquiry", KIM)
DIGESTS = NameDigests(bytes(32))


FORMS = {}


def question(request):
    employee, tool, *rest, case_id, subjects, ip, _probe, _partial, sign_in = request
    asked = pb.CheckRequest(**dict(zip(("resource", "fields", "action", "purpose"), rest, strict=True)))
    form = FORMS.setdefault(asked.SerializeToString(), Form(asked.SerializeToString(), asked))
    return (employee, tool, form, ip, subjects, case_id != "", sign_in)


def rule(rulings, shot, request, now=NOW):
    decision = decide(shot, request, now)
    record = access_record(request, decision, shot, DIGESTS)
    return rulings.rule(shot, question(request), request, decision, record, Answer.of(pb.CheckResponse(), "log"), None, now)


def test_p2_a_ruling_is_found_while_it_stands():
    rulings, shot, request = Rulings(), snapshot(BUNDLE, GRANT), ask("name")
    assert rulings.find(shot, question(request), NOW) is None
    made = rule(rulings, shot, request)
    assert rulings.find(shot, question(request), NOW) is made
    assert rulings.find(shot, question(request), made.until - 1) is made
    assert rulings.find(shot, question(request), made.until) is None
    assert rulings.find(shot, question(request), NOW - 1) is None  # the clock was set back
    assert rulings.find(shot, question(ask("phone")), NOW) is None


def test_p2_another_snapshot_forgets_everything():
    rulings, shot, request = Rulings(), snapshot(BUNDLE, GRANT), ask("name")
    rulings.find(shot, question(request), NOW)
    rule(rulings, shot, request)
    equal = snapshot(BUNDLE, GRANT)
    assert rulings.find(equal, question(request), NOW) is None
    assert rulings.find(shot, question(request), NOW) is None


def test_names_that_callers_make_up_are_not_kept():
    rulings, shot = Rulings(), snapshot(BUNDLE, GRANT)
    rulings.find(shot, question(ask("name")), NOW)
    for request in (ask("made_up"), ask(resource="made.up"), ask("name", purpose="made_up"), ask("name", action="made_up")):
        rule(rulings, shot, request)
        assert rulings.find(shot, question(request), NOW) is None
    for number in range(5_000):
        rule(rulings, shot, ask("name", subjects=number))
    assert 0 < len(rulings._standing) <= 2_048
    assert len(rulings.forms._kept) == 1


def test_a_denial_that_names_people_to_ask_is_answered_anew_within_a_minute():
    rulings, asked = Rulings(calendar=False), ask("name")
    assert rule(rulings, snapshot(BUNDLE), asked).until - NOW <= MINUTE  # deputies stand in for a time, too
    assert rule(rulings, snapshot(BUNDLE, GRANT), asked).until == GRANT.ends_at
