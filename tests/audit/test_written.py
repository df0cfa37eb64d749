"""What is written fast is the document, whatever was written before, and what is no record is refused as by the slow way."""

from __future__ import annotations

import msgspec
import orjson
import pytest
from audit.support import START, access
from audit.test_schema import LOG, any_record, each_event
from hypothesis import given
from hypothesis import strategies as st

from munjigi.audit import records
from munjigi.audit.records import decode, encode
from munjigi.audit.schema import written
from munjigi.audit.schema.catalogue import Event, fields_of
from munjigi.audit.schema.ecs import document
from munjigi.audit.schema.written import write
from munjigi.kernel.errors import Corruption


def same(payload: bytes) -> bool:
    time, found = write(LOG, 7, payload)
    wanted = orjson.dumps(document(LOG, 7, payload), option=orjson.OPT_SORT_KEYS)
    return time == decode(payload).time and orjson.dumps(orjson.loads(found), option=orjson.OPT_SORT_KEYS) == wanted


@each_event
@given(data=st.data())
def test_p7_what_is_written_is_the_document(event: Event, data: st.DataObject) -> None:
    payload, other = data.draw(any_record(event)), data.draw(any_record(event))
    assert same(payload)
    assert same(payload)  # out of what was kept
    changes = {
        name: getattr(decode(other), name) for name in data.draw(st.sets(st.sampled_from([f.name for f, _ in fields_of(event)])))
    }
    assert same(encode(msgspec.structs.replace(decode(payload), **{**changes, "index": 7})))


@each_event
@given(data=st.data())
def test_p7_a_default_that_stands_in_a_record_is_left_out_all_the_same(event: Event, data: st.DataObject) -> None:
    record = decode(data.draw(any_record(event)))
    listed = fields_of(event)
    emptied = data.draw(st.sets(st.sampled_from([field.name for field, _ in listed])))
    given_all = {field.name: getattr(record, field.name) for field, _ in listed}
    given_all |= {field.name: default for field, default in listed if field.name in emptied and default is not msgspec.NODEFAULT}
    assert same(msgspec.msgpack.encode({"type": event.name, **given_all, "index": 7}))


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "_KEPT", 10)
    kept = next(form for pieces, form in written._FORMS.items() if pieces.__name__ == "AccessRecord").kept
    for number in range(35):
        record = access(number, employee=f"bounded.{number}")
        record.index, record.time = 7, START
        assert same(encode(record))
        assert len(kept) <= 10


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x80",
        b"\x81\xa4type\xa7unknown",
        encode(records.TailCutRecord(index=1, time=1, file="", offset=0, length=0, digest="")),
        msgspec.msgpack.encode(
            {"type": "journal.tail_cut", "index": 7, "time": 1, "file": 5, "offset": 0, "length": 0, "digest": ""}
        ),
        msgspec.msgpack.encode(
            {"type": "journal.tail_cut", "index": 7, "time": 1, "file": "", "offset": "0", "length": 0, "digest": ""}
        ),
        msgspec.msgpack.encode({"type": "journal.tail_cut", "index": 7, "time": 1, "offset": 0, "length": 0, "digest": ""}),
        encode(records.TailCutRecord(index=7, time=1, file="A" * 3, offset=0, length=0, digest="")).replace(b"AAA", b"A\xff\xfe"),
    ],
)
def test_bytes_that_are_no_record_of_the_place_are_corruption(payload: bytes) -> None:
    for make in (document, write):
        with pytest.raises(Corruption) as told:
            make(LOG, 7, payload)
        assert told.value.reason == "RECORD_UNREADABLE"
