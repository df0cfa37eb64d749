"""Ordinary traffic as records: the demo's scenes, played by 300 employees about 50,000 members, each call with random ids."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterator
from random import Random
from typing import Final, Literal, NamedTuple
from uuid import UUID

from munjigi.audit.records import AccessRecord, ConfirmRecord, FieldRecord
from munjigi.kernel.ids import record_id

EMPLOYEES: Final = 300
MEMBERS: Final = 50_000
_REVISION: Final = "c68994cd6b10738a730ce7e48d38e83f06d8ac203b6034d04eecef872dba8f92"
_MINUTE: Final = 60_000_000_000

Effect = Literal["clear", "masked", "denied"]


class _Scene(NamedTuple):
    """What one kind of employee does, and what the policy answers. A field: name, effect, mask, rule."""

    weight: int
    role: str
    tool: str
    resource: str
    purpose: str
    case: str
    reason: str
    fields: tuple[tuple[str, Effect, str, str], ...]
    classes: tuple[str, ...]
    confirmed: bool = False
    subjects: int = 0  # unnamed members


_CARE: Final = "CS-2026-{:06d}"
_NAME_AND_PHONE: Final[tuple[tuple[str, Effect, str, str], ...]] = (
    ("name", "masked", "partial", "policy.csv:13"),
    ("phone", "masked", "partial", "policy.csv:15"),
)
_WHOLE: Final[tuple[tuple[str, Effect, str, str], ...]] = (
    ("name", "clear", "", "policy.csv:22"),
    ("phone", "clear", "", "policy.csv:23"),
)
_ORDER: Final[tuple[tuple[str, Effect, str, str], ...]] = tuple(
    (name, "clear", "", "policy.csv:9" if name == "member_serial" else "policy.csv:11")
    for name in ("order_id", "member_serial", "ordered_at", "product", "amount")
)
_PAYMENT: Final[tuple[tuple[str, Effect, str, str], ...]] = tuple(
    (name, "clear", "", rule)
    for name, rule in (
        ("payment_id", "policy.csv:47"),
        ("member_serial", "policy.csv:42"),
        ("paid_at", "policy.csv:47"),
        ("amount", "policy.csv:47"),
        ("card_number", "policy.csv:50"),
    )
)
_CONTACT: Final = ("identity", "contact")
_SCENES: Final = (
    _Scene(61, "cs_agent", "crm-desk", "crm.member", "inquiry", _CARE, "GRANTED", _NAME_AND_PHONE, _CONTACT, confirmed=True),
    _Scene(10, "cs_agent", "crm-desk", "crm.member", "inquiry", _CARE, "GRANTED", _NAME_AND_PHONE, _CONTACT),
    _Scene(
        5,
        "cs_agent",
        "crm-desk",
        "crm.member",
        "inquiry",
        _CARE,
        "RULE_DENIES",
        (("resident_number", "denied", "", "policy.csv:19"),),
        ("identity.unique",),
    ),
    _Scene(
        3, "cs_agent", "crm-desk", "crm.member", "inquiry", "", "CASE_ID_REQUIRED", (("name", "denied", "", ""),), ("identity",)
    ),
    _Scene(
        15,
        "cs_manager",
        "crm-desk",
        "crm.member_order",
        "inquiry",
        _CARE,
        "GRANTED",
        _ORDER,
        ("transaction", "key"),
        confirmed=True,
    ),
    _Scene(10, "cs_manager", "crm-desk", "crm.member", "inquiry", _CARE, "GRANTED", _WHOLE, _CONTACT, confirmed=True),
    _Scene(
        5,
        "marketing_analyst",
        "campaign-tool",
        "crm.member",
        "marketing",
        "",
        "GRANTED",
        (("birth_date", "masked", "year", "policy.csv:30"),),
        ("identity",),
        confirmed=True,
        subjects=5_000,
    ),
    _Scene(
        8,
        "fraud_analyst",
        "fraud-console",
        "crm.payment",
        "fraud_investigation",
        "FR-2026-{:04d}",
        "GRANTED",
        _PAYMENT,
        ("transaction", "key", "payment"),
        confirmed=True,
    ),
)


def records(count: int, log_id: str, seed: int = 0) -> Iterator[AccessRecord | ConfirmRecord]:
    """Yield records with the time of their answers, each confirmation after its decision; the first one is the log's first."""
    random = Random(seed)
    members = [f"m1.89de5ca9.{b32encode(random.randbytes(16)).decode().rstrip('=').lower()}" for _ in range(MEMBERS)]
    grants = [b32encode(random.randbytes(8)).decode().rstrip("=").lower() for _ in range(EMPLOYEES)]
    weights = [scene.weight for scene in _SCENES]
    roles = random.choices([scene.role for scene in _SCENES], weights, k=EMPLOYEES)  # an employee has one
    holders = {role: [number for number, held in enumerate(roles) if held == role] for role in set(roles)}
    waiting: list[ConfirmRecord] = []
    now = 1_790_000_000_000_000_000
    for index in range(count):
        now += random.randrange(200_000, 20_000_000)
        if waiting and random.random() < 0.4:
            confirm = waiting.pop(0)
            confirm.time = now
            yield confirm
            continue
        scene = random.choices(_SCENES, weights)[0]
        number = random.choice(holders[scene.role])
        record = _decision(scene, number, f"g.{grants[number]}.{scene.role}", now, random)
        if not scene.subjects:
            record.members, record.subject_count = (random.choice(members),), 1
        yield record
        if scene.confirmed:
            confirm = ConfirmRecord(
                issuer=record.issuer,
                employee=record.employee,
                tool=record.tool,
                peer=record.peer,
                ip=record.ip,
                decision_id=record_id(log_id, index),
                outcome="read",
                row_count=scene.subjects or 1,
                members=record.members,
            )
            _with_ids(confirm, random)
            waiting.append(confirm)


def _decision(scene: _Scene, number: int, grant: str, now: int, random: Random) -> AccessRecord:
    allowed = scene.reason == "GRANTED"
    ruled = allowed or scene.reason == "RULE_DENIES"
    record = AccessRecord(
        issuer="https://id.example.com/realms/staff",
        employee=f"employee{number:04d}",
        principal_type="employee",
        tool=scene.tool,
        peer="10.20.0.7",
        ip=f"10.20.{number % 7}.{number % 251}",
        door="Check",
        action="read",
        resource=scene.resource,
        purpose=scene.purpose,
        case_id=scene.case.format(random.randrange(1, 3000)) if scene.case else "",
        decision="ALLOW" if allowed else "DENY",
        reason=scene.reason,
        fields=tuple(
            FieldRecord(name, effect, mask, scene.reason, rule, (grant,) if allowed else ())
            for name, effect, mask, rule in scene.fields
        ),
        data_classes=scene.classes,
        rule=scene.fields[0][3],
        role_path=(grant, scene.role) if ruled else (),
        subject_count=scene.subjects,
        policy_revision=_REVISION,
        grant_revision=1_316,
        valid_until=now + _MINUTE if allowed else 0,
        latency_ns=random.randrange(20_000, 300_000),
        asked_at=now,
    )
    record.time = now + record.latency_ns
    _with_ids(record, random)
    return record


def _with_ids(record: AccessRecord | ConfirmRecord, random: Random) -> None:
    record.request_id = str(UUID(bytes=random.randbytes(16), version=4))
    record.trace_id, record.span_id = random.randbytes(16).hex(), random.randbytes(8).hex()
