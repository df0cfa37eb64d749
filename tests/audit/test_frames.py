from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from munjigi.audit import frames, mark, segment

PAYLOADS = st.lists(st.binary(max_size=200), max_size=6)


def test_layout_is_length_crc_type_payload() -> None:
    # CRC32C of 02 "123456789", computed bit by bit from the polynomial 0x82F63B78.
    crc = 0xFFFFFFFF
    for byte in b"\x02123456789":
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    assert frames.frame(frames.RECORD, b"123456789") == b"\x00\x00\x00\x09" + crc.to_bytes(4, "big") + b"\x02123456789"


@given(PAYLOADS)
def test_whole_frames_come_back(payloads: list[bytes]) -> None:
    data = b"".join(frames.frame(frames.RECORD, each) for each in payloads)
    part = frames.split(data)
    assert [each.payload for each in part.frames] == payloads
    assert (part.end, part.ending) == (len(data), "")
    assert [data[each.offset + 9 : each.offset + 9 + len(each.payload)] for each in part.frames] == payloads


@given(PAYLOADS.filter(bool), st.data())
def test_a_prefix_yields_the_whole_frames_in_it_and_says_incomplete(payloads: list[bytes], data: st.DataObject) -> None:
    whole = [frames.frame(frames.RECORD, each) for each in payloads]
    ends = [sum(map(len, whole[:count])) for count in range(len(whole) + 1)]
    length = data.draw(st.integers(0, ends[-1]))
    part = frames.split(b"".join(whole)[:length])
    assert part.end == max(end for end in ends if end <= length)
    assert part.ending == ("" if length in ends else "INCOMPLETE")
    assert [each.payload for each in part.frames] == payloads[: len(part.frames)]


@given(PAYLOADS.filter(bool), st.data())
def test_a_flipped_bit_is_never_taken_for_a_record(payloads: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(b"".join(frames.frame(frames.RECORD, each) for each in payloads))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    part = frames.split(bytes(whole))
    assert part.ending
    assert part.end <= bit // 8
    assert [each.payload for each in part.frames] == payloads[: len(part.frames)]


@given(st.binary(max_size=400), st.binary(max_size=40))
def test_a_record_is_found_behind_any_bytes(noise: bytes, payload: bytes) -> None:
    found = frames.find_record(noise + frames.frame(frames.RECORD, payload) + b"\x00" * 5)
    assert 0 <= found <= len(noise)


@given(st.binary(max_size=600))
def test_any_bytes_are_only_refused(data: bytes) -> None:
    part = frames.split(data)
    assert 0 <= part.end <= len(data)
    assert bool(part.ending) == (part.end < len(data))
    assert frames.find_record(data, 1) == -1 or frames.find_record(data, 1) >= 1
    assert segment.parse_header(data) is None
    assert mark.parse(data) is None


def test_zeros_are_no_frames() -> None:
    assert frames.split(bytes(4096)).ending == "BAD"
    assert frames.find_record(bytes(1 << 20)) == -1


def test_limit_stops_between_frames() -> None:
    one = frames.frame(frames.RECORD, b"x")
    assert frames.split(one * 5, 2) == frames.Split([frames.Frame(0, 2, b"x"), frames.Frame(10, 2, b"x")], 20, "")


@given(st.integers(0, 9), st.integers(0, 2**40), st.binary(min_size=32, max_size=32))
def test_headers_and_marks_come_back_and_no_byte_of_them_may_change(slot: int, index: int, chain: bytes) -> None:
    header = segment.Header("a" * 20, slot, index, 3, 97, 5, chain)
    packed = segment.pack_header(header)
    assert segment.parse_header(packed) == header
    known = mark.Mark(1, "a" * 20, slot, True, "s", 1, index, chain.hex(), (mark.Cut(index, "s", 2, 3, "d"),))
    text = mark.pack(known)
    assert mark.parse(text) == known
    for at in range(0, len(text), 7):
        assert mark.parse(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]) is None
    for at in range(len(packed)):
        assert segment.parse_header(packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]) is None
