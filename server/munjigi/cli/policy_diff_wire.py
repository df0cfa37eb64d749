"""The difference of two policies as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from munjigi.policy.diff import Difference, Setting, View
from munjigi.policy.types import PolicyBundle

if TYPE_CHECKING:
    from munjigi.app.traffic import ChangedDecision, Traffic
    from munjigi.decision.impact import Concerned


class Impact(NamedTuple):
    """What a state folder adds: the employees concerned, and the decisions recorded since a time (UTC nanoseconds)."""

    concerned: list[Concerned]
    since: int
    traffic: Traffic


def document(
    before: PolicyBundle,
    after: PolicyBundle,
    differences: Sequence[Difference],
    around: Sequence[Setting],
    impact: Impact | None,
) -> dict[str, Any]:
    """Return the whole answer; `concerned` and `traffic` are null without a state folder."""
    return {
        "before": {"policy_revision": before.revision, "source": before.source},
        "after": {"policy_revision": after.revision, "source": after.source},
        "differences": [difference_wire(each) for each in differences],
        "settings": [each._asdict() for each in around],
        "concerned": None if impact is None else [_concerned(each) for each in impact.concerned],
        "traffic": None if impact is None else _traffic(impact),
    }


def difference_wire(each: Difference) -> dict[str, Any]:
    """Return one difference."""
    return {
        "change": each.change,
        "role": each.role,
        "object": each.object,
        "action": each.action,
        "purpose": each.purpose,
        "before": _view(each.before),
        "after": _view(each.after),
        "conditional": each.conditional,
    }


def _view(view: View) -> dict[str, Any]:
    return {
        "best": view.best(),
        "worst": view.worst(),
        "allows": [{"mask": mask, "conditions": list(conditions)} for mask, conditions in view.allows],
        "denies": list(view.denies),
    }


def _concerned(each: Concerned) -> dict[str, Any]:
    return {"role": each.role, "employees": each.employees, "departments": dict(each.departments)}


def _traffic(impact: Impact) -> dict[str, Any]:
    traffic = impact.traffic
    return {
        "since": str(impact.since),
        "decisions": traffic.decisions,
        "unknown": traffic.unknown,
        "changed": len(traffic.changed),
        "employees": traffic.employees,
        "changes": [_change(each) for each in traffic.changed],
    }


def _change(each: ChangedDecision) -> dict[str, Any]:
    record, turned = each.record, each.turned
    return {
        "decision_id": each.decision_id,
        "time": str(record.time),
        "employee": record.employee,
        "issuer": record.issuer,
        "tool": record.tool,
        "resource": record.resource,
        "action": record.action,
        "purpose": record.purpose,
        "recorded": f"{record.decision} {record.reason}",
        "before": turned.before,
        "after": turned.after,
        "fields": [{"name": name, "before": before, "after": after} for name, before, after in turned.fields],
    }
