"""Employees of a real OpenID provider: found by its issuer alone, believed for what they are and nothing more."""

from __future__ import annotations

import queue
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import grpc
import jwt
import pytest
from e2e_asking import question, reason_of
from running import Stubs
from signin.company import Company
from signin.keycloak import Browser, Keycloak

from munjigi.app.config import Settings
from munjigi.cli.doctor_provider import provider
from munjigi_client._proto.munjigi.v1 import audit_pb2, reach_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def refused(company: Company, token: str, tool: str = "crm-desk") -> str:
    with pytest.raises(grpc.RpcError) as error:
        company.check(token, tool)
    code, reason = reason_of(error.value)
    assert code == grpc.StatusCode.UNAUTHENTICATED
    assert "eyJ" not in error.value.details()
    return reason


def test_a_token_of_rfc_9068_is_its_employees_and_its_tools(company: Company, keycloak: Keycloak) -> None:
    token = keycloak.sign_in("cs.kim").access
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert company.check(token).decision == pb.DECISION_ALLOW
    assert refused(company, token, "munjigi-cli") == "TOKEN_OTHER_TOOL"  # `azp` names the tool it was issued to


def test_other_tokens_of_the_same_provider_are_refused(company: Company, keycloak: Keycloak) -> None:
    tokens = keycloak.sign_in("cs.kim")
    assert refused(company, tokens["id_token"]) == "TOKEN_TYPE"
    assert refused(company, keycloak.sign_in("cs.kim", "elsewhere").access) == "TOKEN_AUDIENCE"
    assert refused(company, keycloak.sign_in("cs.kim", "legacy-desk").access) == "TOKEN_TYPE"  # plain `JWT`, not configured here


def test_roles_and_groups_of_the_provider_give_nothing(company: Company, keycloak: Keycloak) -> None:
    """A claim is the provider's word about its own world; access comes from a grant that someone here approved."""
    before = keycloak.sign_in("new.oh").access
    assert company.check(before).reason == "NO_GRANT"
    roles = keycloak.administer("GET", "/roles")
    keycloak.administer("POST", "/users/new.oh/role-mappings/realm", [{"id": each["id"], "name": each["name"]} for each in roles])
    for group in keycloak.administer("GET", "/groups"):
        keycloak.administer("PUT", f"/users/new.oh/groups/{group['id']}")
    try:
        after = keycloak.sign_in("new.oh").access
        assert {"cs_agent", "cs_manager"} <= set(claims(after)["realm_access"]["roles"])
        assert "cs_manager" in claims(after)["groups"]
        answers = [company.check(token) for token in (before, after)]
        assert {(answer.decision, answer.reason) for answer in answers} == {(pb.DECISION_DENY, "NO_GRANT")}
        with company.channel() as over:
            held = Stubs(over).decision.WhatCan(
                reach_pb2.WhatCanRequest(), metadata=(("authorization", f"Bearer {after}"),), timeout=30
            )
        assert not held.permissions
    finally:
        keycloak.administer("DELETE", "/users/new.oh/role-mappings/realm", roles)


def test_a_sensitive_class_sends_the_employee_to_a_stronger_sign_in(company: Company, keycloak: Keycloak) -> None:
    browser = Browser()
    plain = keycloak.sign_in("cs.lee", browser=browser).access
    denied = company.check(plain, fields=["name", "address"])
    assert (denied.decision, denied.reason) == (pb.DECISION_DENY, "STEP_UP_REQUIRED")
    assert [(field.name, field.reason) for field in denied.fields] == [("name", "GRANTED"), ("address", "STEP_UP_REQUIRED")]
    (duty,) = denied.obligations
    assert (duty.kind, duty.field, list(duty.step_up.acr_values), duty.step_up.max_age_seconds) == (
        pb.OBLIGATION_KIND_STEP_UP,
        "address",
        ["strong"],
        900,
    )
    assert duty.step_up.challenge.startswith('Bearer error="insufficient_user_authentication"')
    wishes = {"acr_values": duty.step_up.acr_values[0], "max_age": str(duty.step_up.max_age_seconds)}
    strong = keycloak.sign_in("cs.lee", browser=browser, **wishes).access  # asks for the password again
    assert claims(strong)["sid"] == claims(plain)["sid"]
    assert company.check(strong, fields=["name", "address"]).decision == pb.DECISION_ALLOW
    auditor = keycloak.sign_in("dpo.yoon", "munjigi-cli").access
    with company.channel("munjigi-cli") as over:
        asked = audit_pb2.SearchRecordsRequest(decision_id=denied.decision_id)
        found = Stubs(over).audit.SearchRecords(asked, metadata=(("authorization", f"Bearer {auditor}"),), timeout=30)
    (record,) = found.records
    assert (record.content["acr"], record.content["reason"]) == ("plain", "STEP_UP_REQUIRED")


