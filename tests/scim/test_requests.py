"""What SCIM's requests are read as: filters, paths and values, and that nothing else than our errors comes of them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.adapters.scim.filters import Term, parse_filter
from munjigi.adapters.scim.patching import patched
from munjigi.adapters.scim.refusals import Refused
from munjigi.adapters.scim.users import CORE, ENTERPRISE, User, user_of

KIM = User("kim@example.com", "00u1", True, "cs", "e.9", "e.1")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ('userName eq "test.user@okta.local"', (Term("user_name", "test.user@okta.local"),)),
        ('externalid EQ "0a21f0f2-8d2a"', (Term("external_id", "0a21f0f2-8d2a"),)),
        (f'{CORE}:userName eq "a \\"b\\" and c"', (Term("user_name", 'a "b" and c'),)),
        ('id eq "54D382A4" and manager eq "2819c223"', (Term("id", "54D382A4"), Term("manager", "2819c223"))),
        (f'id eq "1" AND {ENTERPRISE}:manager.value eq "2"', (Term("id", "1"), Term("manager", "2"))),
        ('active eq true and userName eq "x"', (Term("active", True), Term("user_name", "x"))),
        ('active eq "False"', (Term("active", False),)),
        ('userName eq "\\uD55C"', (Term("user_name", "한"),)),
    ],
)
def test_filters(text: str, terms: tuple[Term, ...]):
    assert parse_filter(text) == terms


@pytest.mark.parametrize(
    "text",
    [
        *("userName", "userName eq", "userName eq kim", "userName eq 'kim'", 'userName co "k"', "userName pr", "userName eq 1"),
        *('emails[type eq "work"]', 'emails.value eq "x"', 'not (userName eq "x")', 'userName eq "x" or id eq "y"', 'active eq "maybe"'),
        *('userName eq "x" and', 'and userName eq "x"', 'userName eq "x', 'userName eq "\\q"', 'password eq "x"'),
        *('(userName eq "x")', 'userName eq "x" junk', 'userName eq "' + "x" * 3000 + '"', "userName eq null", "\x00", "active eq 1"),
    ],
)  # fmt: skip
def test_a_filter_that_is_none_is_refused_by_its_name(text: str):
    with pytest.raises(Refused) as caught:
        parse_filter(text)
    assert caught.value.scim_type in ("invalidFilter", "invalidValue")


def ops(*operations: Any) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}


@pytest.mark.parametrize(
    ("operations", "changes"),
    [
        # Okta
        ([{"op": "replace", "value": {"active": False}}], {"active": False}),
        # Entra ID
        ([{"op": "Replace", "path": "active", "value": "False"}], {"active": False}),
        ([{"op": "Add", "path": "active", "value": "True"}], {}),
        ([{"op": "Replace", "path": 'emails[type eq "work"].value', "value": "a@b.example"}], {}),
        ([{"op": "Add", "path": 'addresses[type eq "work"].streetAddress', "value": "x"}], {}),
        ([{"op": "Replace", "path": "name.familyName", "value": "x"}, {"op": "Add", "path": "displayName", "value": "x"}], {}),
        ([{"op": "Replace", "path": "externalId", "value": [{"$ref": None, "value": "00u2"}]}], {"external_id": "00u2"}),
        ([{"op": "Add", "path": f"{ENTERPRISE}:department", "value": " 고객상담 "}], {"department": "고객상담"}),
        ([{"op": "Add", "path": f"{ENTERPRISE}:manager", "value": [{"$ref": "../Users/e.2", "value": "e.2"}]}], {"manager": "e.2"}),
        ([{"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "e.2"}], {"manager": "e.2"}),
        ([{"op": "Remove", "path": f"{ENTERPRISE}:manager"}], {"manager": ""}),
        ([{"op": "remove", "path": "externalId", "value": "ignored"}], {"external_id": ""}),
        (
            [{"op": "Add", "value": {f"{ENTERPRISE}:department": "fraud", "name.givenName": "x", "active": "False", "custom": 1}}],
            {"department": "fraud", "active": False},
        ),
        ([{"op": "replace", "value": {ENTERPRISE: {"manager": {"value": "e.3"}, "costCenter": "1"}}}], {"manager": "e.3"}),
        ([{"op": "replace", "path": ENTERPRISE, "value": {"department": None}}], {"department": ""}),
    ],
)  # fmt: skip
def test_patches_in_the_shapes_of_providers(operations: list[Any], changes: dict[str, Any]):
    assert patched(KIM, ops(*operations)) == KIM._replace(**changes)


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "replace", "path": "nosuch", "value": 1}, "invalidPath"),
        ({"op": "replace", "path": "active.sub", "value": True}, "invalidPath"),
        ({"op": "replace", "path": 'active[type eq "work"]', "value": True}, "invalidPath"),
        ({"op": "replace", "path": "urn:example:2.0:User:tag", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": 'emails[type eq "work"', "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": "emails[type foo]", "value": "x"}, "invalidFilter"),
        ({"op": "replace", "path": 7, "value": "x"}, "invalidPath"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
        ({"op": "replace", "path": "active", "value": None}, "invalidValue"),
        ({"op": "replace", "path": "active"}, "invalidValue"),
        ({"op": "replace", "path": "userName", "value": ["a", "b"]}, "invalidValue"),
        ({"op": "replace", "path": "userName", "value": "x" * 200}, "invalidValue"),
        ({"op": "replace", "value": "x"}, "invalidValue"),
        ({"op": "move", "path": "active", "value": True}, "invalidSyntax"),
        ({"path": "active", "value": True}, "invalidSyntax"),
        ("replace", "invalidSyntax"),
    ],
)
def test_a_patch_that_can_not_be_is_refused(operation: Any, scim_type: str):
    with pytest.raises(Refused) as caught:
        patched(KIM, ops(operation))
    assert caught.value.scim_type == scim_type


@pytest.mark.parametrize("body", [None, [], {}, {"Operations": {}}, {"Operations": []}, {"Operations": [{"op": "add"}] * 101}])
def test_a_body_without_operations_is_no_patch(body: Any):
    with pytest.raises(Refused) as caught:
        patched(KIM, body)
    assert caught.value.scim_type == "invalidSyntax"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
)
NAMES = st.sampled_from(
    ["userName", "active", "externalId", ENTERPRISE, f"{ENTERPRISE}:manager", "emails", "id", "", "x[", "op", "value"]
)


@given(
    body=st.dictionaries(NAMES, JSON),
    path=NAMES | st.text(max_size=20),
    value=JSON,
    op=st.sampled_from(["add", "Replace", "remove"]),
)
def test_untrusted_input_raises_our_errors_only(body: Any, path: str, value: Any, op: str):
    for attempt in (
        lambda: user_of(body),
        lambda: patched(KIM, body),
        lambda: patched(KIM, ops({"op": op, "path": path, "value": value})),
        lambda: parse_filter(path),
        lambda: parse_filter(f'userName eq "{path}"'),
    ):
        with contextlib.suppress(Refused):
            attempt()
