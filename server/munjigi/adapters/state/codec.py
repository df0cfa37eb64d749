"""Edits, scopes and approver lists as JSON text, and back; bytes that don't decode are `Corruption`."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from munjigi.grants.changes import Edit, GrantEdit, GrantKind, PersonEdit
from munjigi.kernel.errors import Corruption
from munjigi.kernel.grant import Grant, Person, Scope


class _StoredEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    kind: GrantKind | Literal["person_changed"]
    grant: Grant | None = None
    person: Person | None = None


class GrantRow(NamedTuple):
    """The JSON columns of a grant's row."""

    approved_by: str
    scope: str | None


_ENCODER: Final = msgspec.json.Encoder()
_EDIT: Final = msgspec.json.Decoder(_StoredEdit)
_NAMES: Final = msgspec.json.Decoder(tuple[str, ...])
_SCOPE: Final = msgspec.json.Decoder(Scope)


def encode_edit(edit: Edit) -> str:
    """Write an edit as one JSON object."""
    stored = (
        _StoredEdit(edit.kind, grant=edit.grant) if isinstance(edit, GrantEdit) else _StoredEdit(edit.kind, person=edit.person)
    )
    return _ENCODER.encode(stored).decode()


def decode_edit(text: str) -> Edit:
    """Read an edit.

    Raises `Corruption` when the text is not one.
    """
    try:
        stored = _EDIT.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise _corrupt() from None
    if stored.kind == "person_changed":
        if stored.person is not None:
            return PersonEdit(stored.kind, stored.person)
    elif stored.grant is not None:
        return GrantEdit(stored.kind, stored.grant)
    raise _corrupt()


def encode_grant(grant: Grant) -> GrantRow:
    """Write the lists of a grant."""
    scope = None if grant.scope is None else _ENCODER.encode(grant.scope).decode()
    return GrantRow(_ENCODER.encode(grant.approved_by).decode(), scope)


def decode_grant(row: GrantRow) -> tuple[tuple[str, ...], Scope | None]:
    """Read the lists of a grant: approvers and scope.

    Raises `Corruption` when they don't decode.
    """
    try:
        return _NAMES.decode(row.approved_by), None if row.scope is None else _SCOPE.decode(row.scope)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise _corrupt() from None


def _corrupt() -> Corruption:
    return Corruption("STATE_CORRUPT", "The state store holds a row that can't be read; restore it from a backup.")
