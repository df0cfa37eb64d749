"""The one byte form of a plan, whose SHA-256 names it: `munjigi review 1` NUL, then msgpack arrays.

A permission is written once and then meant by its number, and so is a set of unused permissions, of which many holders of a role
have the same: a plan of a hundred thousand grants is some tens of megabytes. One of accesses has a form of its own (`MAGIC_OF_ACCESSES`).
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from munjigi.kernel.errors import Corruption
from munjigi.kernel.grant import Grant, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Access, Evidence, Permission, PlannedItem, Replay, ReviewPlan, Sample, Use, Verdict, Watermark

MAGIC: Final = b"munjigi review 1\x00"
MAGIC_OF_ACCESSES: Final = b"munjigi access review 1\x00"
_encoder: Final = msgspec.msgpack.Encoder()

_Use = tuple[int, int, int, int, int, int]
_Item = tuple[
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    Verdict,
    str,
    tuple[_Use, ...],
    int,
    int,
    tuple[tuple[str, ...], tuple[str, ...]] | None,
    str,
]


class _Plan(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    kind: str
    made_at: int
    window_start: int
    cutoff: int
    policy_revision: str
    grant_revision: int
    rules_digest: str
    watermarks: tuple[tuple[str, int, int], ...]
    permissions: tuple[tuple[str, str], ...]
    sets: tuple[tuple[int, ...], ...]
    items: tuple[_Item, ...]
    decisions: int
    newly_denied_used: tuple[str, ...]


_Looked = tuple[str, str, str, str, str, str, Access]  # issuer, subject, person, purpose, rule, data class


class _AccessPlan(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    kind: str
    made_at: int
    window_start: int
    cutoff: int
    policy_revision: str
    grant_revision: int
    rules_digest: str
    watermarks: tuple[tuple[str, int, int], ...]
    sample: Sample
    items: tuple[_Looked, ...]


_decoder: Final = msgspec.msgpack.Decoder(_Plan)
_access_decoder: Final = msgspec.msgpack.Decoder(_AccessPlan)
_NOTHING: Final = Evidence((), ())


def encode_plan(plan: ReviewPlan) -> bytes:
    """Return the canonical bytes of a plan: equal plans have equal bytes."""
    if plan.sample is not None:
        return _encoded_accesses(plan, plan.sample)
    permissions = _Numbers()
    sets = _Numbers()
    known: dict[int, int] = {}  # of tuples that several items share; they live as long as the plan does
    items: list[_Item] = []
    for item in plan.items:
        used = tuple([(permissions.of(each.permission), *each[1:]) for each in item.evidence.used])
        unused = item.evidence.unused
        number = known.get(id(unused))
        if number is None:
            number = known[id(unused)] = sets.of(tuple([permissions.of(each) for each in unused]))
        scope = (item.scope.objects, item.scope.actions) if item.scope is not None else None
        items.append((
            item.grant_id, item.grant_digest, item.employee.issuer, item.employee.subject, item.person_id, item.role, item.purpose,
            item.verdict, item.rule, used, number, item.threshold_days, scope, item.data_class,
        ))  # fmt: skip
    form = _Plan(
        plan.kind,
        plan.made_at,
        plan.window_start,
        plan.cutoff,
        plan.policy_revision,
        plan.grant_revision,
        plan.rules_digest,
        tuple((each.log_id, each.next_index, each.time) for each in plan.watermarks),
        tuple(permissions.values),
        tuple(sets.values),
        tuple(items),
        plan.replay.decisions,
        plan.replay.newly_denied_used,
    )
    return MAGIC + _encoder.encode(form)


def decode_plan(data: bytes) -> ReviewPlan:
    """Return the plan of its bytes. Raises `Corruption` when they are not the canonical ones of a plan."""
    try:
        plan = _decoded(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
        plan = None
    if plan is None or encode_plan(plan) != data:
        raise Corruption("REVIEW_PLAN_CORRUPT", "The kept bytes of a review's plan are not what was written; restore a backup.")
    return plan


def plan_digest(plan: ReviewPlan) -> str:
    """Return the name of a plan: the SHA-256 of its bytes, 64 hex digits."""
    return digest_of(encode_plan(plan))


def digest_of(data: bytes) -> str:
    """Return the name of the plan of these bytes."""
    return hashlib.sha256(data).hexdigest()


def grant_digest(grant: Grant) -> str:
    """Return the SHA-256 of all that a grant is, 64 hex digits: another digest is a grant that was changed."""
    return hashlib.sha256(_encoder.encode(grant)).hexdigest()


class _Numbers:
    """Numbers values in the order in which they come."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def of(self, value: Any) -> int:
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number


def _decoded(data: bytes) -> ReviewPlan | None:
    if data.startswith(MAGIC_OF_ACCESSES):
        return _access_plan(_access_decoder.decode(memoryview(data)[len(MAGIC_OF_ACCESSES) :]))
    return _plan(_decoder.decode(memoryview(data)[len(MAGIC) :])) if data.startswith(MAGIC) else None


def _encoded_accesses(plan: ReviewPlan, sample: Sample) -> bytes:
    items = tuple(
        (*item.employee, item.person_id, item.purpose, item.rule, item.data_class, item.access)
        for item in plan.items
        if item.access is not None  # each of such a plan has one
    )
    form = _AccessPlan(
        plan.kind,
        plan.made_at,
        plan.window_start,
        plan.cutoff,
        plan.policy_revision,
        plan.grant_revision,
        plan.rules_digest,
        tuple((each.log_id, each.next_index, each.time) for each in plan.watermarks),
        sample,
        items,
    )
    return MAGIC_OF_ACCESSES + _encoder.encode(form)


def _access_plan(form: _AccessPlan) -> ReviewPlan:
    items = []
    for number, (issuer, subject, person_id, purpose, rule, data_class, access) in enumerate(form.items):
        account = EmployeeKey(issuer, subject)
        items.append(
            PlannedItem(
                number, "", "", account, person_id, "", purpose, "ask", rule, _NOTHING, 0, data_class=data_class, access=access
            )
        )
    return _whole(form, items, Replay(0, ()), form.sample)


def _plan(form: _Plan) -> ReviewPlan:
    permissions = [Permission(*each) for each in form.permissions]
    sets = [tuple([permissions[number] for number in each]) for each in form.sets]
    items = []
    for number, each in enumerate(form.items):
        grant_id, digest, issuer, subject, person_id, role, purpose, verdict, rule, used, unused, days, scope, data_class = each
        evidence = Evidence(tuple([Use(permissions[of], *rest) for of, *rest in used]), sets[unused])
        kept = Scope(*scope) if scope is not None else None
        employee = EmployeeKey(issuer, subject)
        items.append(
            PlannedItem(
                number, grant_id, digest, employee, person_id, role, purpose, verdict, rule, evidence, days, kept, data_class
            )
        )
    return _whole(form, items, Replay(form.decisions, form.newly_denied_used))


def _whole(form: _Plan | _AccessPlan, items: list[PlannedItem], replay: Replay, sample: Sample | None = None) -> ReviewPlan:
    return ReviewPlan(
        form.kind,
        form.made_at,
        form.window_start,
        form.cutoff,
        form.policy_revision,
        form.grant_revision,
        form.rules_digest,
        tuple(Watermark(*each) for each in form.watermarks),
        tuple(items),
        replay,
        sample,
    )
