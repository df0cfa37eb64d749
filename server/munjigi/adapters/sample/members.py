"""Fifty thousand members who don't exist: the same bytes on every machine, and no value that could be anybody's.

- Telephone numbers start with 010-0: no mobile subscriber number does (they run from 010-2 on).
- Resident numbers have a wrong check digit (weights 2 to 9, 2 to 5, modulo 11), birth years before the digit was
  given up in October 2020; card numbers fail Luhn's check (ISO/IEC 7812-1).
- E-mail addresses live under example.com (RFC 2606); streets are called Sample Street.

Rows are in PostgreSQL's COPY text format: tabs between columns, a newline at the end; no value needs escaping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final, NamedTuple

DATABASE: Final = "crm"
READER: Final = "crm_desk"  # the role that tools read with
VERSION: Final = 1  # raise it with any change of the data: existing sample databases are then made anew
FIRST_SERIAL: Final = 1_000_001
MEMBERS: Final = 50_000
DORMANT: Final = 2_000
ORDERS: Final = 100_000
PAYMENTS: Final = 80_000
INQUIRIES: Final = 5_000
TOUR_CASE: Final = 123  # CS-2026-000123 is the first member's: the README's tour asks for it

_MEMBER_COLUMNS: Final = "serial, name, phone, email, birth_date, address, resident_number, joined_at, status"
_FAMILY: Final = "김이박최정강조윤장임한오서신권황안송전홍"
_GIVEN_1: Final = "민서지수하도예준현유은시주채태윤"
_GIVEN_2: Final = "준우연윤원아진호빈린영현서희성찬"
_PLACES: Final = (
    "서울특별시 중구",
    "서울특별시 마포구",
    "부산광역시 남구",
    "대구광역시 북구",
    "인천광역시 서구",
    "광주광역시 동구",
    "대전광역시 유성구",
    "경기도 수원시",
    "강원특별자치도 춘천시",
    "제주특별자치도 제주시",
)
_PRODUCTS: Final = ("무선 청소기", "운동화", "도서 세트", "커피 원두", "겨울 외투", "여행 가방", "공기 청정기", "주방 칼 세트")
_BODIES: Final = (
    "주문한 상품이 아직 도착하지 않았습니다.",
    "환불 절차를 알고 싶습니다.",
    "배송지를 바꾸고 싶습니다.",
    "결제가 두 번 되었습니다.",
    "비밀번호를 잊었습니다.",
)
_STATES: Final = ("active",) * 17 + ("suspended", "leaving", "active")
_BIRTHS_FROM: Final = date(1945, 1, 1)
_BIRTH_DAYS: Final = (date(2006, 12, 31) - _BIRTHS_FROM).days
_JOINED_FROM: Final = datetime(2015, 1, 1, tzinfo=UTC)
_TRADE_FROM: Final = datetime(2025, 1, 1, tzinfo=UTC)
_ASKED_FROM: Final = datetime(2026, 1, 1, tzinfo=UTC)
_RESIDENT_WEIGHTS: Final = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


class SampleTable(NamedTuple):
    """One table: how it is made, the columns of its rows, how many there are, and the rows."""

    name: str
    definition: str
    columns: str
    row_count: int
    rows: Callable[[], Iterator[str]]


def resident_check_digit(digits: str) -> int:
    """Return the check digit that a real resident number with these first 12 digits has."""
    return (11 - sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, digits, strict=True)) % 11) % 10


def passes_luhn(digits: str) -> bool:
    """Tell whether a card number has a right check digit."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        digit = int(char) * (2 if position % 2 else 1)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


def _people(first: int, count: int, seed: int) -> Iterator[str]:
    draw = Random(seed).getrandbits  # noqa: S311 - repeatable on purpose; nothing secret
    for serial in range(first, first + count):
        bits = draw(64)
        bits, family = divmod(bits, len(_FAMILY))
        bits, given_1 = divmod(bits, len(_GIVEN_1))
        bits, given_2 = divmod(bits, len(_GIVEN_2))
        bits, birth = divmod(bits, _BIRTH_DAYS)
        bits, phone = divmod(bits, 10_000_000)
        bits, house = divmod(bits, 300)
        bits, place = divmod(bits, len(_PLACES))
        tail, joined, state = draw(20) % 100_000, draw(32) % 315_360_000, draw(20) % len(_STATES)  # joined within ten years
        born = _BIRTHS_FROM + timedelta(days=birth)
        century_and_sex = (3 if born.year >= 2000 else 1) + (serial & 1)
        digits = f"{born:%y%m%d}{century_and_sex}{tail:05d}"
        wrong = (resident_check_digit(digits) + 1 + serial % 9) % 10
        phone_text = f"{phone:07d}"
        yield (
            f"{serial}\t{_FAMILY[family]}{_GIVEN_1[given_1]}{_GIVEN_2[given_2]}\t010-0{phone_text[:3]}-{phone_text[3:]}\t"
            f"member{serial}@example.com\t{born}\t{_PLACES[place]} 견본로 {house + 1}\t{digits[:6]}-{digits[6:]}{wrong}\t"
            f"{_JOINED_FROM + timedelta(seconds=joined)}\t{_STATES[state]}\n"
        )


