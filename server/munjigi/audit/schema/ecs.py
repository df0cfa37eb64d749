"""A record as a document of Elasticsearch, and the mapping that takes such documents and no others.

Names are those of ECS 9 where it has one (https://www.elastic.co/docs/reference/ecs), else `munjigi.*`. A document is flat, its
names are dotted; a field that has its default is left out, as in the record's bytes. `ORIGINAL` carries these bytes themselves, so
that a document can be checked on its own and answer a search.
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from munjigi.audit.records import AnyRecord, decode
from munjigi.audit.schema.catalogue import COMMON, EVENTS, FIELDS, Event, fields_of, type_of
from munjigi.audit.schema.field import Field
from munjigi.kernel.clock import SECOND, to_rfc3339
from munjigi.kernel.errors import Corruption
from munjigi.kernel.ids import record_id

ECS_VERSION: Final = "9.0.0"
ORIGINAL: Final = "event.original"  # base64 of the record's canonical bytes
_LONGEST: Final = 8191  # characters; Lucene refuses terms above 32,766 bytes, and the document with them
_TYPES: Final[dict[str, dict[str, Any]]] = {
    "keyword": {"type": "keyword", "ignore_above": _LONGEST},
    "long": {"type": "long"},
    "double": {"type": "double"},
    "boolean": {"type": "boolean"},
    "date_nanos": {"type": "date_nanos"},
    "ip": {"type": "ip"},
    "binary": {"type": "binary"},
}


_Conversion = Callable[[Any], object]


class Columns(NamedTuple):
    """Some fields of one event type under their names in the index: values, defaults, names and conversions, a column each."""

    values: Callable[[Any], tuple[Any, ...]]
    defaults: tuple[object, ...]
    names: tuple[str, ...]
    conversions: tuple[_Conversion | None, ...]

    def put(self, record: object, found: dict[str, object]) -> None:
        """Add the fields of a record to its document, but for those that have their default."""
        for value, default, name, convert in zip(self.values(record), self.defaults, self.names, self.conversions, strict=True):
            if value != default:
                if convert is None:
                    found[name] = value
                elif (shown := convert(value)) is not None:
                    found[name] = shown


class _Plan(NamedTuple):
    """How the documents of one event type are made."""

    judge: Callable[[Any], tuple[str, tuple[str, ...]]]
    constants: dict[str, object]
    columns: Columns
    users: tuple[str, ...]
    addresses: tuple[str, ...]


def document(log_id: str, index: int, payload: bytes) -> dict[str, object]:
    """Return the document of one record; it is a function of the record's bytes and place alone.

    This says what a document is; `written.py` writes the same one faster. Raises `Corruption` when the bytes are not a record of
    that index.
    """
    record = read(log_id, index, payload)
    found = begun(record)
    found["event.id"] = record_id(log_id, index)
    found[ORIGINAL] = b64encode(payload).decode("ascii")
    found["munjigi.log_id"] = log_id
    _PLANS[type(record)].columns.put(record, found)
    return found


def begun(record: AnyRecord) -> dict[str, object]:
    """Return what a document has by the type of its record, by what became of it, and by who and what addresses it names."""
    judge, constants, _, users, addresses = _PLANS[type(record)]
    found = constants.copy()
    found["event.outcome"], found["event.type"] = judge(record)
    if users:
        found["related.user"] = _gathered(record, users)
    if addresses and (known := [each for each in _gathered(record, addresses) if _address(each)]):
        found["related.ip"] = known
    return found


def read(log_id: str, index: int, payload: bytes) -> AnyRecord:
    """Decode the record at `index` of a log.

    Raises `Corruption` when the bytes are not that.
    """
    try:
        record = decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        record = None
    if record is None or record.index != index:
        raise unreadable(log_id, index)
    return record


def unreadable(log_id: str, index: int) -> Corruption:
    """Say which record can't be read."""
    return Corruption("RECORD_UNREADABLE", f"Record {index} of log {log_id} can't be read; run `munjigi audit verify`.")


def index_template(pattern: str) -> dict[str, object]:
    """Return an index template for the indices that `pattern` names: what the catalogue lacks is refused (`dynamic: strict`)."""
    return {
        "index_patterns": [pattern],
        "priority": 500,
        "template": {
            "mappings": mappings(),
        },
        "_meta": {"description": "Audit records of Munjigi", "ecs_version": ECS_VERSION},
    }


