"""Records of reads as workers write them, and of the policy that they were decided by: what reviews are measured on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from munjigi.adapters.policy_files import read_policy_home
from munjigi.audit.records import AccessRecord, ConfirmRecord, FieldRecord, encode
from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Request
from munjigi.kernel.grant import Grant, Person
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import PolicyBundle
from munjigi.review.days import DAY
from munjigi.review.replay import RecordedBytes

_POLICIES: Final = Path(__file__).resolve().parent.parent / "policies"
CUTOFF: Final = 1_790_089_200 * 10**9  # a midnight in Seoul
LOG: Final = "bench000000000000000"
EMPLOYEES: Final = 2_000
POOL: Final = 1_000_000
DECISIONS: Final = 10_000_000


def bundle(*, columns: int = 0) -> PolicyBundle:
    """The sample policy; with a table of so many columns more, and a role that reads them."""
    files = {path: text for path, text in read_policy_home(_POLICIES).files.items() if not path.startswith("tests/")}
    files["roles.toml"] = files["roles.toml"].replace(b"budget = ", b"budget = 0 # ")
    if columns:
        names = [f"c{number:03}" for number in range(columns)]
        table = f"""
[tables."crm.wide"]
title = "Wide"
key = "c000"
key_type = "integer"
columns = {json.dumps(names)}
subjects_of = "crm.member"
"""
        files["catalog.toml"] += table.encode()
        rules = "p, desk, crm.wide.*, read, inquiry, True, allow, clear\n"
        files["policy.csv"] += (rules + "".join(f"g2, crm.wide.{name}, class:activity\n" for name in names)).encode()
        files["roles.toml"] += b"""
[roles.desk]
title = "Desk"
owners = ["cs.lee", "dpo.yoon"]
stages = ["owner"]
longest_days = 2000
review = "quarterly"
requires = []
budget = 0
"""
    made, problems = compile_bundle(files, "bench")
    assert made is not None, [str(each) for each in problems if each.severity == "error"]
    return made


def decision(draw: Random, revision: str, at: int, *, shared: bool = False) -> AccessRecord:
    """An ALLOW of somebody for one member; `shared`: two grants would have allowed each column."""
    who = draw.randrange(EMPLOYEES)
    names = FORMS[draw.randrange(len(FORMS))]
    grants = (f"grant-{who:06}", *([f"other-{who:06}"] if shared else []))
    return AccessRecord(
        issuer="urn:bench",
        employee=f"cs.{who:05}",
        principal_type="employee",
        tool="crm-desk",
        peer="127.0.0.1",
        ip="10.1.2.3",
        request_id="r-1",
        door="Check",
        action="read",
        resource="crm.member",
        purpose="inquiry",
        case_id="CS-2026-000123",
        decision="ALLOW",
        reason="GRANTED",
        fields=tuple(FieldRecord(name, "clear", "", "GRANTED", "policy.csv:12", grants) for name in names),
        data_classes=("identity", "contact"),
        rule="policy.csv:12",
        role_path=(grants[0], "cs_agent"),
        members=(f"m1.01234567.{draw.randrange(50_000):026}",),
        subject_count=1,
        policy_revision=revision,
        grant_revision=12,
        valid_until=at + 60 * 10**9,
        latency_ns=5000,
        asked_at=at,
    )


FORMS: Final = (
    ("name", "phone"),
    ("name", "address"),
    ("name", "birth_date", "status"),
    ("serial", "name", "phone", "email", "joined_at", "status"),
)


def confirmation(decision_id: str) -> ConfirmRecord:
    """A confirmation of a decision, as a tool sends it."""
    return ConfirmRecord(
        issuer="urn:bench",
        employee="cs.00001",
        tool="crm-desk",
        peer="127.0.0.1",
        ip="127.0.0.1",
        decision_id=decision_id,
        outcome="read",
        row_count=1,
    )


def drawn(draw: Random, made: PolicyBundle, grants: list[Grant], people: list[Person]) -> Iterator[bytes]:
    """Decisions as the core really makes them, each followed by its confirmation."""
    table = Snapshot(made, GrantTable.build(grants, people, 1))
    known: dict[tuple[int, int], tuple[FieldRecord, ...]] = {}
    for number_ in range(POOL // 10):
        who, form = draw.randrange(EMPLOYEES), draw.randrange(len(FORMS))
        if (who, form) not in known:
            key = grants[who].employee
            request = Request(key, "crm-desk", "crm.member", FORMS[form], "read", "inquiry", "CS-2026-000123", 1, "10.1.2.3")
            answer = decide(table, request, CUTOFF - DAY)
            known[who, form] = tuple(
                FieldRecord(each.name, each.effect.value, each.mask, each.reason, each.rule, each.grants)
                for each in answer.fields
            )
        record = decision(draw, made.revision, CUTOFF - DAY)
        record.employee, record.fields, record.index, record.time = f"cs.{who:05}", known[who, form], 2 * number_, CUTOFF - DAY
        yield encode(record)
        confirmed = confirmation(f"{LOG}-{2 * number_}")
        confirmed.index, confirmed.time = 2 * number_ + 1, CUTOFF - DAY
        yield encode(confirmed)


def repeated(pool: list[bytes]) -> Iterator[RecordedBytes]:
    """The same records over and over, until there are `DECISIONS`."""
    for _ in range(2 * DECISIONS // len(pool)):
        for position, payload in enumerate(pool):
            yield RecordedBytes(LOG, position, payload)
