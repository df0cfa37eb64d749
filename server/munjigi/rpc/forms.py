"""What questions have in common is read once, and held against the rules of the request once.

A tool asks about one customer after the other: the same bytes but for the member, the case and the correlation id. Without these
three, a question is a form; equal bytes are one form, as long as it is kept. protovalidate is the only one to refuse: the
three pass by it only where they surely keep their rules (`_sure`), and a form only once it has been through it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from munjigi.kernel.ids import ID
from munjigi.rpc.pipeline import rules_of, validate
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

MOST: Final = 2048
_LARGEST: Final = 4096  # bytes of a form that is kept
_CASE_ID: Final = rules_of(pb.CheckRequest, "case_id").string.max_bytes
_MEMBERS: Final = rules_of(pb.CheckRequest, "member_ids").repeated.max_items
_MEMBER: Final = rules_of(pb.CheckRequest, "member_ids").repeated.items.string.max_bytes


class Origin(NamedTuple):
    """Where the employee sits, in the tool's words."""

    ip: str
    session_id: str


class Form:
    """A question without its member, its case and its correlation id. Compared by identity."""

    __slots__ = ("action", "fields", "observe", "origin", "partial", "probe", "purpose", "resource", "subject_count", "written")

    def __init__(self, written: bytes, asked: pb.CheckRequest) -> None:
        self.written: Final = written
        self.resource: Final = asked.resource
        self.fields: Final = tuple(asked.fields)
        self.action: Final = asked.action or "read"
        self.purpose: Final = asked.purpose
        self.subject_count: Final = asked.subject_count
        self.probe: Final = asked.intent == pb.INTENT_PROBE
        self.partial: Final = asked.allow_partial
        self.observe: Final = asked.observe
        self.origin: Final = Origin(asked.origin.ip, asked.origin.session_id) if asked.HasField("origin") else None


Question = tuple[Form, str, tuple[str, ...], str]  # case id, serials, request id


class Forms:
    """The forms of questions that were decided. Lives on the event loop."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[bytes, Form] = {}

    def read(self, asked: pb.CheckRequest) -> Question:
        """Take a question apart; `asked` is without the three afterwards.

        Raises `InvalidArgument` when it breaks a rule of its message.
        """
        case_id, request_id, member_ids = asked.case_id, asked.request_id, asked.member_ids
        serials = (member_ids[0],) if len(member_ids) == 1 else tuple(member_ids)
        if not _sure(case_id, request_id, serials):
            validate(asked)
        if request_id:
            asked.ClearField("request_id")
        asked.ClearField("case_id")
        asked.ClearField("member_ids")
        written = asked.SerializeToString()
        form = self._kept.get(written)
        if form is None:
            validate(asked)
            form = Form(written, asked)
        return form, case_id, serials, request_id

    def keep(self, form: Form) -> None:
        """Know a form again. Only for those without names that callers can make up without end."""
        if len(form.written) > _LARGEST:
            return
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[form.written] = form


def _sure(case_id: str, request_id: str, serials: tuple[str, ...]) -> bool:
    """Tell whether these surely keep their rules; what is not sure, such as letters of several bytes, goes to protovalidate."""
    if len(case_id) > _CASE_ID or not case_id.isascii() or (request_id and not ID.match(request_id)) or len(serials) > _MEMBERS:
        return False
    for serial in serials:  # noqa: SIM110 -- `all` of a generator costs more than the rest
        if not 0 < len(serial) <= _MEMBER or not serial.isascii():
            return False
    return True
