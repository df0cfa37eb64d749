"""The catalogue covers every field of every record, and the mapping every name of every document."""

from __future__ import annotations

import hashlib
import typing
from base64 import b64decode
from typing import Any

import msgspec
import pytest
from audit.support import START, access, confirm
from hypothesis import given
from hypothesis import strategies as st

from munjigi.audit import permission_records, records
from munjigi.audit.ports import RecordQuery
from munjigi.audit.record import Record
from munjigi.audit.records import AccessRecord, decode, encode
from munjigi.audit.review_records import ReportFile
from munjigi.audit.schema import catalogue
from munjigi.audit.schema.catalogue import COMMON, EVENTS, FIELDS, SEARCHED, Event, Field, fields_of
from munjigi.audit.schema.ecs import document, index_template
from munjigi.audit.schema.ocsf import ocsf
from munjigi.kernel.access_request import Vote
from munjigi.kernel.errors import AuditUnavailable, Corruption
from munjigi.kernel.grant import Delegation, Fact, Grant, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Default, ItemVote, Limits, Override, Result, ReviewItem, Schedule

LOG = "a" * 20
_names = st.text(alphabet="abcdefgh.-_", min_size=1, max_size=8)
_times = st.integers(1, 2**63 - 1)
_shares = st.floats(0, 1)
_words = st.sampled_from(["keep", "reduce", "revoke", "suspend"])
_keys = st.builds(EmployeeKey, _names, _names)
_item_votes = st.builds(ItemVote, _names, _names, _names, _names, _words, _names, _times, st.integers(0, 10**12), st.booleans())
_scopes = st.none() | st.builds(Scope, st.just(("crm.member.*",)), st.just(()))
_grants = st.builds(Grant, _names, _keys, _names, _names, _times, _times, st.just(("lee",)), _scopes)
_items = st.builds(
    ReviewItem,
    _names,
    st.integers(0, 9),
    _names,
    votes=st.lists(_item_votes, max_size=2).map(tuple),
    before=st.none() | _grants,
    applied_at=_times,
    undone_at=_times,
)


def any_record(event: Event) -> st.SearchStrategy[bytes]:
    """The bytes of any record of this type, every field of it likely to be given."""
    overrides: dict[str, Any] = {
        "index": st.just(7),
        "time": st.integers(START, START + 10**18),
        "ip": st.sampled_from(["10.1.2.3", "2001:db8::1", "local", "unknown"]),
        "peer": st.sampled_from(["10.1.2.3", "2001:db8::1", "local", "unknown"]),
        "starts_at": _times,
        "ends_at": _times,
        "valid_until": _times,
        "sessions_from": _times,
        "made_at": _times,
        "lapses_at": _times,
        "delegations": st.lists(st.builds(Delegation, _names, _times, _times), max_size=2).map(tuple),
        "votes": st.lists(
            st.builds(Vote, st.integers(0, 5), _names, _names, _names, _names, st.booleans(), _names, _times), max_size=2
        ).map(tuple),
        "asked_at": _times,
        "backup_time": _times,
        "restored_at": _times,
        "logs": st.lists(st.builds(records.RestoredLog, _names, st.integers(0, 9), st.integers(0, 9)), max_size=2).map(tuple),
        "subject_count": st.integers(1, 1000),
        "facts": st.lists(st.builds(Fact, _names, _times, _times, _names, _times), max_size=2).map(tuple),
        "schedule": st.builds(Schedule, _times, st.lists(_times, max_size=2).map(tuple), _times, _times, _times),
        "limits": st.builds(Limits, _shares, _shares, _shares, st.integers(0, 10**15), _shares),
        "defaults": st.lists(st.builds(Default, _names, _words), max_size=2).map(tuple),
        "overrides": st.lists(st.builds(Override, _names, _names, _names, _names, _times), max_size=2).map(tuple),
        "words": st.lists(st.builds(Override, _names, _names, _names, _names, _times), max_size=2).map(tuple),
        "items": st.lists(_items, min_size=1, max_size=2).map(tuple),
        "result": st.none() | st.builds(Result, st.integers(0, 10**9), st.integers(0, 10**9), _names),
        **dict.fromkeys(("cutoff", "opened_at", "canary_at", "closed_at", "expires_at", "approved_at", "unknown_from"), _times),
    }
    hints = typing.get_type_hints(event.record)
    simple: dict[Any, st.SearchStrategy[Any]] = {str: _names, int: st.integers(0, 2**63 - 1)}
    given = {
        name: overrides[name] if name in overrides else simple[kind] if kind in simple else st.from_type(kind)
        for name, kind in hints.items()
        if not name.startswith("__")
    }
    return st.builds(event.record, **given).map(encode)