def test_a_sign_out_at_the_provider_ends_the_session_here_and_only_that(company: Company, keycloak: Keycloak) -> None:
    """The provider is answered when it is so: the very next call is refused, before the token runs out."""
    here, elsewhere = keycloak.sign_in("cs.kim"), keycloak.sign_in("cs.kim")
    fresh = keycloak.refreshed(here)
    for tokens in (here, fresh, elsewhere):
        assert company.check(tokens.access).decision == pb.DECISION_ALLOW
    bearer = (("authorization", f"Bearer {fresh.access}"),)
    with company.channel() as over:
        answers: queue.SimpleQueue[pb.CheckStreamRequest | None] = queue.SimpleQueue()
        stream = Stubs(over).decision.CheckStream(iter(answers.get, None), metadata=bearer, timeout=60)
        answers.put(pb.CheckStreamRequest(id="1", check=question()))
        assert next(stream).response.decision == pb.DECISION_ALLOW
        keycloak.sign_out(fresh)
        answers.put(pb.CheckStreamRequest(id="2", check=question()))  # an open stream, too
        with pytest.raises(grpc.RpcError) as error:
            next(stream)
        assert reason_of(error.value) == (grpc.StatusCode.UNAUTHENTICATED, "SESSION_ENDED")
        answers.put(None)
    for _ in range(6):  # new connections, to both workers
        assert refused(company, here.access) == refused(company, fresh.access) == "SESSION_ENDED"
    assert company.check(elsewhere.access).decision == pb.DECISION_ALLOW
    assert company.check(keycloak.sign_in("cs.kim").access).decision == pb.DECISION_ALLOW
    auditor = keycloak.sign_in("dpo.yoon", "munjigi-cli").access
    with company.channel("munjigi-cli") as over:
        asked = audit_pb2.SearchRecordsRequest(event_type="identity.session_ended")
        found = Stubs(over).audit.SearchRecords(asked, metadata=(("authorization", f"Bearer {auditor}"),), timeout=30)
    record = found.records[0].content
    assert (record["holder"], record["provider_session"]) == ("cs.kim", claims(here.access)["sid"])


def test_whatever_else_reaches_the_logout_address_is_refused(company: Company, keycloak: Keycloak) -> None:
    token = keycloak.sign_in("cs.lee").access
    for body in (b"", b"logout_token=a.b.c", b"logout_token=" + token.encode(), b"x" * 100_000, b"logout_token=a&logout_token=b"):
        with pytest.raises(urllib.error.HTTPError) as answer:
            urllib.request.urlopen(company.logout_url, body, timeout=30)
        with answer.value as refusal:
            assert refusal.code == 400
            assert b"eyJ" not in refusal.read()
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(company.logout_url, timeout=30)
    with answer.value as refusal:
        assert refusal.code == 405
    assert company.check(token).decision == pb.DECISION_ALLOW


def test_the_doctor_finds_the_provider_by_its_issuer_alone(keycloak: Keycloak) -> None:
    found = list(provider(Settings(identity="oidc", oidc_issuer=keycloak.issuer)))
    assert [(each.result, "usable keys" in each.found) for each in found] == [("ok", True), ("warn", False)]


def test_keys_rotate_under_load_and_only_the_one_refetch_is_noticed(company: Company, keycloak: Keycloak) -> None:
    """Signed by the old key: not one call fails. By the new one: refused only until the key set was fetched again."""
    old = keycloak.sign_in("cs.lee").access
    with company.channel() as over:
        stubs = Stubs(over)

        def ask(token: str) -> str:
            try:
                stubs.decision.Check(question(), metadata=(("authorization", f"Bearer {token}"),), timeout=30)
            except grpc.RpcError as error:
                return reason_of(error)[1]
            return ""

        assert ask(old) == ""
        stop = threading.Event()
        outcomes: list[str] = []

        def load() -> None:
            while not stop.is_set():
                outcomes.append(ask(old))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        keycloak.rotate_keys()
        new = keycloak.sign_in("cs.lee").access
        assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
        first = ask(new)
        began = time.monotonic()
        while (last := ask(new)) and time.monotonic() - began < 10:
            assert last == "KEY_UNKNOWN"  # and never TOO_MANY_FAILURES: who waits for a key has done nothing wrong
            time.sleep(0.01)
        took = time.monotonic() - began
        stop.set()
        for thread in threads:
            thread.join()
    assert (first, last) == ("KEY_UNKNOWN", "")
    assert took < 5
    assert len(outcomes) > 20
    assert set(outcomes) == {""}
    _until_every_worker_knows(company, new)


def _until_every_worker_knows(company: Company, token: str) -> None:
    """Ask over new connections until eight in a row are taken: each worker fetches the keys for itself, once."""
    passed, deadline = 0, time.monotonic() + 60
    while passed < 8 and time.monotonic() < deadline:
        try:
            company.check(token)
            passed += 1
        except grpc.RpcError as error:
            if reason_of(error)[1] != "KEY_UNKNOWN":
                raise
            passed = 0
            time.sleep(0.05)
    assert passed == 8
