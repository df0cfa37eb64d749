"""The records of a block as columns: what random ids, numbers and member references share is taken apart before compression.

In the bytes of records one text after the other, ids that nobody can guess break every match and spoil every code. So what
is of a known shape is cut out of the text, a marker in its place, and goes to others of its kind: hexadecimal digits as the
bytes that they stand for, numbers as differences and by significance, member references once each. `cut` says no where `join`
would not give back the same bytes; the block is then kept as it is. What is cut is a matter of bytes: no record is decoded, and a
field of another shape stays in the text.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, product
from typing import Final, Literal, NamedTuple

_LETTERS: Final = 26  # of a member reference, behind its key id
_UUID: Final = (8, 4, 4, 4, 12)  # hexadecimal digits between dashes
_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}  # of `struct`, by a number's bytes
_STEP: Final = {1: 2, 2: 4, 4: 8, 8: 8}  # bytes of a difference, by those of the numbers


class Cut(NamedTuple):
    """What `join` makes records of again.

    `text` has `%b` where something was cut out (Python formats bytes faster than it splits them), and `order` says of which kind, one byte
    each. `small` are numbers by significance and references to `members`, `hexes` are the bytes that digits stand for.
    """

    text: bytes
    order: bytes
    small: bytes
    hexes: bytes
    members: bytes


class _Slot(NamedTuple):
    """What varies in a run, after bytes that don't: `width` digits, or a number of `width` bytes.

    A number is kept as it is, or as its difference from that of the run before, or from the first one of its own run.
    """

    before: bytes
    kind: Literal["hex", "plain", "growing", "beside"]
    width: int


_Run = tuple[_Slot, ...]


def _field(name: str, *kind: int) -> bytes:
    """Return how msgpack begins a field of a map: its name, the type of its value, and the length if it has one."""
    return bytes([0xA0 | len(name)]) + name.encode() + bytes(kind)


def _number(name: str, kind: Literal["plain", "growing", "beside"], *widths: int) -> list[_Run]:
    return [(_Slot(_field(name, 0xCC + width.bit_length() - 1), kind, width),) for width in widths]


def _digits(name: str, width: int, *kind: int) -> _Run:
    return (_Slot(_field(name, *kind), "hex", width),)


def _runs(*fields: list[_Run]) -> Iterator[_Run]:
    """Yield what fields in this order make, each as one of several; an empty one is a field that is missing."""
    for chosen in product(*fields):
        yield tuple(chain.from_iterable(chosen))


_DASHED: Final = tuple(
    _Slot(b"-" if number else _field("request_id", 0xD9, 36), "hex", each) for number, each in enumerate(_UUID)
)
_REQUEST: Final = [_DASHED, _digits("request_id", 32, 0xD9, 32)]
_TRACE: Final = [_digits("trace_id", 32, 0xD9, 32)]
_SPAN: Final = [_digits("span_id", 16, 0xB0)]
_LATENCY: Final = _number("latency_ns", "plain", 2, 4)
# The order is part of the format: `Cut.order` names a run by its place.
_RUNS: Final[tuple[_Run, ...]] = (
    *_runs(_number("index", "growing", 1, 2, 4), [*_number("time", "growing", 8), ()]),
    *_runs(_REQUEST, [*_TRACE, ()], [*_SPAN, ()]),
    *_runs(_TRACE, [*_SPAN, ()]),
    *_runs(_number("valid_until", "growing", 8), [*_LATENCY, ()], [*_number("asked_at", "beside", 8), ()]),
    *_runs(_LATENCY, [*_number("asked_at", "growing", 8), ()]),
)
_MEMBER: Final = len(_RUNS)
_PERCENT: Final = _MEMBER + 1


def _pattern(run: _Run) -> bytes:
    digits, number = rb"[0-9a-f]{%d}", rb".{%d}"
    return b"".join(re.escape(each.before) + (digits if each.kind == "hex" else number) % each.width for each in run)


def _kept(slot: _Slot) -> int:
    """Return how many bytes of a number are kept."""
    return slot.width if slot.kind == "plain" else _STEP[slot.width]


def _length(run: _Run) -> int:
    return sum(len(each.before) + each.width for each in run)


_DIGITS: Final = [sum(each.width for each in run if each.kind == "hex") for run in _RUNS]
_NUMBERS: Final = [sum(_kept(each) for each in run if each.kind != "hex") for run in _RUNS]


def _finders() -> list[tuple[re.Pattern[bytes], dict[int, int]]]:
    """Return, for each field that begins runs, a pattern that finds the longest, and which one it is by its length.

    One pattern for a field, since a search for fixed bytes is quick, and one for any of several is not.
    """
    families: dict[bytes, list[int]] = {}
    for number, run in enumerate(_RUNS):
        families.setdefault(run[0].before[:6], []).append(number)
    found = []
    for numbers in families.values():
        by_length = {_length(_RUNS[number]): number for number in reversed(numbers)}
        longest_first = (_pattern(_RUNS[by_length[each]]) for each in sorted(by_length, reverse=True))
        found.append((re.compile(b"|".join(longest_first), re.DOTALL), by_length))
    return found


_FINDERS: Final = _finders()
_REFERENCE: Final = re.compile(rb"\xd9\x26m1\.[0-9a-f]{8}\.[a-z2-7]{%d}" % _LETTERS)


def cut(text: bytes) -> Cut | None:
    """Take the bytes of records apart; None when `join` would not give back the same."""
    places = [(each.end() - _LETTERS, each.end(), _MEMBER) for each in _REFERENCE.finditer(text)]
    for finder, by_length in _FINDERS:
        places += [(begin, end, by_length[end - begin]) for begin, end in map(re.Match.span, finder.finditer(text))]
    places += [(each.start(), each.end(), _PERCENT) for each in re.finditer(b"%", text)]
    places.sort()
    rows: list[list[bytes]] = [[] for _ in range(_PERCENT + 1)]
    pieces, order, at = [], bytearray(), 0
    for begin, end, number in places:
        if begin >= at:  # else part of a run that began before
            pieces.append(text[at:begin])
            rows[number].append(text[begin:end])
            order.append(number)
            at = end
    pieces.append(text[at:])
    small, hexes = bytearray(), bytearray()
    try:
        for run, found in zip(_RUNS, rows, strict=False):
            if found:
                digits, numbers = _columns(run, found)
                hexes += digits
                small += numbers
    except struct.error:  # a step too long
        return None
    references, members = _known(rows[_MEMBER])
    made = Cut(b"%b".join(pieces), bytes(order), bytes(small) + references, bytes(hexes), members)
    return made if join(made) == text else None


def join(parts: Cut) -> bytes:
    """Undo `cut`. Raises `ValueError` when these are not parts that belong together."""
    counts = [parts.order.count(number) for number in range(_PERCENT + 1)]
    if sum(counts) != len(parts.order):
        raise ValueError("a text of other parts")
    rows: list[Sequence[bytes]] = []
    small = hexes = 0
    try:
        for run, count in zip(_RUNS, counts, strict=False):
            numbers, digits = small, hexes
            small += count * _NUMBERS[len(rows)]
            hexes += count * _DIGITS[len(rows)] // 2
            rows.append(_rows(run, count, parts.hexes[digits:hexes], parts.small[numbers:small]) if count else ())
        rows += [_members(parts.small[small:], parts.members, counts[_MEMBER]), [b"%"] * counts[_PERCENT]]
        each = [iter(found) for found in rows]
        return parts.text % tuple(map(next, map(each.__getitem__, parts.order)))
    except (struct.error, IndexError, TypeError, OverflowError, MemoryError):
        raise ValueError("a text of other parts") from None


def _columns(run: _Run, rows: list[bytes]) -> tuple[bytes, bytes]:
    """Return what varies in the rows of a run: its digits as bytes, row by row, and its numbers, the first byte of all of them first."""
    data, width, at, digit = b"".join(rows), _length(run), 0, 0
    across = sum(slot.width for slot in run if slot.kind == "hex")
    digits, numbers = bytearray(across * len(rows)), list[bytes]()
    first: Sequence[int] = (0,) * len(rows)
    for slot in run:
        at += len(slot.before)
        cells = [data[at + each :: width] for each in range(slot.width)]
        at += slot.width
        if slot.kind == "hex":
            for cell in cells:
                digits[digit::across] = cell
                digit += 1
            continue
        numbers.append(b"".join(cells))
        if slot.kind != "plain":
            found = values(numbers.pop(), slot.width)
            before = first if slot.kind == "beside" else (0, *found[:-1])
            numbers.append(planes(list(map(int.__sub__, found, before)), _STEP[slot.width], signed=True))
            first = found
    return bytes.fromhex(digits.decode()), b"".join(numbers)


def _rows(run: _Run, count: int, hexes: bytes, numbers: bytes) -> Sequence[bytes]:
    """Undo `_columns` of at least one row. Raises `ValueError` when there are fewer bytes."""
    digits, width = hexes.hex().encode(), _length(run)
    across = len(digits) // count
    made = bytearray(b"".join(slot.before + bytes(slot.width) for slot in run) * count)
    at, digit, number, first = 0, 0, 0, [0] * count
    for slot in run:
        at += len(slot.before)
        if slot.kind == "hex":
            for each in range(slot.width):
                made[at + each :: width] = digits[digit + each :: across]
            digit += slot.width
        else:
            kept = _kept(slot)
            data = numbers[number : number + kept * count]
            number += kept * count
            if slot.kind != "plain":
                steps = values(data, kept, signed=True)
                first = list(map(int.__add__, steps, first) if slot.kind == "beside" else accumulate(steps))
                data = planes(first, slot.width)
            for each in range(slot.width):
                made[at + each :: width] = data[each * count : (each + 1) * count]
        at += slot.width
    return _cells(bytes(made), width)


def _cells(data: bytes, width: int) -> Sequence[bytes]:
    """Return what lies in `data`, each of as many bytes."""
    return struct.Struct(f"{width}s" * (len(data) // width)).unpack(data)  # the module would keep the format


def _code(width: int, signed: bool) -> str:
    return _CODES[width].lower() if signed else _CODES[width]


def values(cells: bytes, width: int, *, signed: bool = False) -> Sequence[int]:
    """Return the numbers of which these are all first bytes, then all second bytes, and so on."""
    count = len(cells) // width
    woven = bytearray(len(cells))
    for each in range(width):
        woven[each::width] = cells[each * count : (each + 1) * count]
    return struct.unpack(f">{count}{_code(width, signed)}", woven)


def planes(numbers: Sequence[int], width: int, *, signed: bool = False) -> bytes:
    """Undo `values`. Raises `struct.error` when a number has no place in `width` bytes."""
    data = struct.pack(f">{len(numbers)}{_code(width, signed)}", *numbers)
    return b"".join([data[each::width] for each in range(width)])


def _known(references: list[bytes]) -> tuple[bytes, bytes]:
    """Return each reference as a number, and their letters without repetition.

    The number is 0 for a new one, otherwise how many new ones ago it was new.
    """
    known: dict[bytes, int] = {}
    numbers = []
    for each in references:
        numbers.append(len(known) - known[each] if each in known else 0)
        known.setdefault(each, len(known))
    return planes(numbers, 4), b"".join(known)


def _members(numbers: bytes, letters: bytes, count: int) -> list[bytes]:
    """Undo `_known`. Raises `ValueError` when the parts do not belong together."""
    new = _cells(letters, _LETTERS)
    if len(numbers) != 4 * count:
        raise ValueError("a block of other parts")
    found, seen = [], 0
    for back in values(numbers, 4):
        if back:
            found.append(new[seen - back])
        else:
            found.append(new[seen])
            seen += 1
    return found