def mapped(properties: dict[str, Any], before: str = "") -> dict[str, str]:
    """Every name of a mapping with its type."""
    found = {}
    for name, each in properties.items():
        if "properties" in each:
            found |= mapped(each["properties"], f"{before}{name}.")
        else:
            found[before + name] = each["type"]
    return found


def leaves(content: dict[str, Any], before: str = "") -> dict[str, list[object]]:
    """Every name of a document with its values."""
    found: dict[str, list[object]] = {}
    for name, value in content.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, dict):
                for inner, values in leaves(each, f"{before}{name}.").items():
                    found.setdefault(inner, []).extend(values)
            else:
                found.setdefault(before + name, []).append(each)
    return found


_MAPPING: dict[str, Any] = typing.cast("dict[str, Any]", index_template("x-*"))["template"]["mappings"]
MAPPED = mapped(_MAPPING["properties"])
PYTHON = {"keyword": str, "ip": str, "date_nanos": str, "binary": str, "long": int, "double": float, "boolean": bool}


def test_every_record_type_has_one_event() -> None:
    assert [each.record for each in EVENTS] == list(typing.get_args(records.AnyRecord))
    assert len({each.name for each in EVENTS}) == len(EVENTS)


def test_every_field_of_every_record_is_mapped_and_no_other() -> None:
    used = {field.name for event in EVENTS for field, _ in fields_of(event)}
    assert used == set(FIELDS)
    assert all(field.stored and field.meaning for field in (*FIELDS.values(), *COMMON))


def test_objects_name_every_part() -> None:
    kinds = {
        "fields": records.FieldRecord,
        "scope": Scope,
        "accounts": EmployeeKey,
        "result": Result,
        "facts": Fact,
        "delegations": Delegation,
        "votes": Vote,
        "logs": records.RestoredLog,
        "schedule": Schedule,
        "limits": Limits,
        "defaults": Default,
        "overrides": Override,
        "words": Override,
        "items": ReviewItem,
        "report_files": ReportFile,
    }
    assert set(kinds) == {each.name for each in FIELDS.values() if each.kind == "object"}
    for name, kind in kinds.items():
        assert [part.name for part in FIELDS[name].parts] == list(typing.get_type_hints(kind))
    inner = {part.name: part for part in FIELDS["items"].parts}
    before = {part.name: part for part in inner["before"].parts}
    of_parts = ((inner["votes"], ItemVote), (inner["before"], Grant), (before["employee"], EmployeeKey), (before["scope"], Scope))
    for part, kind in of_parts:
        assert [each.name for each in part.parts] == list(typing.get_type_hints(kind))


def test_a_field_that_the_catalogue_lacks_is_found() -> None:
    class New(Record, tag="new.kind"):
        surprise: str = ""

    with pytest.raises(KeyError, match="surprise"):
        fields_of(Event(New, "database", lambda _: ("success", ())))


def test_no_name_of_the_index_is_shared_within_a_record_or_has_two_types() -> None:
    for event in EVENTS:
        names = [name for field, _ in fields_of(event) for name in field.stored.split()]
        names += [name for field in COMMON for name in field.stored.split()]
        assert len(set(names)) == len(names), event.name
    types: dict[str, set[str]] = {}
    for field in (*FIELDS.values(), *(each for event in EVENTS for each in event.special)):
        for name in field.stored.split():
            types.setdefault(name, set()).add(catalogue.type_of(field, name))
    assert {name: kinds for name, kinds in types.items() if len(kinds) > 1} == {}


