"""What a field of records is: its names in the search index, its type there, its meaning."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["keyword", "long", "double", "boolean", "date_nanos", "address", "binary", "object"]
Law = Literal["", "identifier", "date-time", "source location", "data subject", "task"]


class Field(NamedTuple):
    """One field of records: its names in the search index, separated by blanks, its type there, its meaning.

    `kind` is a type of Elasticsearch, but for `address`: an IP address, or a word such as `local` that is none, and goes
    only where it is a keyword (ECS `*.address`), not where its type is `ip`.
    Times are UTC nanoseconds in the record. `law` is the item of an access record that the field answers
    (Notice 2026-9 of the PIPC, art. 2(3) and 8). `related`: where the value is gathered under `related.*`.
    `parts` are the fields of an object.
    """

    name: str
    stored: str
    kind: Kind
    meaning: str
    law: Law = ""
    related: Literal["", "user", "ip"] = ""
    parts: tuple[Field, ...] = ()
