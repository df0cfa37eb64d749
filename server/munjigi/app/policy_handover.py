"""Hand a compiled bundle from the process that made it to the one that decides, in shards.

The receiver builds it in steps of microseconds and may let calls go between any two of them: 100,000 rules taken at
once would hold every call up for a tenth of a second. What is built equals what `compile_bundle` returns.

A shard is one byte that says what it holds, then its content. Rules and index are packed numbers of texts that came
before; registers come as small pickles. Sender and receiver are one program, and nobody else can write to the pipe.
"""

from __future__ import annotations

import asyncio
import io
import pickle
import struct
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import islice
from typing import Any, Final

from munjigi.decision.frames import forget
from munjigi.kernel.errors import Corruption
from munjigi.policy.case_pattern import matcher
from munjigi.policy.conditions import translate
from munjigi.policy.types import Condition, PolicyBundle, Purpose, Rule

SLICE_SECONDS: Final = 0.0005
_TEXTS, _RULES, _INDEX, _REGISTER, _REST, _FILE = range(6)
_RULE: Final = struct.Struct("<9I")
_ENTRY: Final = struct.Struct("<5I")
_AT_ONCE: Final = 1_000  # texts or rows in a shard
_REGISTER_BYTES: Final = 8_192
_FILE_BYTES: Final = 65_536
_STEP: Final = 32  # rows between two looks at the clock
_LOOKS: Final = 1_200  # at 50 ms
_ALONE: Final = 2  # references: the list that holds it, and the argument of getrefcount
_APART: Final = ("rules", "index", "files", "memo")

Steps = Generator[None, None, None]


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: object) -> Any:
        if isinstance(value, Purpose):
            plain = {field.name: getattr(value, field.name) for field in fields(value) if field.name != "matches_case"}
            return _purpose, (plain,)
        return NotImplemented


def _purpose(plain: dict[str, Any]) -> Purpose:
    matches = matcher(plain["case_pattern"])
    if not callable(matches):
        raise Corruption("POLICY_HANDOVER", "A case pattern came over damaged; reload the policy.")
    return Purpose(**plain, matches_case=matches)


def shards(bundle: PolicyBundle) -> Iterator[bytes]:
    """Take a bundle apart."""
    numbers: dict[str, int] = {}

    def number(text: str) -> int:
        return numbers.setdefault(text, len(numbers))

    rows = [
        _RULE.pack(*map(number, (*rule[:5], rule.mask, rule.file)), rule.line, rule.allow << 1 | (rule.condition is not None))
        for rule in bundle.rules
    ]
    places = {id(rule): place for place, rule in enumerate(bundle.rules)}
    entries = [
        _ENTRY.pack(*map(number, (*key, sub)), places[id(rule)])
        for key, by_sub in bundle.index.items()
        for sub, found in by_sub.items()
        for rule in found
    ]
    for some in _batches(numbers):
        yield bytes((_TEXTS,)) + pickle.dumps(some)
    for kind, packed in ((_RULES, rows), (_INDEX, entries)):
        for batch in _batches(packed):
            yield bytes((kind,)) + b"".join(batch)
    rest: dict[str, Any] = {}
    for field in fields(bundle):
        value = getattr(bundle, field.name)
        if field.name in _APART:
            continue
        if isinstance(value, Mapping):
            rest[field.name] = {}
            yield from _register(field.name, value)
        else:
            rest[field.name] = value
    yield bytes((_REST,)) + _pickled(rest)
    for name, content in bundle.files.items():
        for start in range(0, max(len(content), 1), _FILE_BYTES):
            yield bytes((_FILE,)) + pickle.dumps((name, content[start : start + _FILE_BYTES]))


def _batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(values)
    while batch := list(islice(left, _AT_ONCE)):
        yield batch


def _register(name: str, values: Mapping[Any, Any]) -> Iterator[bytes]:
    batch: list[tuple[Any, Any]] = []
    size = 0
    for item in values.items():
        size += len(_pickled(item))
        batch.append(item)
        if size > _REGISTER_BYTES:
            yield bytes((_REGISTER,)) + _pickled((name, batch))
            batch, size = [], 0
    if batch:
        yield bytes((_REGISTER,)) + _pickled((name, batch))


def _pickled(value: object) -> bytes:
    out = io.BytesIO()
    _Pickler(out, pickle.HIGHEST_PROTOCOL).dump(value)
    return out.getvalue()


