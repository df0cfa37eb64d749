"""What counting looks at in a record: who read what under which grants, and nothing of the rest, which is never decoded."""

from __future__ import annotations

from typing import Final

import msgspec

from munjigi.kernel.review import Permission

Credits = tuple[tuple[str, Permission], ...]
"""Grants with the permission of each that a question used."""


class Seen(msgspec.Struct, gc=False):
    """What counting looks at in a record, of whatever type."""

    type: str
    time: int = 0
    tool: str = ""
    decision: str = ""
    action: str = ""
    resource: str = ""
    fields: msgspec.Raw = msgspec.Raw(b"\x90")
    members: tuple[str, ...] = ()
    probe: bool = False
    observe: bool = False
    own: bool = False
    policy_revision: str = ""
    valid_until: int = 0
    decision_id: str = ""
    outcome: str = ""

    @property
    def counts(self) -> bool:
        """Tell whether it is a decision that counts as use once it is confirmed."""
        enforced = self.decision == "ALLOW" and not (self.probe or self.observe or self.own)
        return enforced and self.type == "access.decision"


class _Field(msgspec.Struct):
    name: str
    effect: str
    grants: tuple[str, ...] = ()


SEEN: Final = msgspec.msgpack.Decoder(Seen)
_fields: Final = msgspec.msgpack.Decoder(tuple[_Field, ...])


def seen_of(payload: bytes) -> Seen:
    """Return what counting looks at in a record. Raises `msgspec.MsgspecError` when it is none."""
    return SEEN.decode(payload)


def credits_of(fields: msgspec.Raw, resource: str, action: str) -> Credits:
    """Return each grant that would have allowed a field of a decision, with what of it was used."""
    found: dict[tuple[str, Permission], None] = {}
    for field in _fields.decode(fields):
        if field.effect != "denied":
            name = resource if field.name == resource else f"{resource}.{field.name}"
            for grant_id in field.grants:
                found[grant_id, Permission(name, action)] = None
    return tuple(found)
