"""A record's document as JSON bytes, put together out of what was written once and what is the record's own.

Most of a record is what many have in common: who, at which tool, what, why, the columns with their rules and grants. The bytes
of all that, as they lie in the record, are the key under which its JSON is kept; they are neither decoded nor encoded again.
What differs from record to record, numbers, times and the texts of `OWN`, is read and written each time. `ecs.document` says
what comes out.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from functools import reduce
from operator import attrgetter, or_
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec

from munjigi.audit.schema.catalogue import EVENTS, Event, fields_of, type_of
from munjigi.audit.schema.ecs import ORIGINAL, Columns, begun, columns_of, moment, read, unreadable
from munjigi.audit.schema.field import Field

OWN: Final = frozenset(("session_id", "request_id", "trace_id", "span_id", "case_id", "members", "decision_id"))
_OWN_KINDS: Final = frozenset(("long", "date_nanos"))
_KEPT: Final = 4096  # of each event type, some 2 KiB each
_LEFT_OUT: Final = msgspec.Raw(b"\xc1")  # a byte that MessagePack never uses: the record does not give the field
_ID: Final = b',"event.id":"'
_LOG: Final = b'","munjigi.log_id":"'
_BYTES: Final = b'","' + ORIGINAL.encode() + b'":"'


class _Form(NamedTuple):
    """How the documents of one event type are written.

    `key` gives the bytes that they share, in order; `shared` are their columns, `kept` what was written of them. `own` gives the
    other values, of which those at `times`, with these defaults, are moments, and `named` puts their names to them.
    """

    key: Callable[[Any], tuple[bytes, ...]]
    shared: Columns
    kept: dict[bytes, bytes]
    own: Callable[[Any], tuple[Any, ...]]
    times: tuple[tuple[int, object], ...]
    named: Callable[..., msgspec.Struct]


_encode: Final = msgspec.json.Encoder().encode


def write(log_id: str, index: int, payload: bytes) -> tuple[int, bytes]:
    """Return the time (UTC nanoseconds) and the document of one record. Raises `Corruption` when the bytes are not a record of that index."""
    try:
        pieces = _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise unreadable(log_id, index) from None
    if pieces.index != index:
        raise unreadable(log_id, index)
    key, shared, kept, own, times, named = _FORMS[type(pieces)]
    shape = b"".join(key(pieces))
    common = kept.get(shape)
    if common is None:
        if len(kept) >= _KEPT:
            kept.clear()
        common = kept[shape] = _common(shared, log_id, index, payload)
    values = [*own(pieces)]
    for number, default in times:
        value = values[number]
        values[number] = "" if value == default else moment(value)
    log = log_id.encode()
    encoded = b2a_base64(payload, newline=False)
    rest = _encode(named(*values))
    return pieces.time, b"".join((common, _ID, log, b"-%d" % index, _LOG, log, _BYTES, encoded, b'",', rest[1:]))


def _common(shared: Columns, log_id: str, index: int, payload: bytes) -> bytes:
    """Write what a record shares with others, without the brace that ends it."""
    record = read(log_id, index, payload)
    found = begun(record)
    shared.put(record, found)
    return msgspec.json.encode(found)[:-1]


def _is_own(field: Field) -> bool:
    return field.kind in _OWN_KINDS or field.name in OWN


def _is_shared(field: Field) -> bool:
    return not _is_own(field)


def _form(event: Event) -> tuple[type[msgspec.Struct], _Form]:
    """Make the structure that takes a record of one event type to pieces, and the form of its documents."""
    listed = fields_of(event)
    hints = get_type_hints(event.record)
    assert not any(field.related for field, _ in listed if _is_own(field)), "who is named is written with what is shared"
    pieces = msgspec.defstruct(
        event.record.__name__,
        [
            (field.name, hints[field.name], default) if _is_own(field) else (field.name, msgspec.Raw, _given(default))
            for field, default in listed
        ],
        tag=event.name,
        tag_field="type",
        kw_only=True,
        gc=False,
    )
    columns = [(field, default, name) for field, default in listed if _is_own(field) for name in field.stored.split()]
    kinds = [type_of(field, name) for field, _, name in columns]
    own = msgspec.defstruct(
        f"{event.record.__name__}Own",
        [
            (f"at{number}", Any, "" if kind == "date_nanos" else None if default is msgspec.NODEFAULT else default)
            for number, ((_, default, _), kind) in enumerate(zip(columns, kinds, strict=True))
        ],
        rename={f"at{number}": name for number, (_, _, name) in enumerate(columns)},
        omit_defaults=True,
        gc=False,
    )
    return pieces, _Form(
        attrgetter(*(field.name for field, _ in listed if _is_shared(field))),
        columns_of(event, _is_shared),
        {},
        attrgetter(*(field.name for field, _, _ in columns)),
        tuple((number, columns[number][1]) for number, kind in enumerate(kinds) if kind == "date_nanos"),
        own,
    )


def _given(default: object) -> object:
    return default if default is msgspec.NODEFAULT else _LEFT_OUT


_FORMS: Final = dict(_form(each) for each in EVENTS)
_decode: Final[Callable[[bytes], Any]] = msgspec.msgpack.Decoder(reduce(or_, _FORMS)).decode
