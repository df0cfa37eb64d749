"""The synthetic members: always the same, shaped like the catalog, and nobody's data."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from munjigi.adapters.sample.members import FIRST_SERIAL, MEMBERS, TABLES, passes_luhn, resident_check_digit

CATALOG = Path(__file__).parents[2] / "policies" / "catalog.toml"
DIGEST = "e70c0f4d77b7ce484e2dd448ea24b2b4fce18222b9f61bb4b8160aac21e0490b"


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, str]]]:
    return {
        table.name: [dict(zip(table.columns.split(", "), row.rstrip("\n").split("\t"), strict=True)) for row in table.rows()]
        for table in TABLES
    }


def test_tables_and_columns_are_the_catalogs() -> None:
    catalog = tomllib.loads(CATALOG.read_text(encoding="utf-8"))["tables"]
    assert {f"crm.{table.name}": table.columns.split(", ") for table in TABLES} == {
        name: table["columns"] for name, table in catalog.items() if name.startswith("crm.")
    }


def test_the_same_rows_everywhere() -> None:
    digest = hashlib.sha256()
    for table in TABLES:
        digest.update("".join(table.rows()).encode())
    assert digest.hexdigest() == DIGEST, "the data changed: raise VERSION in members.py, then this digest"


def test_counts_and_serials(rows: dict[str, list[dict[str, str]]]) -> None:
    assert {table.name: table.row_count for table in TABLES} == {name: len(found) for name, found in rows.items()}
    assert [int(row["serial"]) for row in rows["member"]] == list(range(1_000_001, 1_050_001))
    assert {int(row["serial"]) for row in rows["dormant_member"]}.isdisjoint(range(1_000_001, 1_050_001))


def test_every_row_belongs_to_a_member(rows: dict[str, list[dict[str, str]]]) -> None:
    serials = range(FIRST_SERIAL, FIRST_SERIAL + MEMBERS)
    for name in ("member_order", "payment", "inquiry"):
        assert all(int(row["member_serial"]) in serials for row in rows[name]), name


def test_the_case_of_the_tour_is_the_first_members(rows: dict[str, list[dict[str, str]]]) -> None:
    owners = {row["case_id"]: row["member_serial"] for row in rows["inquiry"]}
    assert owners["CS-2026-000123"] == "1000001"
    assert all(re.fullmatch(r"CS-2026-\d{6}", case) for case in owners)
    assert len(owners) == len(set(owners.values()))


def test_p5_no_value_could_be_anybodys(rows: dict[str, list[dict[str, str]]]) -> None:
    for row in (*rows["member"], *rows["dormant_member"]):
        assert re.fullmatch(r"010-0\d{3}-\d{4}", row["phone"])
        assert row["email"].endswith("@example.com")
        assert "견본로" in row["address"]
        digits = row["resident_number"].replace("-", "")
        assert digits[:6] == row["birth_date"][2:].replace("-", "")
        assert row["birth_date"] < "2020"  # later numbers have no check digit that could be wrong
        assert int(digits[12]) != resident_check_digit(digits[:12])
    for row in rows["payment"]:
        assert re.fullmatch(r"9\d{15}", row["card_number"])
        assert not passes_luhn(row["card_number"])
    for row in rows["inquiry"]:
        assert all(phone.startswith("010-0") for phone in re.findall(r"\d[\d-]{8,}", row["body"]))


def test_the_checks_know_right_digits() -> None:
    # Published test numbers of card schemes; the resident digit spelled out as the rule's text has it.
    assert passes_luhn("4111111111111111")
    assert passes_luhn("378282246310005")
    assert not passes_luhn("4111111111111112")
    a, b, c, d, e, f, g, h, i, j, k, m = (int(digit) for digit in "850101123456")
    total = 2 * a + 3 * b + 4 * c + 5 * d + 6 * e + 7 * f + 8 * g + 9 * h + 2 * i + 3 * j + 4 * k + 5 * m
    assert resident_check_digit("850101123456") == int(str(11 - total % 11)[-1])
