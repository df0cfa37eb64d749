"""SCIM through a running daemon, in the shapes that Entra ID and Okta document, and what becomes of people by it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import grpc
import psutil
import pytest
from running import Daemon, Stubs, free_port, serving

from munjigi_client._proto.munjigi.v1 import audit_pb2, decision_pb2
from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

TOKEN = "t" * 20 + "0123456789abcdef"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Answer(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]


class Provider:
    """An identity provider's side of the connection."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, method: str, path: str, body: object = None, token: str | None = TOKEN, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"content-type": "application/scim+json", **({"authorization": f"Bearer {token}"} if token else {})}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, f"/scim/v2{path}", content, sent)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return Answer(response.status, json.loads(data) if data else None, {k.lower(): v for k, v in response.getheaders()})

    def users(self, text: str, **more: object) -> list[str]:
        asked = "".join(f"&{name}={value}" for name, value in more.items())
        found = self("GET", f"/Users?filter={quote(text)}{asked}")
        assert found.status == 200, found.body
        return [each["id"] for each in found.body["Resources"]]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("scim")
    token = folder / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    port = free_port()
    with serving(
        folder / "var",
        MUNJIGI_WORKERS="2",
        MUNJIGI_SCIM_ADDRESS=f"127.0.0.1:{port}",
        MUNJIGI_SCIM_TOKEN_FILE=str(token),
    ) as daemon:
        daemon.environment["SCIM_PORT"] = str(port)
        yield daemon


@pytest.fixture(scope="module")
def provider(daemon: Daemon) -> Provider:
    return Provider(int(daemon.environment["SCIM_PORT"]))


@pytest.fixture(scope="module")
def stubs(daemon: Daemon):
    with daemon.channel() as channel:
        yield Stubs(channel)


def person(daemon: Daemon, stubs: Stubs, person_id: str) -> pb.Person:
    request = pb.GetPersonRequest(person_id=person_id)
    return stubs.grant.GetPerson(request, metadata=daemon.credentials("dpo.yoon", "munjigi-cli"), timeout=30).person


def entra(name: str, **more: object) -> dict[str, object]:
    """The body of Microsoft's tutorial, `Create User`."""
    return {
        "schemas": [CORE, ENTERPRISE],
        "externalId": f"0a21f0f2-8d2a-4f8e-bf98-{name}",
        "userName": f"Test_User_{name}",
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": "Test_User_fd0ea19b@testuser.example"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        "roles": [],
        **more,
    }


