"""Promise P5 from outside: whatever personal value is put into whatever field of whatever call, it is nowhere afterwards."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from e2e_asking import question
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from running import Daemon, serving

from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.audit.schema.ecs import document
from munjigi.audit.schema.ocsf import ocsf
from munjigi_client._calls import METHODS
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

# A name, telephone numbers, a resident number and a card number with wrong check digits, an e-mail address, a token.
SHAPED = (
    "010-0123-4567",
    "+82 10 0123 4567",
    "900101-1234560",
    "4111-1111-1111-1112",
    "gildong.hong@example.com",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJnaWxkb25nIn0.c2lnbmF0dXJl",
)
PLANTED = ("홍길동", *SHAPED)
SERIAL = "31415926535"  # nothing tells a serial from another number: planted only where one belongs
SERIALS = ("member_ids", "member_id")
# A typed reason is read by people and may hold any word: what has a shape is refused there, and a name has none.
PROSE = ("reason",)
SECONDS = 30


def places(message: Message) -> Iterator[tuple[FieldDescriptor, ...]]:
    """Every way to a text or bytes inside a message, one level of messages deep."""
    for field in message.DESCRIPTOR.fields:
        if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield (field,)
        elif field.message_type is not None and field.message_type.full_name.startswith("munjigi."):
            if field.message_type.GetOptions().map_entry:
                yield (field,)
            else:
                for inner in field.message_type.fields:
                    if inner.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
                        yield (field, inner)


def plant(message: Any, way: tuple[FieldDescriptor, ...], value: str) -> None:
    """Put a value where `way` leads."""
    field, *rest = way
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        held = getattr(message, field.name)
        held[value] = value.encode() if field.message_type.fields_by_name["value"].type == FieldDescriptor.TYPE_BYTES else value
        return
    if rest:
        inner = getattr(message, field.name)
        plant(inner.add() if field.is_repeated else inner, tuple(rest), value)
        return
    content: Any = value.encode() if field.type == FieldDescriptor.TYPE_BYTES else value
    if field.is_repeated:
        getattr(message, field.name)[:] = [content]
    else:
        setattr(message, field.name, content)


def blank(kind: type[Message]) -> Message:
    """A request of this kind that would be taken, as far as one can be made of nothing."""
    if kind is pb.CheckRequest:
        return question()
    made: Any = kind()
    for field in made.DESCRIPTOR.fields:
        if field.message_type is pb.CheckRequest.DESCRIPTOR:
            held = getattr(made, field.name)
            (held.add() if field.is_repeated else held).CopyFrom(question())
    return made


def planted_in(field: str) -> tuple[str, ...]:
    """Return what is planted in a field of this name."""
    if field in SERIALS:
        return (SERIAL,)
    return (*SHAPED, SERIAL) if field in PROSE else PLANTED


def everything_asked(daemon: Daemon) -> tuple[int, list[str]]:
    """Ask every call with every value in every place; return how many, and what was answered."""
    answers: list[str] = []
    count = 0
    with daemon.channel() as channel:
        for kind, (path, answer) in METHODS.items():
            call = channel.unary_unary(
                path, request_serializer=kind.SerializeToString, response_deserializer=answer.FromString, _registered_method=False
            )
            for employee, tool in (("cs.kim", "crm-desk"), ("dpo.yoon", "munjigi-cli")):
                metadata = daemon.credentials(employee, tool)
                for way in places(kind()):
                    for value in planted_in(way[-1].name):
                        request = blank(kind)
                        plant(request, way, value)
                        count += 1
                        try:
                            call(request, metadata=metadata, timeout=SECONDS)
                        except grpc.RpcError as error:
                            answers.append(f"{error.details()} {error.trailing_metadata()}")
        ask = channel.unary_unary(
            "/munjigi.v1.DecisionService/Check", request_serializer=pb.CheckRequest.SerializeToString, _registered_method=False
        )
        for value in (each for each in PLANTED if each.isascii()):
            headers: tuple[tuple[str, str], ...]
            for headers in (
                (*daemon.credentials("cs.kim"), ("traceparent", value)),
                (("authorization", f"Bearer {value}"), daemon.credentials("cs.kim")[1]),
                (daemon.credentials("cs.kim")[0], ("munjigi-tool-token", value)),
            ):
                count += 1
                try:
                    ask(question(), metadata=headers, timeout=SECONDS)
                except grpc.RpcError as error:
                    answers.append(f"{error.details()} {error.trailing_metadata()}")
    return count, answers


def test_p5_no_planted_value_is_found_anywhere(tmp_path: Path) -> None:
    with serving(tmp_path / "var") as daemon:
        count, refusals = everything_asked(daemon)
        with urllib.request.urlopen(f"http://{daemon.http_address}/metrics", timeout=SECONDS) as page:
            metrics = page.read().decode()
        sources = LogSources(StateFolder(daemon.state_dir))
        shown = []
        for source in sources.look():
            at = 0
            while found := source.read(at, 500):
                at = found[-1][0] + 1
                shown += [
                    json.dumps(make(source.log_id, index, payload), ensure_ascii=False)
                    for index, payload in found
                    for make in (document, ocsf)
                ]
        sources.close()
    files = {path: path.read_bytes() for path in daemon.state_dir.rglob("*") if path.is_file()}
    assert count > 300
    assert len(refusals) > 100
    assert len(shown) > 200
    for value in (*PLANTED, SERIAL):
        assert not [path.name for path, content in files.items() if value.encode() in content], value
        for text in (metrics, daemon.text, *shown):
            assert value not in text
        # An answer may repeat what the asker typed in no text; a serial, a name and a number are all a caller's.
        assert not [each for each in refusals if value in each], value