def test_template_is_strict() -> None:
    template = typing.cast("dict[str, Any]", index_template("munjigi-audit-*"))
    assert template["index_patterns"] == ["munjigi-audit-*"]
    assert template["template"]["mappings"]["dynamic"] == "strict"
    assert MAPPED["@timestamp"] == "date_nanos"
    assert MAPPED["source.ip"] == "ip"
    assert MAPPED["munjigi.fields.grants"] == "keyword"


each_event = pytest.mark.parametrize(
    "event",
    [
        pytest.param(event, id=event.name, marks=[pytest.mark.no_cover] if number else [])  # the same lines for each
        for number, event in enumerate(EVENTS)
    ],
)


@each_event
@given(data=st.data())
def test_every_document_fits_the_mapping_and_loses_nothing(event: Event, data: st.DataObject) -> None:
    payload = data.draw(any_record(event))
    record = decode(payload)
    made = document(LOG, 7, payload)
    found = leaves(made)
    for name, values in found.items():
        assert name in MAPPED
        assert all(type(value) is PYTHON[MAPPED[name]] for value in values), name
    for field, default in fields_of(event):
        value = getattr(record, field.name)
        if value not in (default, ()):
            assert set(field.stored.split()) & set(made), field.name
    assert [b64decode(str(each)) for each in found["event.original"]] == [payload]
    assert found["event.id"] == [f"{LOG}-7"]
    assert found["event.action"] == [event.name]


def test_document_of_a_decision() -> None:
    record = access(3, ip="10.0.0.9", ip_asserted=True, valid_until=START, latency_ns=5)
    record.index, record.time = 3, START + 5
    payload = encode(record)
    made = document(LOG, 3, payload)
    assert made.pop("event.original") is not None
    assert made == {
        "@timestamp": "2026-09-21T14:13:20.000000005Z",
        "ecs.version": "9.0.0",
        "event.id": f"{LOG}-3",
        "event.kind": "event",
        "event.category": ["database"],
        "event.type": ("access", "allowed"),
        "event.action": "access.decision",
        "event.outcome": "success",
        "event.reason": "ALLOWED",
        "event.module": "munjigi",
        "event.dataset": "munjigi.access",
        "event.sequence": 3,
        "event.duration": 5,
        "munjigi.log_id": LOG,
        "munjigi.index": 3,
        "user.domain": "urn:test",
        "user.name": "cs.kim",
        "related.user": ["cs.kim"],
        "source.address": "10.0.0.9",
        "source.ip": "10.0.0.9",
        "related.ip": ["127.0.0.1", "10.0.0.9"],
        "munjigi.principal_type": "employee",
        "munjigi.tool": "crm-desk",
        "munjigi.peer": "127.0.0.1",
        "munjigi.ip_asserted": True,
        "munjigi.request_id": "r-3",
        "munjigi.door": "Check",
        "munjigi.action": "read",
        "munjigi.resource": "crm.member",
        "munjigi.purpose": "inquiry",
        "munjigi.case_id": "CS-2026-000123",
        "munjigi.decision": "ALLOW",
        "munjigi.fields": [{"name": "name", "effect": "clear", "rule": "policy.csv:12", "grants": ("g-1",)}],
        "munjigi.members": ("m1.01234567.abcdefghijklmnopqrstuvwxyz",),
        "munjigi.subject_count": 1,
        "munjigi.policy_revision": "a" * 64,
        "munjigi.grant_revision": 12,
        "munjigi.valid_until": "2026-09-21T14:13:20.000000000Z",
    }


def test_a_word_that_is_no_address_never_reaches_a_field_of_type_ip() -> None:
    record = access(0, ip="local", peer="unknown")
    record.index, record.time = 0, START
    made = document(LOG, 0, encode(record))
    assert made["source.address"] == "local"
    assert "source.ip" not in made
    assert "related.ip" not in made


def test_the_leaf_can_be_computed_from_a_document() -> None:
    record = access(0)
    record.index, record.time = 0, START
    payload = encode(record)
    original = str(document(LOG, 0, payload)["event.original"])
    assert hashlib.sha256(b"\x00" + b64decode(original)).digest() == hashlib.sha256(b"\x00" + payload).digest()


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x80", encode(records.TailCutRecord(index=1, time=1, file="", offset=0, length=0, digest=""))]
)
def test_bytes_that_are_no_record_of_that_index_are_refused(payload: bytes) -> None:
    for make in (document, ocsf):
        with pytest.raises(Corruption):
            make(LOG, 0, payload)