def test_a_user_as_entra_sends_one(daemon: Daemon, provider: Provider, stubs: Stubs):
    assert provider.users('userName eq "Test_User_e1"') == []
    made = provider("POST", "/Users", entra("e1", **{ENTERPRISE: {"department": "customer-service", "employeeNumber": "e.1"}}))
    assert (made.status, made.body["id"], made.body["active"]) == (201, "e.1", True), made
    assert made.headers["location"] == "/scim/v2/Users/e.1"
    assert made.headers["etag"] == made.body["meta"]["version"]
    assert "familyName" not in json.dumps(made.body)
    assert "emails" not in made.body
    again = provider("POST", "/Users", entra("e1"))
    assert (again.status, again.body["scimType"]) == (409, "uniqueness")
    assert again.body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert provider.users('userName eq "Test_User_e1"') == ["e.1"]
    assert provider.users('externalId eq "0a21f0f2-8d2a-4f8e-bf98-e1"') == ["e.1"]
    assert provider.users('externalId eq "0a21f0f2-8d2a-4f8e-bf98-e1" and active eq true') == ["e.1"]
    assert provider.users('userName eq "Test_User_e1" and active eq false') == []
    here = person(daemon, stubs, "e.1")
    assert (here.department, here.status) == ("customer-service", pb.PERSON_STATUS_ACTIVE)
    assert "Test_User_e1" in [each.subject for each in here.accounts]
    operations = [
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "updatedEmail@example.com"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "p.cs.lee"},
        {"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "fraud"},
        {"op": "Replace", "path": "externalId", "value": "renamed"},
    ]
    changed = provider("PATCH", "/Users/e.1", {"schemas": [PATCH], "Operations": operations})
    assert (changed.status, changed.body[ENTERPRISE]["manager"]) == (200, {"value": "p.cs.lee"}), changed
    assert provider.users('id eq "e.1" and manager eq "p.cs.lee"', attributes="id") == ["e.1"]
    assert provider.users('externalId eq "renamed"') == ["e.1"]
    assert provider.users('externalId eq "0a21f0f2-8d2a-4f8e-bf98-e1"') == []
    assert (person(daemon, stubs, "e.1").department, person(daemon, stubs, "e.1").manager) == ("fraud", "p.cs.lee")
    off = provider(
        "PATCH", "/Users/e.1", {"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]}
    )
    assert (off.status, off.body["active"]) == (200, False)
    assert person(daemon, stubs, "e.1").status == pb.PERSON_STATUS_LEFT
    assert provider("GET", "/Users/e.1").body["active"] is False
    assert provider("DELETE", "/Users/e.1").status == 204
    assert [provider(method, "/Users/e.1").status for method in ("GET", "DELETE")] == [404, 404]
    assert provider.users('userName eq "Test_User_e1"') == []
    anew = provider("POST", "/Users", entra("e1"))
    assert (anew.status, anew.body["id"]) == (201, "e.1")
    assert "familyName" not in daemon.text


def test_a_user_as_okta_sends_one(daemon: Daemon, provider: Provider, stubs: Stubs):
    body = {
        "schemas": [CORE],
        "userName": "test.user@okta.example",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": True, "value": "test.user@okta.example", "type": "work"}],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    assert provider.users('userName eq "test.user@okta.example"', startIndex=1, count=100) == []
    made = provider("POST", "/Users", body)
    where = f"/Users/{made.body['id']}"
    assert made.status == 201
    assert provider.users('userName eq "test.user@okta.example"', startIndex=1, count=100) == [made.body["id"]]
    put = provider(
        "PUT", where, {**body, "id": made.body["id"], "name": {"givenName": "Another"}, "meta": {"resourceType": "User"}}
    )
    assert (put.status, put.body) == (200, made.body)
    off = provider("PATCH", where, {"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": False}}]})
    assert (off.status, off.body["active"]) == (200, False)
    on = provider("PUT", where, {**body, "active": True})
    assert (on.status, on.body["active"]) == (200, True)
    assert person(daemon, stubs, made.body["id"]).status == pb.PERSON_STATUS_ACTIVE
    assert "1mz050nq" not in daemon.text


