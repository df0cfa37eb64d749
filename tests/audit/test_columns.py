"""Blocks of packed segments: whatever bytes records have, they come back, and what is no block is refused."""

from __future__ import annotations

from base64 import b32encode
from random import Random
from uuid import UUID

from audit.support import START, access, confirm
from hypothesis import given
from hypothesis import strategies as st

from munjigi.audit import blocks, columns, frames
from munjigi.audit.records import encode

PIECES = [
    b"%",
    b"%b",
    b"%%",
    b"\xa5index\xcc",
    b"\xa5index\xcd",
    b"\xa5index\xce",
    b"\xa4time\xcf",
    b"\xaarequest_id\xd9$",
    b"\xaarequest_id\xd9 ",
    b"\xa8trace_id\xd9 ",
    b"\xa7span_id\xb0",
    b"\xabvalid_until\xcf",
    b"\xaalatency_ns\xcd",
    b"\xaalatency_ns\xce",
    b"\xa8asked_at\xcf",
    b"\xd9&m1.01234567.",
    b"a" * 26,
    b"0" * 32,
    b"01234567-89ab-cdef-0123-456789abcdef",
    b"\xff" * 8,
    b"\x00" * 8,
]


def ordinary(count: int, seed: int = 1) -> list[bytes]:
    """Records with every kind of id, of several tools that don't all send them."""
    random = Random(seed)
    now, made = START, []
    members = [f"m1.01234567.{b32encode(random.randbytes(16)).decode().rstrip('=').lower()}" for _ in range(count // 3 + 1)]
    for index in range(count):
        now += random.randrange(1, 10_000_000)
        record = access(index) if random.random() < 0.6 else confirm("a" * 20 + f"-{index}")
        record.index, record.time, record.members = 1_000 + index, now, tuple(random.sample(members, random.randrange(2)))
        if random.random() < 0.8:
            uuid = UUID(bytes=random.randbytes(16), version=4)
            record.request_id = random.choice([str(uuid), uuid.hex, str(uuid).upper(), f"case 50%{index}", ""])
        if random.random() < 0.8:
            record.trace_id, record.span_id = random.randbytes(16).hex(), random.choice(["", random.randbytes(8).hex()])
        if hasattr(record, "asked_at"):
            record.asked_at, record.latency_ns = now - 5, random.choice([0, 7, 40_000, 140_000])
            record.valid_until = random.choice([0, now + 60_000_000_000])
        if not record.members and hasattr(record, "subject_count"):
            record.subject_count = 5
        made.append(encode(record))
    return made


def of(payloads: list[bytes], kinds: bytes = b"") -> list[frames.Frame]:
    whole = b"".join(map(frames.frame, kinds or bytes([frames.RECORD] * len(payloads)), payloads))
    return frames.split(whole).frames


def bytes_of(found: list[frames.Frame]) -> bytes:
    return b"".join(frames.frame(each.kind, each.payload) for each in found)


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), max_size=60).map(b"".join))
def test_whatever_is_cut_is_joined_again(text: bytes) -> None:
    parts = columns.cut(text)
    assert parts is None or columns.join(parts) == text


@given(
    st.lists(
        st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), max_size=8).map(b"".join), min_size=1, max_size=9
    ),
    st.randoms(use_true_random=False),
)
def test_whatever_records_are_packed_come_back(payloads: list[bytes], random: Random) -> None:
    found = of(payloads, bytes(random.choice([frames.RECORD, frames.FURTHER]) for _ in payloads))
    content = blocks.unpack(blocks.pack(found))
    assert (content.data, content.size) == (bytes_of(found), len(bytes_of(found)))
    assert content.split(0, 99) == frames.Split(found, content.size, "")
    for number, each in enumerate(found):
        part = content.split(each.offset, 2)
        assert part is not None
        assert [one[1:] for one in part.frames] == [one[1:] for one in found[number : number + 2]]
        assert part == frames.split(content.data[each.offset :], 2)
        assert content.split(each.offset + 1, 1) is None or content.data[each.offset + 1 :] == b""


@given(st.integers(1, 60), st.integers(0, 50))
def test_ordinary_records_are_taken_apart(count: int, seed: int) -> None:
    payloads = ordinary(count, seed)
    parts = columns.cut(b"".join(payloads))
    assert parts is not None
    assert columns.join(parts) == b"".join(payloads)
    assert b"\xa4time\xcf" not in parts.text
    assert blocks.unpack(blocks.pack(of(payloads))).data == bytes_of(of(payloads))


def test_random_ids_take_what_their_bits_take_and_repeated_ones_nothing() -> None:
    random, count = Random(7), 2_000

    def packed(*, fresh: bool) -> float:
        made = []
        for index in range(count):
            if fresh or not made:
                ids = {"request_id": str(UUID(bytes=random.randbytes(16))), "trace_id": random.randbytes(16).hex()}
                member = f"m1.01234567.{b32encode(random.randbytes(16)).decode().rstrip('=').lower()}"
            record = access(index, **ids, span_id=random.randbytes(8).hex(), members=(member,))
            record.index, record.time = 1_000_000 + index, START + 1_000_000 * index
            made.append(encode(record))
        return len(blocks.pack(of(made))) / count

    assert packed(fresh=True) < 16 + 16 + 8 + 16 + 3
    assert packed(fresh=False) < 8 + 10  # one request of many items: a repetition of 32 bytes a record, and the span


def test_what_has_no_columns_is_kept_as_it_is() -> None:
    steps = [b"\xabvalid_until\xcf" + at.to_bytes(8, "big") for at in (0, (1 << 64) - 1)]
    assert columns.cut(b"".join(steps)) is None  # further apart than a difference may be
    assert blocks.unpack(blocks.pack(of(steps))).data == bytes_of(of(steps))


BLOCK = blocks.pack(of(ordinary(12)))


@given(st.integers(0, len(BLOCK) - 1), st.integers(1, 255))
def test_what_is_no_block_is_refused(at: int, flip: int) -> None:
    content = blocks.unpack(BLOCK).data
    for changed in (
        BLOCK[:at],
        BLOCK[:at] + bytes([flip]) + BLOCK[at:],
        BLOCK[:at] + bytes([BLOCK[at] ^ flip]) + BLOCK[at + 1 :],
    ):
        try:
            assert blocks.unpack(changed).data == content  # a byte that Zstandard does not look at
        except ValueError:
            continue


@given(st.data())
def test_parts_that_do_not_belong_together_are_refused_or_something_else_comes_of_them(data: st.DataObject) -> None:
    parts = columns.cut(b"".join(ordinary(9)))
    assert parts is not None
    name = data.draw(st.sampled_from(columns.Cut._fields))
    changed = parts._replace(**{name: data.draw(st.binary(max_size=80) | st.just(getattr(parts, name)[1:]))})
    try:
        assert isinstance(columns.join(changed), bytes)
    except ValueError:
        return