def mappings() -> dict[str, object]:
    """Return the strict mapping of every field of every record."""
    properties: dict[str, Any] = {}
    for field in (*COMMON, *FIELDS.values(), *(special for event in EVENTS for special in event.special)):
        for name in field.stored.split():
            *parents, leaf = name.split(".")
            place = properties
            for parent in parents:
                place = place.setdefault(parent, {"properties": {}})["properties"]
            place[leaf] = _mapped(field, leaf)
    return {"dynamic": "strict", "date_detection": False, "properties": properties}


def _mapped(field: Field, name: str) -> dict[str, Any]:
    if field.kind == "object":
        return {"properties": {part.stored: _mapped(part, part.stored) for part in field.parts}}
    return dict(_TYPES[type_of(field, name)])


def _gathered(record: AnyRecord, names: Iterable[str]) -> list[str]:
    """Return the texts of several fields, each once, in order."""
    found: dict[str, None] = {}
    for name in names:
        value = getattr(record, name)
        for each in (value,) if isinstance(value, str) else value:
            if each:
                found[each] = None
    return list(found)


@lru_cache(maxsize=10_000)
def _address(text: str) -> str | None:
    """Return an IP address as it is; None for a word such as `local`, which a field of type `ip` would refuse."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return None
    return text


def _object(field: Field) -> _Conversion:
    """Return what turns a value, or each of several, into an object with the names of `field.parts`; empty ones are left out."""
    values = attrgetter(*(part.name for part in field.parts))
    conversions = ((part.stored, _object(part) if part.kind == "object" else _EACH.get(part.kind)) for part in field.parts)
    convert = {name: change for name, change in conversions if change is not None}
    names = tuple(part.stored for part in field.parts)
    first = field.parts[0].name

    def one(value: Any) -> dict[str, object]:
        made = {name: each for name, each in zip(names, values(value), strict=True) if each not in ("", (), None)}
        return {name: convert[name](each) if name in convert else each for name, each in made.items()}

    return lambda value: one(value) if hasattr(value, first) else [one(each) for each in value]


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    return to_rfc3339(second * SECOND)[:-10]


def moment(ns: int) -> str:
    """Write a time as `to_rfc3339` does; records come many to the second."""
    second, rest = divmod(ns, SECOND)
    return f"{_second(second)}{rest:09d}Z"


def _each(convert: _Conversion) -> _Conversion:
    """Return what converts a value, or each of several."""
    return lambda value: [convert(each) for each in value] if isinstance(value, tuple) else convert(value)


_CONVERSIONS: Final[dict[str, _Conversion]] = {"date_nanos": moment, "ip": _address}
_EACH: Final = {kind: _each(convert) for kind, convert in _CONVERSIONS.items()}


def _conversion(field: Field, name: str) -> _Conversion | None:
    return _object(field) if field.kind == "object" else _CONVERSIONS.get(type_of(field, name))


def columns_of(event: Event, wanted: Callable[[Field], bool] = lambda _: True) -> Columns:
    """Return the columns of an event type's fields, of those that are `wanted`."""
    columns = [(field, default, name) for field, default in fields_of(event) if wanted(field) for name in field.stored.split()]
    taken = [field.name for field, _, _ in columns]
    return Columns(
        attrgetter(*taken) if len(taken) > 1 else lambda record: tuple(getattr(record, name) for name in taken),
        tuple(default for _, default, _ in columns),
        tuple(name for _, _, name in columns),
        tuple(_conversion(field, name) for field, _, name in columns),
    )


def _plan(event: Event) -> _Plan:
    listed = fields_of(event)
    return _Plan(
        event.judge,
        {
            "event.kind": "event",
            "event.category": [event.category],
            "event.action": event.name,
            "event.module": "munjigi",
            "event.dataset": f"munjigi.{event.family}",
            "ecs.version": ECS_VERSION,
        },
        columns_of(event),
        tuple(field.name for field, _ in listed if field.related == "user"),
        tuple(field.name for field, _ in listed if field.related == "ip"),
    )


_PLANS: Final = {each.record: _plan(each) for each in EVENTS}