LEGAL: dict[str, dict[str, Any]] = {
    "identifier": {"employee": ""},
    "date-time": {"time": 0},
    "source location": {"ip": ""},
    "data subject": {"members": (), "subject_count": 0},
    "task": {"action": ""},
}


def test_the_five_legal_items_are_all_named_in_the_catalogue() -> None:
    items: dict[str, set[str]] = {}
    for field, _ in fields_of(EVENTS[0]):
        if field.law:
            items.setdefault(field.law, set()).add(field.name)
    assert set(items) == set(LEGAL)
    for item, absent in LEGAL.items():
        assert set(absent) <= items[item]


@pytest.mark.parametrize("absent", [*LEGAL.values(), {"resource": ""}], ids=[*LEGAL, "task, resource"])
def test_p1_a_record_without_a_legal_item_is_refused(absent: dict[str, Any]) -> None:
    values = {"index": 0, "time": START} | absent
    with pytest.raises(AuditUnavailable):
        encode(access(0, **values))
    assert encode(access(0, index=0, time=START))


@pytest.mark.parametrize("absent", [{"employee": ""}, {"time": 0}, {"ip": ""}, {"decision_id": ""}])
def test_p1_a_confirmation_without_a_legal_item_is_refused(absent: dict[str, Any]) -> None:
    values = {"index": 0, "time": START} | absent
    with pytest.raises(AuditUnavailable):
        encode(confirm(**({"decision_id": f"{LOG}-0"} | values)))


def test_every_condition_of_a_search_has_a_name_in_the_index() -> None:
    assert set(SEARCHED) == set(RecordQuery._fields) - {"from_time", "to_time"}
    assert set(SEARCHED.values()) <= set(MAPPED)


# What OCSF 1.9.0 requires of each class beyond what it requires of every event.
OCSF_REQUIRED = {
    6005: {"actor", "src_endpoint", "table"},
    3002: {"user", "service"},
    3004: {"entity"},
    6002: {"application"},
    6008: set(),
    3007: {"user"},
}
OCSF_ALWAYS = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: each.name)
@given(data=st.data())
def test_ocsf_is_total(event: Event, data: st.DataObject) -> None:
    payload = data.draw(any_record(event))
    made: dict[str, Any] = ocsf(LOG, 7, payload)
    assert set(made) >= OCSF_ALWAYS | OCSF_REQUIRED[made["class_uid"]]
    assert made["type_uid"] == made["class_uid"] * 100 + made["activity_id"]
    assert made["category_uid"] == made["class_uid"] // 1000
    assert made["metadata"]["uid"] == f"{LOG}-7"
    assert made["class_uid"] != 3005
    shown = document(LOG, 7, payload)
    assert made["unmapped"] == {name: value for name, value in shown.items() if name.startswith("munjigi.")}


def test_ocsf_says_who_got_which_role() -> None:
    grant = permission_records.GrantAddedRecord(
        index=0, time=START, employee="cs.lee", issuer="urn:test", grant_revision=3, grant_id="g-1",
        holder_issuer="urn:test", holder="cs.kim", role="cs_agent", purpose="inquiry", starts_at=1, ends_at=2,
    )  # fmt: skip
    made: dict[str, Any] = ocsf(LOG, 0, encode(grant))
    assert (made["class_uid"], made["activity_id"]) == (3007, 16)
    assert made["user"]["name"] == "cs.kim"
    assert made["actor"]["user"]["name"] == "cs.lee"
    assert made["iam_roles"] == [{"name": "cs_agent"}]


def test_special_meanings_are_of_fields_that_the_record_has() -> None:
    for event in EVENTS:
        names = {each.name for each in msgspec.structs.fields(event.record)}
        assert {field.name for field in event.special} <= names
    assert isinstance(EVENTS[2].special[0], Field)
    assert issubclass(EVENTS[0].record, AccessRecord)
