"""`munjigi check --follow`: one question over one open call, again and again, and a line whenever the answer is another one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from munjigi.cli.failure import DENIED, USAGE, Failure
from munjigi.cli.moments import show_moment

if TYPE_CHECKING:
    from rich.text import Text

    from munjigi.cli.options import Output
    from munjigi.cli.session import Session
    from munjigi_client import Decision, Question
    from munjigi_client._proto.munjigi.v1 import decision_pb2


def follow_answer(session: Session, output: Output, request: decision_pb2.CheckRequest, every: float) -> int:
    """Follow the answer until it is DENY, and return the exit code. `every` is in seconds."""
    from munjigi.cli.output import console, print_lines
    from munjigi.kernel.clock import SystemClock
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

    if request.observe or request.intent == pb.INTENT_PROBE:
        raise Failure("There is no access to follow.", "Leave --probe and --observe out.", USAGE)
    ended, known = threading.Event(), None
    try:
        for decision in session.over_one_call(_again_and_again(_question(request), every, ended)):
            said = (decision.allowed, decision.reason, decision.fields)
            if said == known:
                continue
            at = SystemClock().now()
            if output == "table":
                console().print(_line(at, decision, first=known is None), soft_wrap=True)
            else:
                print_lines([_plain(at, decision)])
            sys.stdout.flush()
            known = said
            if not decision.allowed:
                break
    finally:
        ended.set()
    return DENIED


def _question(request: decision_pb2.CheckRequest) -> Question:
    from munjigi_client import Question

    return Question(
        request.resource,
        tuple(request.fields),
        request.purpose,
        request.case_id,
        tuple(request.member_ids),
        request.subject_count,
        request.action,
        request.allow_partial,
        request_id=request.request_id,
    )


def _again_and_again(question: Question, every: float, ended: threading.Event) -> Iterator[Question]:
    yield question
    while not ended.wait(every):
        yield replace(question, probe=True)


def _line(at: int, decision: Decision, *, first: bool) -> Text:
    """Say when, the verdict and why, what may be seen and under which duties, and where it is recorded."""
    from munjigi.cli.output import safe, styled, verdict

    line = styled(show_moment(at), "dim").append("  ")
    line.append_text(verdict("ALLOW" if decision.allowed else "DENY")).append(f"  {safe(decision.reason)}", style="bold")
    line.append(f"  {safe(', '.join(_seen(each) for each in decision.fields))}")
    duties = [f"read {decision.subject_limit} members at most" if decision.subject_limit and decision.subject_limit > 1 else ""]
    duties += ["read 1 member at most" if decision.subject_limit == 1 else ""]
    duties += [f"confirm the read before {show_moment(decision.valid_until)[11:19]}" if decision.must_confirm else ""]
    if duty := "; ".join(filter(None, duties)):
        line.append(f"; {duty}")
    line.append(f"  {safe(decision.decision_id)}", style="dim")
    if not decision.allowed:
        line.append("" if first else "\nstop reading: what was allowed is so no more", style="bold red")
        line.append("".join(f"\n{safe(each)}" for each in decision.help.splitlines()))
    return line


def _seen(field: Any) -> str:
    return f"{field.name} {field.effect}{f' {field.mask}' if field.mask else ''}"


def _plain(at: int, decision: Decision) -> dict[str, Any]:
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

    return {
        "at": str(at),
        "decision": pb.Decision.Name(pb.DECISION_ALLOW if decision.allowed else pb.DECISION_DENY),
        "reason": decision.reason,
        "decision_id": decision.decision_id,
        "fields": [{"name": each.name, "effect": each.effect, "mask": each.mask} for each in decision.fields],
        "must_confirm": decision.must_confirm,
        "subject_limit": decision.subject_limit,
        "valid_until": str(decision.valid_until),
        "help": decision.help,
    }
