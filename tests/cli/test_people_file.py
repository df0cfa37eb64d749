"""Lists of people as CSV: what is no list, which encodings are told apart, and that memory does not grow with the list."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from munjigi.cli.failure import USAGE, Failure
from munjigi.cli.people_file import PeopleFile
from munjigi_client._proto.munjigi.v1 import people_pb2 as pb


def read(path: Path, encoding: Any = "utf-8") -> tuple[list[pb.PersonRow], list[tuple[int, str]]]:
    faults: list[tuple[int, str]] = []
    rows = [line.row for line in PeopleFile(path, encoding, lambda line, fault: faults.append((line, fault))).rows()]
    return rows, faults


@pytest.mark.parametrize(
    ("content", "encoding", "words"),
    [
        (b"", "utf-8", "does not name the columns"),
        (b"person_id,salary,x\n", "utf-8", "unknown: column 2, 3"),
        (b"person_id,person_id\n", "utf-8", "each once"),
        ("person_id\nkim".encode("utf-16"), "utf-8", "is UTF-16"),
        ("\ufeffperson_id,department\nx,상담\n".encode(), "cp949", "--encoding utf-8"),
        ("person_id,department\nx,상담\n".encode("cp949"), "utf-8", "people.csv:2: the line is not UTF-8. It seems to be CP949"),
        ("person_id,department\nx,상담\n".encode() + b"y,\xff\xff\n", "utf-8", "neither UTF-8 nor CP949"),
        (b"person_id\n" + b"x" * 70_000, "utf-8", "longer than 64 KiB"),
        (b"person_id\nx\x00y\n", "utf-8", "NUL"),
        (b'person_id,department\n"x"y,z\n', "utf-8", "is no CSV"),
    ],
)
def test_a_file_that_is_no_such_list(tmp_path: Path, content: bytes, encoding: str, words: str):
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    with pytest.raises(Failure) as caught:
        read(path, encoding)
    assert (words in f"{caught.value.what} {caught.value.todo}", caught.value.code) == (True, USAGE)


def test_a_row_says_what_its_columns_say_and_no_more(tmp_path: Path):
    path = tmp_path / "people.csv"
    path.write_text(
        "\ufeffPerson_ID , accounts,issuer,principal_type,device_until\r\n"
        'e.1,"a; b ;a",https://id.example,contractor,2027-01-02T03:04:05+09:00\r\n',
        encoding="utf-8",
    )
    accounts = [pb.Account(issuer="https://id.example", subject=each) for each in "ab"]
    facts = [pb.Fact(kind="device", ends_at=1798826645 * 10**9)]
    row = pb.PersonRow(
        person_id="e.1",
        status=pb.PERSON_STATUS_ACTIVE,
        principal_type=pb.PRINCIPAL_TYPE_CONTRACTOR,
        accounts=accounts,
        facts=facts,
    )
    assert read(path) == ([row], [])
    assert not row.HasField("department")


@pytest.mark.no_cover  # the same lines for each row
def test_a_million_rows_are_read_in_bounded_memory(tmp_path: Path):
    path = tmp_path / "people.csv"
    with path.open("w") as file:
        file.write("person_id,accounts\n")
        file.writelines(f"e.{number},a{number}\n" for number in range(40_000))
        file.write("e.1,a2\n")
    faults: list[tuple[int, str]] = []
    tracemalloc.start()
    try:
        count = sum(1 for _ in PeopleFile(path, "utf-8", lambda line, fault: faults.append((line, fault))).rows())
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert count == 40_000
    assert [(line, fault.split(" stands")[0]) for line, fault in faults] == [(40_002, "the person"), (40_002, "an account")]