class Assembly:
    """A bundle that is being put together."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._conditions: dict[tuple[str, bool], Condition | None] = {}
        self._rules: list[Rule] = []
        self._index: dict[tuple[str, str, str], dict[str, tuple[Rule, ...]]] = {}
        self._open: list[Rule] = []
        self._open_at: tuple[int, int, int, int] | None = None
        self._registers: dict[str, dict[Any, Any]] = {}
        self._rest: dict[str, Any] = {}
        self._files: dict[str, list[bytes]] = {}

    def take(self, shard: bytes) -> Steps:
        """Take the next shard, in steps."""
        return _TAKE[shard[0]](self, memoryview(shard)[1:])

    def finish(self) -> PolicyBundle:
        """Return the bundle."""
        self._close_entry()
        registers = {name: self._registers.get(name, {}) for name, value in self._rest.items() if value == {}}
        return PolicyBundle(
            **{
                **self._rest,
                **registers,
                "rules": tuple(self._rules),
                "index": self._index,
                "files": {name: b"".join(parts) for name, parts in self._files.items()},
                "memo": {},
            }
        )

    def take_texts(self, shard: memoryview) -> Steps:
        """Take texts that rules and index name by number."""
        self._texts += pickle.loads(shard)  # noqa: S301 - our own child wrote it
        yield

    def take_rules(self, shard: memoryview) -> Steps:
        """Take rules; a condition is translated here, since a function cannot be sent."""
        texts, rules, conditions = self._texts, self._rules, self._conditions
        for count, (sub, obj, act, purpose, cond, mask, file, line, flags) in enumerate(_RULE.iter_unpack(shard)):
            condition: Condition | None = None
            allow = flags > 1
            if flags & 1:
                key = (texts[cond], allow)
                if key not in conditions:
                    conditions[key] = translate(texts[cond], allow=allow)
                    yield
                condition = conditions[key]
            rules.append(
                Rule(
                    texts[sub],
                    texts[obj],
                    texts[act],
                    texts[purpose],
                    texts[cond],
                    condition,
                    allow,
                    texts[mask],
                    texts[file],
                    line,
                )
            )
            if count % _STEP == 0:
                yield

    def take_index(self, shard: memoryview) -> Steps:
        """Take places of rules, those of one cell one after the other."""
        rules = self._rules
        for count, (obj, act, purpose, sub, place) in enumerate(_ENTRY.iter_unpack(shard)):
            at = (obj, act, purpose, sub)
            if at != self._open_at:
                self._close_entry()
                self._open_at = at
            self._open.append(rules[place])
            if count % _STEP == 0:
                yield

    def _close_entry(self) -> None:
        if self._open_at is not None:
            obj, act, purpose, sub = (self._texts[each] for each in self._open_at)
            self._index.setdefault((obj, act, purpose), {})[sub] = tuple(self._open)
            self._open = []

    def take_register(self, shard: memoryview) -> Steps:
        """Take a part of a register."""
        name, items = pickle.loads(shard)  # noqa: S301 - our own child wrote it
        self._registers.setdefault(name, {}).update(items)
        yield

    def take_rest(self, shard: memoryview) -> Steps:
        """Take what is small."""
        self._rest = pickle.loads(shard)  # noqa: S301 - our own child wrote it
        yield

    def take_file(self, shard: memoryview) -> Steps:
        """Take a part of a file."""
        name, content = pickle.loads(shard)  # noqa: S301 - our own child wrote it
        self._files.setdefault(name, []).append(content)
        yield


# Not kept in each assembly: it would then refer to itself, and only a collector could free it.
_TAKE: Final[dict[int, Callable[[Assembly, memoryview], Steps]]] = {
    _TEXTS: Assembly.take_texts,
    _RULES: Assembly.take_rules,
    _INDEX: Assembly.take_index,
    _REGISTER: Assembly.take_register,
    _REST: Assembly.take_rest,
    _FILE: Assembly.take_file,
}


class Pace:
    """Work on the event loop that lets calls go whenever it has taken a slice of time."""

    def __init__(self) -> None:
        self._until = time.perf_counter() + SLICE_SECONDS

    async def step(self) -> None:
        """Let calls go if the slice is used up."""
        if time.perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = time.perf_counter() + SLICE_SECONDS

    async def through(self, steps: Iterable[None]) -> None:
        """Do all steps."""
        for _ in steps:
            await self.step()


async def let_go(bundle: list[PolicyBundle]) -> None:
    """Free a bundle in slices, once nobody else holds it; `bundle` has it as its one item, and is emptied.

    A hundred thousand rules freed at once would hold calls up as long as rules made at once.
    """
    forget(bundle[0])
    for _ in range(_LOOKS):
        if sys.getrefcount(bundle[0]) <= _ALONE:
            break
        await asyncio.sleep(0.05)
    pace = Pace()
    parts: list[Any] = []
    old = bundle[0]
    for mapping in (old.index, old.roles, old.closure, old.objects, old.classes):
        for value in list(mapping.values()):
            if isinstance(value, dict):
                parts += value.values()  # before the dictionary: it goes first, and must not be the last to hold them
            parts.append(value)
            await pace.step()
    parts += old.rules
    del old, mapping, value
    bundle.clear()
    while parts:
        del parts[-_STEP:]
        await pace.step()