def _orders() -> Iterator[str]:
    draw = Random(2).getrandbits  # noqa: S311 - repeatable on purpose; nothing secret
    for order in range(1, ORDERS + 1):
        bits, product = divmod(draw(64), len(_PRODUCTS))
        bits, amount = divmod(bits, 500)
        bits, second = divmod(bits, 40_000_000)
        yield (
            f"{order}\t{FIRST_SERIAL + bits % MEMBERS}\t{_TRADE_FROM + timedelta(seconds=second)}\t{_PRODUCTS[product]}\t"
            f"{(amount + 1) * 1000}\n"
        )


def _payments() -> Iterator[str]:
    draw = Random(3).getrandbits  # noqa: S311 - repeatable on purpose; nothing secret
    for payment in range(1, PAYMENTS + 1):
        bits, amount = divmod(draw(64), 500)
        bits, second = divmod(bits, 40_000_000)
        card = f"9{draw(50) % 10**14:014d}"
        wrong = next(digit for digit in "0123456789" if not passes_luhn(card + digit))
        yield (
            f"{payment}\t{FIRST_SERIAL + bits % MEMBERS}\t{_TRADE_FROM + timedelta(seconds=second)}\t{(amount + 1) * 1000}\t"
            f"{card}{wrong}\n"
        )


def _inquiries() -> Iterator[str]:
    for number in range(1, INQUIRIES + 1):
        member = FIRST_SERIAL + (number - TOUR_CASE) * 7919 % MEMBERS  # 7919 is prime: each case has a member of its own
        body = _BODIES[number % len(_BODIES)]
        if number % 50 == 0:  # people write such things into free text
            body += f" 연락처는 010-0000-{number:04d} 입니다."
        opened = _ASKED_FROM + timedelta(minutes=number * 40)
        yield f"CS-2026-{number:06d}\t{member}\t{opened}\t{('open', 'waiting', 'closed')[number % 3]}\t{body}\n"


def _people_table(name: str, first: int, count: int, seed: int) -> SampleTable:
    definition = (
        "serial bigint PRIMARY KEY, name text NOT NULL, phone text NOT NULL, email text NOT NULL, birth_date date NOT NULL,"
        " address text NOT NULL, resident_number text NOT NULL, joined_at timestamptz NOT NULL, status text NOT NULL"
    )
    return SampleTable(name, definition, _MEMBER_COLUMNS, count, lambda: _people(first, count, seed))


TABLES: Final = (
    _people_table("member", FIRST_SERIAL, MEMBERS, 1),
    _people_table("dormant_member", FIRST_SERIAL + MEMBERS, DORMANT, 4),
    SampleTable(
        "member_order",
        "order_id bigint PRIMARY KEY, member_serial bigint NOT NULL, ordered_at timestamptz NOT NULL, product text NOT NULL,"
        " amount integer NOT NULL",
        "order_id, member_serial, ordered_at, product, amount",
        ORDERS,
        _orders,
    ),
    SampleTable(
        "payment",
        "payment_id bigint PRIMARY KEY, member_serial bigint NOT NULL, paid_at timestamptz NOT NULL, amount integer NOT NULL,"
        " card_number text NOT NULL",
        "payment_id, member_serial, paid_at, amount, card_number",
        PAYMENTS,
        _payments,
    ),
    SampleTable(
        "inquiry",
        "case_id text PRIMARY KEY, member_serial bigint NOT NULL, opened_at timestamptz NOT NULL, status text NOT NULL,"
        " body text NOT NULL",
        "case_id, member_serial, opened_at, status, body",
        INQUIRIES,
        _inquiries,
    ),
)
