"""Filters: `eq` and `and` over what identifies a user (RFC 7644, 3.4.2.2); what else there is, is refused by name."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import orjson

from munjigi.adapters.scim.refusals import Refused
from munjigi.adapters.scim.users import FIELDS, User, plain, value_of

_LONGEST: Final = 2048  # characters
_TERM: Final = re.compile(r'\s*([A-Za-z$][\w:.$-]{0,200})\s+([A-Za-z]{2})\s+("(?:[^"\\]|\\.)*"|[A-Za-z0-9.+-]+)\s*', re.ASCII)
_AND: Final = re.compile(r"and\s", re.IGNORECASE)
_SUPPORTED: Final = (
    "Filters are `eq` on userName, externalId, active, id, department, employeeNumber or manager, joined by `and`."
)


class Term(NamedTuple):
    """`field eq value`; a field of `User`, or `id`."""

    field: str
    value: str | bool

    def holds(self, person_id: str, user: User) -> bool:
        """Tell whether it is so of a user."""
        found = person_id if self.field == "id" else getattr(user, self.field)
        return bool(found == self.value)


def parse_filter(text: str) -> tuple[Term, ...]:
    """Return the terms of a filter, all of which must hold; none of an empty one. Raises `Refused` `invalidFilter`."""
    terms: list[Term] = []
    if not text.strip():
        return ()
    if len(text) > _LONGEST:
        raise _bad("A filter has at most 2,048 characters.")
    place = 0
    while True:
        found = _TERM.match(text, place)
        if found is None:
            raise _bad(_SUPPORTED)
        terms.append(_term(*found.groups()))
        place = found.end()
        if place == len(text):
            return tuple(terms)
        joined = _AND.match(text, place)
        if joined is None:
            raise _bad(_SUPPORTED)
        place = joined.end()


def _term(attribute: str, operator: str, written: str) -> Term:
    name = plain(attribute).removesuffix(".value")
    if operator.lower() != "eq" or (name not in FIELDS and name != "id"):
        raise _bad(_SUPPORTED)
    try:
        value = orjson.loads(written.lower() if written[0] != '"' else written)
    except orjson.JSONDecodeError:
        raise _bad("A filter's value is a text in double quotes, or true or false.") from None
    if name == "active":
        return Term(name, value_of(name, value))
    if not isinstance(value, str):
        raise _bad("This attribute is compared with a text in double quotes.")
    return Term(FIELDS.get(name, name), value)


def _bad(message: str) -> Refused:
    return Refused("invalidFilter", message)