def allowed(daemon: Daemon, credentials: tuple[tuple[str, str], ...]) -> bool:
    """Ask over a connection of its own: any of the workers answers."""
    question = decision_pb2.CheckRequest(
        resource="crm.member", fields=["name"], purpose="inquiry", case_id="CS-2026-000123", member_ids=["1000001"]
    )
    with grpc.insecure_channel(daemon.grpc_address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            answer = Stubs(channel).decision.Check(question, metadata=credentials, timeout=30)
        except grpc.RpcError as error:
            if "session of this token has ended" not in error.details():
                raise
            return False
    return answer.decision == decision_pb2.DECISION_ALLOW


def test_p8_who_is_switched_off_in_the_directory_reads_nothing_on_any_worker(daemon: Daemon, provider: Provider, stubs: Stubs):
    taken = provider("POST", "/Users", {"userName": "cs.kim"})  # known by other ways, and the directory's from now on
    assert (taken.status, taken.body["id"], taken.body[ENTERPRISE]["department"]) == (201, "p.cs.kim", "customer-service")
    credentials = daemon.credentials("cs.kim")
    assert allowed(daemon, credentials)
    began = time.monotonic()
    assert provider("PATCH", "/Users/p.cs.kim", {"Operations": [{"op": "replace", "value": {"active": False}}]}).status == 200
    assert time.monotonic() - began < 5
    assert not any(allowed(daemon, credentials) for _ in range(12))
    request = audit_pb2.SearchRecordsRequest(event_type="permission.revoke", holder="cs.kim")
    found = stubs.audit.SearchRecords(request, metadata=daemon.credentials("dpo.yoon", "munjigi-cli"), timeout=30).records
    assert [(dict(each.content)["employee"], dict(each.content)["ended"]) for each in found] == [("munjigi.scim", "left")]


def test_who_is_made_inactive_has_left_and_may_come_later(daemon: Daemon, provider: Provider, stubs: Stubs):
    extension = {"employeeNumber": "e.later", "department": "fraud"}
    made = provider("POST", "/Users", {"userName": "later", "active": False, ENTERPRISE: extension})
    assert (made.status, made.body["active"]) == (201, False)
    assert person(daemon, stubs, "e.later").status == pb.PERSON_STATUS_LEFT
    assert provider("PUT", "/Users/e.later", {"userName": "later", "active": "true"}).body["active"] is True
    assert person(daemon, stubs, "e.later").department == "fraud"  # what a PUT leaves out stays
    emptied = provider("PUT", "/Users/e.later", {"userName": "later", ENTERPRISE: {"department": None}})
    assert (emptied.status, "department" in emptied.body[ENTERPRISE]) == (200, False)
    assert person(daemon, stubs, "e.later").department == ""


def test_versions_guard_changes(provider: Provider):
    made = provider("POST", "/Users", {"userName": "versioned", ENTERPRISE: {"employeeNumber": "e.v"}})
    old = made.headers["etag"]
    assert provider("GET", "/Users/e.v", if_none_match=old).status == 304
    move = {"Operations": [{"op": "add", "path": f"{ENTERPRISE}:department", "value": "fraud"}]}
    assert provider("PATCH", "/Users/e.v", move, if_match=old).status == 200
    assert provider("GET", "/Users/e.v", if_none_match=old).status == 200
    for method, body in (("PATCH", move), ("PUT", {"userName": "versioned"}), ("DELETE", None)):
        assert provider(method, "/Users/e.v", body, if_match=old).status == 412
    assert provider("DELETE", "/Users/e.v", if_match="*").status == 204


def test_pages(provider: Provider):
    for number in range(5):
        assert (
            provider("POST", "/Users", {"userName": f"page{number}", ENTERPRISE: {"employeeNumber": f"z.{number}"}}).status == 201
        )
    whole = provider("GET", "/Users").body
    assert whole["totalResults"] == len(whole["Resources"]) >= 5
    pages = [provider("GET", f"/Users?startIndex={start}&count=2").body for start in range(1, whole["totalResults"] + 1, 2)]
    assert [each["id"] for page in pages for each in page["Resources"]] == [each["id"] for each in whole["Resources"]]
    assert [page["itemsPerPage"] for page in pages[:-1]] == [2] * (len(pages) - 1)
    for asked, count in (("count=0", 0), ("count=-1", 0), ("startIndex=0&count=1", 1), ("startIndex=999999999999", 0)):
        page = provider("GET", f"/Users?{asked}").body
        assert (len(page["Resources"]), page["totalResults"]) == (count, whole["totalResults"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "scim_type"),
    [
        ("GET", "/Users?filter=userName%20sw%20%22x%22", None, 400, "invalidFilter"),
        ("GET", "/Users?filter=%28", None, 400, "invalidFilter"),
        ("GET", "/Users?count=many", None, 400, "invalidValue"),
        ("GET", "/Users/nobody", None, 404, ""),
        ("GET", "/Users/p.dba.jung", None, 404, ""),  # not the directory's
        ("GET", "/Groups", None, 404, ""),
        ("POST", "/Users", b"{", 400, "invalidSyntax"),
        ("POST", "/Users", b"", 400, "invalidSyntax"),
        ("POST", "/Users", [], 400, "invalidSyntax"),
        ("POST", "/Users", {"externalId": "x"}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "900101-1234567"}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "n", ENTERPRISE: {"employeeNumber": "no number"}}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "n", ENTERPRISE: {"department": "a\nb"}}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "n" * 300}, 400, "invalidValue"),
        ("POST", "/Users", b"[" * 100_000, 400, "invalidSyntax"),
        ("POST", "/Users", b" " * 300_000, 413, ""),
        ("PUT", "/Users/nobody", {"userName": "x"}, 404, ""),
        ("PATCH", "/Users/nobody", {"Operations": [{"op": "remove", "path": "externalId"}]}, 404, ""),
        ("PATCH", "/Users/e.o", {"Operations": [{"op": "replace", "path": "nickname2", "value": "x"}]}, 400, "invalidPath"),
        ("PATCH", "/Users/e.o", {"Operations": [{"op": "remove"}]}, 400, "noTarget"),
        ("PATCH", "/Users/e.o", {"Operations": [{"op": "replace", "path": "userName", "value": "other"}]}, 400, "mutability"),
        ("PATCH", "/Users/e.o", {"Operations": [{"op": "replace", "path": "externalId", "value": "ext"}]}, 409, "uniqueness"),
        ("DELETE", "/Users", None, 405, ""),
        ("POST", "/Bulk", {}, 405, ""),
    ],
)
def test_what_can_not_be_done_is_said_as_scim_says_it(
    daemon: Daemon, provider: Provider, method: str, path: str, body: object, status: int, scim_type: str
):
    provider("POST", "/Users", {"userName": "one", ENTERPRISE: {"employeeNumber": "e.o"}})
    provider("POST", "/Users", {"userName": "two", "externalId": "ext", ENTERPRISE: {"employeeNumber": "e.t"}})
    answer = provider(method, path, body)
    assert (answer.status, answer.body.get("scimType", ""), answer.body["status"]) == (status, scim_type, str(status)), answer
    assert answer.headers["content-type"] == "application/scim+json"
    assert "900101" not in json.dumps(answer.body) + daemon.text


