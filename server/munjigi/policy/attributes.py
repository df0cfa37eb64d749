"""What a condition may look at: each attribute with its type, its values, and what it means. Lint and docs use this list."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

from munjigi.kernel.grant import PrincipalType
from munjigi.policy.calendar import WEEKDAYS

Kind = Literal["text", "flag", "number"]


class Attribute(NamedTuple):
    """One attribute. `values` are all that a text can be, empty when it can be anything."""

    kind: Kind
    meaning: str
    values: tuple[str, ...] = ()


# r.NAME
REQUEST: Final[dict[str, Attribute]] = {
    "sub": Attribute("text", "the employee's subject"),
    "obj": Attribute("text", "the column, class or resource of Munjigi asked for"),
    "act": Attribute("text", "the action"),
    "purpose": Attribute("text", "the purpose"),
}
# r.ctx.NAME
CONTEXT: Final[dict[str, Attribute]] = {
    "ip": Attribute("text", "the employee's address; for ipMatch"),
    "principal_type": Attribute("text", "what the account is", get_args(PrincipalType)),
    "department": Attribute("text", "the employee's department; empty when not known"),
    "tool": Attribute("text", "the calling tool"),
    "device": Attribute("flag", "the device is managed, on file and in force"),
    "pledge": Attribute("flag", "the confidentiality pledge is on file and in force"),
    "training": Attribute("flag", "the training is on file and in force"),
    "intent": Attribute("text", "PROBE asks what would be allowed and permits no read", ("ACCESS", "PROBE")),
    "subjects": Attribute("number", "how many members are asked for; 0 only for a PROBE that gives none, and on Munjigi itself"),
    "hour": Attribute("number", "the hour, 0 to 23, in the calendar's zone"),
    "weekday": Attribute("text", "the day in the calendar's zone", WEEKDAYS),
    "holiday": Attribute("flag", "the day is one of the calendar's holidays"),
}
