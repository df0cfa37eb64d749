"""Count use out of the documents, by composite aggregations: the second way to what `review/usage.py` counts out of the journals.

A read counts by the same rule (REVIEW R1, R2). What a cluster can't say is not guessed:

* It joins nothing. So confirmations are gone through in windows of a log, each decision is noted the first time that one of them names
  it, and the window's decisions are asked for by their place.
* It estimates how many different members there were. So members are a source of the composite, and counted here.
* It keeps the columns of a decision and their grants as two sets, not as pairs. Where an account had one grant for its purpose, and
  no column was denied, each column was allowed by that grant (an allowed column names one at least, `decision/core.py`). The other
  decisions' columns are read from the documents.
* Its least and greatest times are whole milliseconds. So the first and last places in the log are asked for, which are in order of
  time, and then the times of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from munjigi.adapters.elasticsearch.view import DOCUMENTS, Query, View, by, every, some
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.ids import parse_record_id
from munjigi.kernel.review import Permission
from munjigi.review.days import PIECE, Days
from munjigi.review.ports import Counted
from munjigi.review.sketch import hash_of
from munjigi.review.usage import Exempt

WINDOW: Final = 10_000  # records of a log that are gone through at once; few have more buckets than a page
BLOCK: Final = 1_000  # records whose documents are counted together
_MOST_TERMS: Final = 60_000
_MOST_SUMS: Final = 50_000  # permissions that are held before they are handed on
_MILLISECOND: Final = 1_000_000
_LOG: Final = "munjigi.log_id"
_INDEX: Final = "munjigi.index"
_GRANTS: Final = "munjigi.fields.grants"
_DECISIONS: Final = ({"term": {"event.action": "access.decision"}}, {"term": {"munjigi.decision": "ALLOW"}})
_NO_USE: Final = tuple({"term": {f"munjigi.{name}": True}} for name in ("probe", "observe", "own"))
_READ: Final = ({"term": {"event.action": "access.confirm"}}, {"term": {"munjigi.outcome": "read"}})
_USED: Final = {
    "resource": by("munjigi.resource"),
    "action": by("munjigi.action"),
    "name": by("munjigi.fields.name"),
    "grant": by(_GRANTS),
}
_PIECES: Final = {"piece": {"date_histogram": {"field": "@timestamp", "fixed_interval": f"{PIECE // 10**9}s"}}}
_PLACES: Final = {"first": {"min": {"field": _INDEX}}, "last": {"max": {"field": _INDEX}}}
_ACCOUNT: Final = ("user.domain", "user.name", "munjigi.purpose")
_SOURCE: Final = ("munjigi.resource", "munjigi.action", "munjigi.fields", "munjigi.members")


class Part(NamedTuple):
    """What is looked at of a log: the records at these places, half-open, in order."""

    log_id: str
    ranges: tuple[tuple[int, int], ...]

    def has(self, index: int) -> bool:
        """Tell whether a record is looked at."""
        return any(begin <= index < end for begin, end in self.ranges)

    def windows(self) -> Iterator[tuple[int, int]]:
        """Yield all of it in windows."""
        for begin, end in self.ranges:
            for at in range(begin, end, WINDOW):
                yield at, min(at + WINDOW, end)


class Block(NamedTuple):
    """Places [first, next_index) of a log that have another number of documents than records."""

    log_id: str
    first: int
    next_index: int
    records: int
    documents: int


class _Sum:
    """The use of one permission of one grant in one log. `first` and `last` are places in it, `pieces` quarters of an hour."""

    __slots__ = ("first", "last", "members", "pieces", "uses")

    def __init__(self) -> None:
        self.uses = 0
        self.first, self.last = 1 << 63, -1
        self.pieces: set[int] = set()
        self.members: set[str] = set()

    def add(self, uses: int, first: int, last: int, piece: int) -> None:
        """Add uses within a quarter of an hour."""
        self.uses += uses
        self.first, self.last = min(self.first, first), max(self.last, last)
        self.pieces.add(piece)


_Key = tuple[str, str, str, str]  # grant, resource, column or class, action
_Counts = Mapping[str, Mapping[Permission, Counted]]
_Members = Mapping[int, tuple[str, ...]]


class UsageThere:
    """Counts what a view has of some logs. Every method raises `Unavailable`.

    `exempt` tells whether a tool need not confirm by a policy. Of the decisions in `without`, by log and index, no confirmation counts.
    What `count` yields is to be added up.
    """

    def __init__(
        self, view: View, parts: Sequence[Part], exempt: Exempt, days: Days, without: Iterable[tuple[str, int]] = ()
    ) -> None:
        self._view = view
        self._parts = {part.log_id: part for part in parts}
        self._is_exempt = exempt
        self._days = days
        self._seen = {part.log_id: _Places(part.ranges[-1][1]) for part in parts if part.ranges}
        for log_id, index in without:
            if log_id in self._seen and self._parts[log_id].has(index):
                self._seen[log_id].add(index)
        self._sums: dict[str, dict[_Key, _Sum]] = {part.log_id: {} for part in parts}

    def wrong_blocks(self) -> list[Block]:
        """Return where documents are missing, or are too many."""
        found = []
        for part in self._parts.values():
            records: dict[int, int] = {}
            for begin, end in part.ranges:
                for at in range(begin // BLOCK * BLOCK, end, BLOCK):
                    records[at] = records.get(at, 0) + min(at + BLOCK, end) - max(at, begin)
            there = some(*(_between(*each) for each in part.ranges)) if part.ranges else {"match_none": {}}
            sources = {"block": {"histogram": {"field": _INDEX, "interval": BLOCK}}}
            documents = {
                int(each["key"]["block"]): int(each["doc_count"])
                for each in self._view.buckets(every(_of(part.log_id), there), sources)
            }
            found += [
                Block(part.log_id, at, at + BLOCK, count, documents.get(at, 0))
                for at, count in records.items()
                if documents.get(at, 0) != count
            ]
        return found

    def count(self) -> Iterator[_Counts]:
        """Yield what was used, by grant and permission, in parts that fit into memory."""
        exempt = {log_id: self._exempt(part) for log_id, part in self._parts.items()}
        for log_id, part in self._parts.items():
            for window in part.windows() if exempt[log_id] else ():
                yield from self._credit(log_id, every(_between(*window), some(*exempt[log_id])), {})
        # A confirmation in the decision's own log comes before one that another worker took: it is its members that count.
        for own in (True, False):
            for part in self._parts.values():
                for window in part.windows():
                    for log_id, decisions in self._confirmed(part, window, own=own).items():
                        places = {"terms": {_INDEX: list(decisions)}}
                        named = {index: members for index, members in decisions.items() if members}
                        yield from self._credit(log_id, every(places, none=exempt[log_id]), named)
        for log_id in self._parts:
            yield self._taken(log_id)

    def _exempt(self, part: Part) -> list[Query]:
        """Return the queries of decisions that need no confirmation, a tool each."""
        policies: dict[str, list[str]] = {}
        there = some(*(_between(*each) for each in part.ranges)) if part.ranges else {"match_none": {}}
        sources = {"tool": by("munjigi.tool"), "policy": by("munjigi.policy_revision")}
        for each in self._view.buckets(every(_of(part.log_id), *_DECISIONS, there, none=_NO_USE), sources):
            tool, policy = str(each["key"]["tool"]), str(each["key"]["policy"])
            if self._is_exempt(tool, policy):
                policies.setdefault(tool, []).append(policy)
        return [
            every({"term": {"munjigi.tool": tool}}, {"terms": {"munjigi.policy_revision": revisions}})
            for tool, revisions in policies.items()
        ]

    def _confirmed(self, part: Part, window: tuple[int, int], *, own: bool) -> dict[str, dict[int, tuple[str, ...]]]:
        """Return the decisions that a window's confirmations are the first to name, by log: their places, and members named besides."""
        its_own: Query = {"prefix": {"munjigi.decision_id": f"{part.log_id}-"}}
        conditions = (_of(part.log_id), _between(*window), *_READ)
        query = every(*conditions, its_own) if own else every(*conditions, none=[its_own])
        sources = {
            "index": by(_INDEX),
            "decision": by("munjigi.decision_id"),
            "member": by("munjigi.members", missing=True),
        }
        found: dict[str, dict[int, tuple[str, ...]]] = {}
        for (_, decision), buckets in groupby(self._view.buckets(query, sources), key=_confirmation_of):
            members = tuple(str(each["key"]["member"]) for each in buckets if each["key"]["member"] is not None)
            try:
                log_id, index = parse_record_id(decision)
            except InvalidArgument:
                continue
            if log_id in self._seen and self._parts[log_id].has(index) and self._seen[log_id].add(index):
                found.setdefault(log_id, {})[index] = members
        return found

    def _credit(self, log_id: str, which: Query, members: _Members) -> Iterator[_Counts]:
        """Count some decisions of a log, at most a window of them; `members` are those that confirmations named besides."""
        base = every(_of(log_id), *_DECISIONS, which, none=_NO_USE)
        paired: list[Query] = [{"term": {"munjigi.fields.effect": "denied"}}]
        shared = self._shared(base)
        if len(shared) > _MOST_TERMS:
            paired = [{"match_all": {}}]
        elif shared:
            paired.append({"terms": {_GRANTS: shared}})
        if members:
            paired.append({"terms": {_INDEX: list(members)}})
        self._aggregate(log_id, every(base, none=paired))
        self._read(log_id, every(base, some(*paired)), members)
        if len(self._sums[log_id]) > _MOST_SUMS:
            yield self._taken(log_id)

    def _shared(self, base: Query) -> list[str]:
        """Return the grants of accounts that had several for one purpose."""
        sources = {**{name: by(name, missing=True) for name in _ACCOUNT}, "grant": by(_GRANTS)}
        found: list[str] = []
        for _, buckets in groupby(self._view.buckets(base, sources), key=_account_of):
            grants = [str(each["key"]["grant"]) for each in buckets]
            found += grants if len(grants) > 1 else ()
        return list(dict.fromkeys(found))

    def _aggregate(self, log_id: str, query: Query) -> None:
        """Count decisions of which each column was allowed by each grant that they name."""
        sums = self._sums[log_id]
        for each in self._view.buckets(query, _USED | _PIECES, _PLACES):
            key = each["key"]
            piece = int(key["piece"]) * _MILLISECOND // PIECE
            _sum_of(sums, _key_of(key)).add(
                int(each["doc_count"]), int(each["first"]["value"]), int(each["last"]["value"]), piece
            )
        for each in self._view.buckets(query, _USED | {"member": by("munjigi.members")}):
            _sum_of(sums, _key_of(each["key"])).members.add(str(each["key"]["member"]))

    def _read(self, log_id: str, query: Query, members: _Members) -> None:
        """Count decisions by the columns that stand in their documents."""
        sums = self._sums[log_id]
        for index, at, source in self._view.documents(query, _SOURCE):
            concerned = {*_texts(source.get("munjigi.members")), *members.get(index, ())}
            resource, action = str(source.get("munjigi.resource", "")), str(source.get("munjigi.action", ""))
            keys = {
                (grant, resource, str(field.get("name", "")), action)
                for field in _listed(source.get("munjigi.fields"))
                if isinstance(field, dict) and field.get("effect") != "denied"
                for grant in _texts(field.get("grants"))
            }
            for key in keys:
                used = _sum_of(sums, key)
                used.add(1, index, index, at // PIECE)
                used.members |= concerned

    def _taken(self, log_id: str) -> _Counts:
        """Return what was counted of a log since the last time, with its times."""
        sums, self._sums[log_id] = self._sums[log_id], {}
        used = {key: each for key, each in sums.items() if each.uses}
        times = self._times(log_id, {place for each in used.values() for place in (each.first, each.last)})
        found: dict[str, dict[Permission, Counted]] = {}
        for (grant, resource, name, action), each in used.items():
            permission = Permission(name if name == resource else f"{resource}.{name}", action)
            found.setdefault(grant, {})[permission] = Counted(
                times.get(each.first, 0),
                times.get(each.last, 0),
                each.uses,
                {self._days.of_piece(piece) for piece in each.pieces},
                {hash_of(member) for member in each.members},
            )
        return found

    def _times(self, log_id: str, places: Iterable[int]) -> dict[int, int]:
        wanted = sorted(places)
        found: dict[int, int] = {}
        for at in range(0, len(wanted), DOCUMENTS):
            query = every(_of(log_id), {"terms": {_INDEX: wanted[at : at + DOCUMENTS]}})
            for index, time, _ in self._view.documents(query, ()):
                found.setdefault(index, time)
        return found


class _Places:
    """A set of places in a log below a bound, a bit each."""

    def __init__(self, below: int) -> None:
        self._bits = bytearray((below >> 3) + 1)

    def add(self, index: int) -> bool:
        """Add a place; False when it was there."""
        at, bit = index >> 3, 1 << (index & 7)
        if self._bits[at] & bit:
            return False
        self._bits[at] |= bit
        return True


def first_since(view: View, log_id: str, time: str) -> int | None:
    """Return the place of the first document of a log that is not of before a time (RFC 3339); None where there is none."""
    query = every(_of(log_id), {"range": {"@timestamp": {"gte": time}}})
    return next((index for index, _, _ in view.documents(query, ())), None)


def _of(log_id: str) -> Query:
    return {"term": {_LOG: log_id}}


def _between(begin: int, end: int) -> Query:
    return {"range": {_INDEX: {"gte": begin, "lt": end}}}


def _sum_of(sums: dict[_Key, _Sum], key: _Key) -> _Sum:
    found = sums.get(key)
    if found is None:
        found = sums[key] = _Sum()
    return found


def _key_of(key: Mapping[str, Any]) -> _Key:
    return str(key["grant"]), str(key["resource"]), str(key["name"]), str(key["action"])


def _confirmation_of(bucket: Mapping[str, Any]) -> tuple[int, str]:
    return int(bucket["key"]["index"]), str(bucket["key"]["decision"])


def _account_of(bucket: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(bucket["key"][name] for name in _ACCOUNT)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(value: object) -> Iterator[str]:
    return (each for each in _listed(value) if isinstance(each, str))