def test_p3_without_the_token_there_is_nothing(daemon: Daemon, provider: Provider, stubs: Stubs):
    for token in (None, "wrong", TOKEN + "x", TOKEN[:-1], "t" * 10_000):
        refused = provider("GET", "/Users", token=token)
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert provider("GET", "/Users", token=None, Authorization=f"Basic {TOKEN}").status == 401
    for path in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Users/p.cs.kim", "/nothing"):
        assert provider("GET", path, token="no").status == 401
    request = audit_pb2.SearchRecordsRequest(event_type="identity.failure")
    found = stubs.audit.SearchRecords(request, metadata=daemon.credentials("dpo.yoon", "munjigi-cli"), timeout=30).records
    assert {"SCIM_TOKEN_MISSING", "SCIM_TOKEN_WRONG"} <= {dict(each.content)["reason"] for each in found}
    assert TOKEN not in daemon.text


def test_documents_say_what_is_possible(provider: Provider):
    config = provider("GET", "/ServiceProviderConfig").body
    assert [config[name]["supported"] for name in ("patch", "filter", "etag", "bulk", "sort", "changePassword")] == [
        *(True, True, True, False, False, False)
    ]
    assert provider("GET", "/ResourceTypes").body["Resources"][0]["schema"] == CORE
    schemas = provider("GET", "/Schemas").body["Resources"]
    assert [each["id"] for each in schemas] == [CORE, ENTERPRISE]
    assert provider("GET", f"/Schemas/{ENTERPRISE}").body == schemas[1]
    assert provider("GET", "/ResourceTypes/User").body["endpoint"] == "/Users"


def _wait_stopped(pid: int) -> None:
    """Wait until each thread stands: one that does not yet would still learn of a child's end."""
    deadline = time.monotonic() + 30
    while any(path.read_text().rpartition(") ")[2][0] != "T" for path in Path(f"/proc/{pid}/task").glob("*/stat")):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_dead_first_worker_leaves_the_directory_to_the_other_and_is_started_again(daemon: Daemon, provider: Provider):
    assert daemon.process is not None
    first = daemon.workers()[0]
    os.kill(daemon.process.pid, signal.SIGSTOP)  # so that it is not started again yet
    try:
        _wait_stopped(daemon.process.pid)
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while True:
            try:
                made = provider("POST", "/Users", {"schemas": [CORE], "userName": "taken.over"})
                break
            except OSError:  # a connection that the dead one had
                assert time.monotonic() < deadline
        assert made.status == 201, made.body
        assert psutil.Process(first).status() == psutil.STATUS_ZOMBIE
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
    assert '"slot": 0' in daemon.wait_for("a worker ended and is started again")
    deadline = time.monotonic() + 60
    while len(daemon.workers()) < 2 or daemon.workers()[0] == first:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for _ in range(6):  # whoever answers
        assert provider.users('userName eq "taken.over"') == [made.body["id"]]
