"""A list of people as CSV: read row by row, in bounded memory, every fault with its line and never with its value.

Encodings are never guessed: a file in another one than was said is refused with the name of the one that it seems to have.
"""

from __future__ import annotations

import csv
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, Literal, NamedTuple

from munjigi.cli.failure import USAGE, Failure
from munjigi.cli.moments import parse_moment, zone
from munjigi.kernel.ids import ID
from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

Encoding = Literal["utf-8", "cp949"]
FACTS: Final = ("pledge", "training", "device", "screening")
COLUMNS: Final = (
    "person_id",
    "accounts",
    "issuer",
    "principal_type",
    "department",
    "manager",
    "status",
    *(f"{kind}_until" for kind in FACTS),
)
STATUSES: Final = {"active": pb.PERSON_STATUS_ACTIVE, "leave": pb.PERSON_STATUS_LEAVE, "left": pb.PERSON_STATUS_LEFT}
TYPES: Final = {
    "employee": pb.PRINCIPAL_TYPE_EMPLOYEE,
    "contractor": pb.PRINCIPAL_TYPE_CONTRACTOR,
    "partner": pb.PRINCIPAL_TYPE_PARTNER,
    "seller": pb.PRINCIPAL_TYPE_SELLER,
    "service": pb.PRINCIPAL_TYPE_SERVICE,
}
_LONGEST_LINE: Final = 64 * 1024  # bytes
_LONGEST_CELL: Final = {"department": 64, "manager": 64, "issuer": 256}  # characters
_LONGEST_ACCOUNT: Final = 128  # bytes
_MOST_ACCOUNTS: Final = 16
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_MEMORY: Final = -32_768  # KiB that SQLite keeps of what it has seen, as its pragma wants it


class Line(NamedTuple):
    """A row with the number of its line in the file, from 1."""

    number: int
    row: pb.PersonRow


