"""Explain, WhoCan and WhatCan on both fronts: why, who, what, now and in the past."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import grpc
import msgspec
import pytest
from e2e_asking import CASE, question, reason_of
from running import ROOT, Daemon, Stubs, serving

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.audit import frames
from munjigi.audit.reader import JournalReader
from munjigi.audit.records import AccessRecord, decode
from munjigi.grants.changes import grant_ended
from munjigi.kernel.grant import Grant
from munjigi.kernel.ids import parse_record_id
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import explain_pb2, policy_pb2, reach_pb2

CLI = "munjigi-cli"


def explained(daemon: Daemon, stubs: Stubs, decision_id: str, employee: str = "dpo.yoon") -> explain_pb2.ExplainResponse:
    return stubs.decision.Explain(explain_pb2.ExplainRequest(decision_id=decision_id), metadata=daemon.credentials(employee, CLI))


def who(daemon: Daemon, stubs: Stubs, employee: str = "dpo.yoon", **changes: object) -> reach_pb2.WhoCanResponse:
    asked = {"resource": "crm.member", "fields": ["phone"], "purpose": "inquiry", **changes}
    return stubs.decision.WhoCan(reach_pb2.WhoCanRequest(**asked), metadata=daemon.credentials(employee, CLI))


def test_a_past_decision_says_rule_role_path_resource_path_and_mask(daemon: Daemon, stubs: Stubs) -> None:
    answer = stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"))
    why = explained(daemon, stubs, answer.decision_id)
    assert (why.decision_id, why.employee, why.tool, why.case_id) == (answer.decision_id, "cs.kim", "crm-desk", CASE)
    assert (why.decision, why.reason, why.help) == (answer.decision, answer.reason, answer.help)
    assert (why.policy_revision, why.grant_revision) == (answer.policy_revision, answer.grant_revision)
    assert [each.field for each in why.fields] == list(answer.fields)
    assert why.policy_source
    assert why.asked_at == answer.valid_until - 60 * 10**9
    (phone,) = [each for each in why.fields if each.field.name == "phone"]
    assert phone.combination == "MOST_REVEALING_ALLOW"
    assert phone.field.rule in phone.summary
    (deciding,) = [each for each in phone.rules if each.standing == "DECIDES"]
    assert list(deciding.role_path) == ["g.cs.kim.cs_agent", "cs_agent"]
    assert list(deciding.resource_path) == ["crm.member.phone", "class:contact"]
    (outsiders,) = [each for each in phone.rules if not each.allow]
    assert (outsiders.standing, outsiders.condition) == ("CONDITION_FALSE", "r.ctx.principal_type != 'employee'")
    assert [(each.grant_id, each.standing) for each in why.grants] == [("g.cs.kim.cs_agent", "IN_FORCE")]


def test_an_explanation_has_the_same_bytes_each_time(daemon: Daemon, stubs: Stubs) -> None:
    for changes in ({}, {"fields": []}, {"fields": ["shoe_size"]}, {"resource": "010-1234-5678"}, {"case_id": ""}):
        answer = stubs.decision.Check(question(**changes), metadata=daemon.credentials("cs.kim"))
        found = {explained(daemon, stubs, answer.decision_id).SerializeToString(deterministic=True) for _ in range(3)}
        assert len(found) == 1
        assert b"010-1234" not in found.pop()


def test_a_default_deny_names_the_roles_that_would_and_their_owners(daemon: Daemon, stubs: Stubs) -> None:
    answer = stubs.decision.Check(question(fields=["name"]), metadata=daemon.credentials("new.oh"))
    why = explained(daemon, stubs, answer.decision_id, "new.oh")  # about oneself: free
    assert why.reason == "NO_GRANT"
    nearest = {each.role: each for each in why.fields[0].nearest}
    assert list(nearest["cs_agent"].owners) == ["cs.lee"]
    assert not nearest["cs_agent"].lacking
    assert nearest["cs_agent"].reason == "NO_GRANT"
    lacking = stubs.decision.Check(question(case_id=""), metadata=daemon.credentials("cs.kim"))
    assert explained(daemon, stubs, lacking.decision_id).command.startswith("munjigi check crm.member --fields name,phone ")


def test_a_new_question_is_a_recorded_probe_of_oneself_and_guarded_about_others(daemon: Daemon, stubs: Stubs) -> None:
    new = explain_pb2.ExplainRequest(new_question=explain_pb2.NewQuestion(question=question()))
    mine = stubs.decision.Explain(new, metadata=daemon.credentials("cs.kim"))
    assert mine.decision == pb.DECISION_ALLOW
    assert explained(daemon, stubs, mine.decision_id, "cs.kim") == mine
    new.new_question.employee = "cs.kim"
    new.new_question.tool = "crm-desk"
    theirs = stubs.decision.Explain(new, metadata=daemon.credentials("dpo.yoon", CLI))
    assert theirs.decision_id == ""
    assert theirs.fields == mine.fields
    with pytest.raises(grpc.RpcError) as refused:
        stubs.decision.Explain(new, metadata=daemon.credentials("mkt.park", CLI))
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("name", ["someone.else", "nobody"])
def test_p5_who_may_not_read_the_trail_learns_nothing_of_it(daemon: Daemon, stubs: Stubs, name: str) -> None:
    answer = stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"))
    unknown = f"{parse_record_id(answer.decision_id)[0]}-999999"
    texts = set()
    for decision_id in (answer.decision_id, unknown):
        with pytest.raises(grpc.RpcError) as refused:
            explained(daemon, stubs, decision_id, name)
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
        texts.add(refused.value.details())
    assert len(texts) == 1
    with pytest.raises(grpc.RpcError) as missing:
        explained(daemon, stubs, unknown)
    assert reason_of(missing.value) == (grpc.StatusCode.NOT_FOUND, "DECISION_NOT_FOUND")


def test_asking_about_oneself_is_explained_without_a_rule(daemon: Daemon, stubs: Stubs) -> None:
    answer = stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"))
    log_id, index = parse_record_id(answer.decision_id)
    explained(daemon, stubs, answer.decision_id, "cs.kim")
    why = explained(daemon, stubs, f"{log_id}-{index + 1}")
    assert (why.decision, why.reason, why.employee, list(why.fields)) == (pb.DECISION_ALLOW, "ABOUT_ONESELF", "cs.kim", [])


def test_who_can_lists_people_with_their_paths_by_page(daemon: Daemon, stubs: Stubs) -> None:
    found = who(daemon, stubs)
    assert [(each.employee, each.fields[0].effect, list(each.role_path)) for each in found.holders] == [
        ("cs.kim", pb.FIELD_EFFECT_MASKED, ["g.cs.kim.cs_agent", "cs_agent"]),
        ("cs.lee", pb.FIELD_EFFECT_CLEAR, ["g.cs.lee.cs_manager", "cs_manager"]),
    ]
    assert not any(each.conditional for each in found.holders)
    first = who(daemon, stubs, page_size=1)
    assert [each.employee for each in first.holders] == ["cs.kim"]
    second = who(daemon, stubs, page_size=1, page_token=first.next_page_token)
    assert [each.employee for each in second.holders] == ["cs.lee"]
    assert second.next_page_token == ""
    for changes in ({"page_token": first.next_page_token, "fields": ["name"]}, {"page_token": "eHh4"}, {"page_token": "é"}):
        with pytest.raises(grpc.RpcError) as refused:
            who(daemon, stubs, **changes)
        assert reason_of(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    assert who(daemon, stubs, purpose="curiosity").reason == "PURPOSE_UNKNOWN"
    with pytest.raises(grpc.RpcError) as refused:
        who(daemon, stubs, "cs.kim")
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_what_another_can_is_for_those_who_may_read_grants(daemon: Daemon, stubs: Stubs) -> None:
    own = stubs.decision.WhatCan(reach_pb2.WhatCanRequest(), metadata=daemon.credentials("cs.kim"))
    asked = reach_pb2.WhatCanRequest(employee="cs.kim", tool="crm-desk")
    theirs = stubs.decision.WhatCan(asked, metadata=daemon.credentials("dpo.yoon", CLI))
    assert theirs == own
    with pytest.raises(grpc.RpcError) as refused:
        stubs.decision.WhatCan(asked, metadata=daemon.credentials("mkt.park", CLI))
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(("at", "reason"), [(1, "HISTORY_NOT_KEPT"), (1 << 62, "TIME_IN_FUTURE")])
def test_p3_a_time_that_is_not_covered_has_no_answer(daemon: Daemon, stubs: Stubs, at: int, reason: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        who(daemon, stubs, at=at)
    assert reason_of(refused.value)[1] == reason
    with pytest.raises(grpc.RpcError) as refused:
        stubs.decision.WhatCan(reach_pb2.WhatCanRequest(at=at), metadata=daemon.credentials("cs.kim"))
    assert reason_of(refused.value)[1] == reason


def ended(daemon: Daemon, employee: str) -> None:
    """End the employee's grant in the store, and wait until the gateway knows."""
    store = SqliteStateStore(daemon.state_dir / "state.sqlite")
    had = next(grant for grant in store.load().grants if grant.employee.subject == employee)
    over = Grant(had.grant_id, had.employee, had.role, had.purpose, had.starts_at, time.time_ns(), had.approved_by)
    revision = store.apply([grant_ended(over)], at=time.time_ns(), actor="test", request_id="end")
    store.close()
    deadline = time.monotonic() + 10
    with daemon.channel() as channel:
        while who(daemon, Stubs(channel)).grant_revision < revision:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_the_past_is_decided_by_its_own_policy_and_grants_over_reload_revocation_and_restart(tmp_path: Path) -> None:
    home = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", home)
    rules = home / "policy.csv"
    environment = {"MUNJIGI_POLICY_HOME": str(home), "MUNJIGI_POLICY_WATCH_SECONDS": "0"}
    with serving(tmp_path / "var", **environment) as daemon, daemon.channel() as channel:
        stubs = Stubs(channel)
        answer = stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"))
        before = explained(daemon, stubs, answer.decision_id)
        then = time.time_ns()
        people = who(daemon, stubs)
        rules.write_text(rules.read_text() + "p, marketing_analyst, crm.member.phone, read, marketing, True, allow, partial\n")
        (home / "tests").rename(tmp_path / "tests")
        status = stubs.policy.ReloadPolicy(policy_pb2.ReloadPolicyRequest(), metadata=daemon.credentials("sec.han", CLI))
        assert status.policy_revision != before.policy_revision, status
        ended(daemon, "cs.kim")
        assert explained(daemon, stubs, answer.decision_id) == before
        assert [each.employee for each in who(daemon, stubs).holders] == ["cs.lee"]
        assert [each.employee for each in who(daemon, stubs, purpose="marketing").holders] == ["mkt.park"]
    with serving(tmp_path / "var", **environment) as daemon, daemon.channel() as channel:
        stubs = Stubs(channel)
        assert explained(daemon, stubs, answer.decision_id) == before  # byte for byte, by another process
        past = who(daemon, stubs, at=then)
        assert past.holders == people.holders
        assert (past.policy_revision, past.grant_revision) == (people.policy_revision, people.grant_revision)
        assert not who(daemon, stubs, at=then, purpose="marketing").holders
        was = stubs.decision.WhatCan(reach_pb2.WhatCanRequest(at=then), metadata=daemon.credentials("cs.kim"))
        assert "crm.member.phone" in {each.object for each in was.permissions}
        assert not stubs.decision.WhatCan(reach_pb2.WhatCanRequest(), metadata=daemon.credentials("cs.kim")).permissions
        forge(daemon.state_dir, answer.decision_id)
        with pytest.raises(grpc.RpcError) as refused:
            explained(daemon, stubs, answer.decision_id)
        assert reason_of(refused.value) == (grpc.StatusCode.DATA_LOSS, "EXPLANATION_DIFFERS")
        assert "rule" in refused.value.details()


def forge(state_dir: Path, decision_id: str) -> None:
    """Make the log itself tell another rule than the one that decided, with checksums that are right."""
    log_id, number = parse_record_id(decision_id)
    (path,) = (state_dir / "journal" / log_id).glob("*.seg")
    with JournalReader(path.parent) as reader:
        ((_, payload),) = reader.read(number, 1)
    record = decode(payload)
    assert isinstance(record, AccessRecord)
    record.rule = record.rule[:-1] + str((int(record.rule[-1]) + 1) % 10)
    before, after = frames.frame(frames.RECORD, payload), frames.frame(frames.RECORD, msgspec.msgpack.encode(record))
    assert len(before) == len(after)
    data = path.read_bytes()
    assert data.count(before) == 1
    with path.open("r+b") as file:
        file.seek(data.index(before))
        file.write(after)