class PeopleFile:
    """A CSV file of people. `complain` is told the line and fault of what can't be taken. `taken` are the bytes that were read."""

    def __init__(self, path: Path, encoding: Encoding, complain: Callable[[int, str], None]) -> None:
        self._path = path
        self._encoding = encoding
        self._complain = complain
        self._zone = zone()
        self.taken = 0

    def rows(self) -> Iterator[Line]:
        """Yield the rows that are right by themselves. Raises `Failure` for a file that can't be read as such a list at all."""
        try:
            with self._path.open("rb") as file:
                yield from self._rows(file)
        except OSError as error:
            raise Failure(
                f"{self._path} can't be read ({error.strerror}).", "Name a CSV file that you may read.", USAGE
            ) from None
        except csv.Error:
            raise Failure(f"{self._path} is no CSV.", "Save it as comma separated values, quotes doubled.", USAGE) from None

    def _rows(self, file: IO[bytes]) -> Iterator[Line]:
        reader = csv.reader(self._lines(file), strict=True)
        columns = self._columns(next(reader, []))
        seen = _Seen()
        while True:
            number = reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                return
            if not any(cells):
                continue
            if len(cells) != len(columns):
                self._complain(
                    number, f"it has {len(cells)} cells and the first line {len(columns)}; quote cells that hold commas."
                )
                continue
            row = self._row(number, dict(zip(columns, (cell.strip() for cell in cells), strict=True)), seen)
            if row is not None:
                yield Line(number, row)

    def _lines(self, file: IO[bytes]) -> Iterator[str]:
        number = 0
        while raw := file.readline(_LONGEST_LINE + 1):
            number += 1
            self.taken += len(raw)
            if len(raw) > _LONGEST_LINE:
                raise Failure(f"{self._path}:{number}: the line is longer than 64 KiB.", "A list has one person a line.", USAGE)
            if number == 1:
                raw = self._marked(raw)
            try:
                text = raw.decode(self._encoding)
            except UnicodeDecodeError:
                raise self._misread(number, raw) from None
            if "\x00" in text:
                raise Failure(f"{self._path}:{number}: the line holds NUL bytes.", "Save the file as CSV, UTF-8 or CP949.", USAGE)
            yield text

    def _marked(self, raw: bytes) -> bytes:
        if raw.startswith(_UTF16_MARKS):
            raise Failure(f"{self._path} is UTF-16.", "Save it as CSV in UTF-8.", USAGE)
        if raw.startswith(_UTF8_MARK):
            if self._encoding != "utf-8":
                raise Failure(f"{self._path} begins as UTF-8 does.", "Read it with --encoding utf-8.", USAGE)
            return raw.removeprefix(_UTF8_MARK)
        return raw

    def _misread(self, number: int, raw: bytes) -> Failure:
        other = "cp949" if self._encoding == "utf-8" else "utf-8"
        try:
            raw.decode(other)
        except UnicodeDecodeError:
            todo = "Save it as CSV in UTF-8; this line is neither UTF-8 nor CP949."
        else:
            todo = f"It seems to be {other.upper()}: read it with --encoding {other}."
        return Failure(f"{self._path}:{number}: the line is not {self._encoding.upper()}.", todo, USAGE)

    def _columns(self, heads: list[str]) -> list[str]:
        columns = [head.strip().lower() for head in heads]
        unknown = [number for number, name in enumerate(columns, 1) if name not in COLUMNS]
        if "person_id" not in columns or unknown or len(set(columns)) != len(columns):
            which = f" (unknown: column {', '.join(map(str, unknown))})" if unknown else ""
            raise Failure(
                f"The first line of {self._path} does not name the columns of a list of people{which}.",
                f"Name person_id and any of: {', '.join(COLUMNS[1:])}; each once.",
                USAGE,
            )
        return columns

    def _row(self, number: int, cells: dict[str, str], seen: _Seen) -> pb.PersonRow | None:
        """Make the message of a row, or say all that is wrong with it."""
        faults: list[str] = []
        row = pb.PersonRow(person_id=cells["person_id"])
        if ID.match(row.person_id) is None:
            faults.append("person_id is 1 to 64 of A-Z a-z 0-9 . _ -")
        elif before := seen.before("p", row.person_id, number):
            faults.append(f"the person stands in line {before}, too; leave one")
        for name, values in (("status", STATUSES), ("principal_type", TYPES)):
            if (text := cells.get(name, "")) and text not in values:
                faults.append(f"{name} is one of: {', '.join(values)}")
        row.status = STATUSES.get(cells.get("status", ""), pb.PERSON_STATUS_ACTIVE)
        row.principal_type = TYPES.get(cells.get("principal_type", ""), pb.PRINCIPAL_TYPE_UNSPECIFIED)
        for name, longest in _LONGEST_CELL.items():
            if len(cells.get(name, "")) > longest:
                faults.append(f"{name} has at most {longest} characters")
        for name in ("department", "manager"):
            if name in cells:
                setattr(row, name, cells[name])
        faults += _accounts(row, cells, seen, number)
        for kind in FACTS:
            if text := cells.get(f"{kind}_until", ""):
                try:
                    row.facts.add(kind=kind, ends_at=parse_moment(text if "-" in text else "", 0, self._zone, end=True))
                except ValueError:
                    faults.append(f"{kind}_until is a day like 2027-06-30, or a time like 2027-06-30T18:00+09:00")
        for fault in faults:
            self._complain(number, fault + ".")
        return None if faults else row


def _accounts(row: pb.PersonRow, cells: dict[str, str], seen: _Seen, number: int) -> Iterator[str]:
    issuer = cells.get("issuer", "")
    subjects = [each for each in (part.strip() for part in cells.get("accounts", "").split(";")) if each]
    if len(subjects) > _MOST_ACCOUNTS or any(len(each.encode()) > _LONGEST_ACCOUNT for each in subjects):
        yield f"accounts are at most {_MOST_ACCOUNTS}, of at most {_LONGEST_ACCOUNT} bytes each, with ; between"
        return
    for subject in dict.fromkeys(subjects):
        row.accounts.add(issuer=issuer, subject=subject)
        if before := seen.before("a", f"{issuer}\0{subject}", number):
            yield f"an account stands in line {before}, too; it is one person's"


class _Seen:
    """What stood in earlier lines, in a temporary file: digests, so that memory does not grow with the list."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("")
        self._file.execute(f"PRAGMA cache_size = {_MEMORY}")
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._file.execute("BEGIN")

    def before(self, kind: str, text: str, line: int) -> int:
        """Return the line in which this stood first; 0, and remember it, when it is new."""
        digest = hashlib.blake2b(f"{kind}{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        added = self._file.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, line)).rowcount
        if added:
            return 0
        first: int = self._file.execute("SELECT line FROM seen WHERE digest = ?", (digest,)).fetchone()[0]
        return first
