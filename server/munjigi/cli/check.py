"""`munjigi check`: one question, one recorded answer; ALLOW exits 0, DENY exits 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from munjigi.cli.failure import DENIED, DONE
from munjigi.cli.moments import show_moment
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from munjigi_client._proto.munjigi.v1 import decision_pb2


@click.command("check")
@click.argument("resource")
@click.option(
    "--fields", default="", metavar="A,B", show_envvar=True, help="Columns, with commas between. Default: all catalogued."
)
@click.option("--action", default="read", show_default=True, show_envvar=True, help="read, export, reveal, update or delete.")
@click.option("--purpose", required=True, show_envvar=True, help="Registered purpose, for example inquiry.")
@click.option(
    "--case",
    "case_id",
    default="",
    metavar="ID",
    envvar="MUNJIGI_CHECK_CASE",
    show_envvar=True,
    help="Case or ticket, in the form its purpose asks for.",
)
@click.option(
    "--member",
    "members",
    envvar="MUNJIGI_CHECK_MEMBER",
    multiple=True,
    metavar="SERIAL",
    show_envvar=True,
    help="Member concerned; repeat for more (1,000).",
)
@click.option(
    "--subject-count",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_envvar=True,
    help="How many members, when the serials are not known.",
)
@click.option("--probe", is_flag=True, show_envvar=True, help="Only ask what to show; permits no read.")
@click.option("--observe", is_flag=True, show_envvar=True, help="Trial mode: recorded as such, never counts as use.")
@click.option("--allow-partial", is_flag=True, show_envvar=True, help="ALLOW when at least one field is allowed.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Your own id for this question; it is recorded.")
@click.option(
    "--follow", is_flag=True, show_envvar=True, help="Keep the call open, and tell when the answer changes; ends with a DENY."
)
@click.option(
    "--every",
    type=click.FloatRange(0.1, 60),
    default=1.0,
    show_default=True,
    show_envvar=True,
    help="How often --follow looks again. Seconds.",
)
@connected
def check(
    connection: Connection,
    output: Output,
    resource: str,
    fields: str,
    action: str,
    purpose: str,
    case_id: str,
    members: tuple[str, ...],
    subject_count: int,
    probe: bool,
    observe: bool,
    allow_partial: bool,
    request_id: str,
    follow: bool,
    every: float,
) -> int:
    """Ask whether RESOURCE may be read now; the answer is recorded.

    RESOURCE is database.table of the catalog, or class:NAME. With --follow it is asked over one open call, as a tool that goes on reading
    asks: once as the access, then again and again as a probe, which permits no further read and never counts as use. A line is printed
    for the first answer and for each that is another one.
    """
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

    request = pb.CheckRequest(
        request_id=request_id,
        resource=resource,
        fields=[name.strip() for name in fields.split(",") if name.strip()],
        action=action,
        purpose=purpose,
        case_id=case_id,
        member_ids=members,
        subject_count=subject_count,
        intent=pb.INTENT_PROBE if probe else pb.INTENT_ACCESS,
        allow_partial=allow_partial,
        observe=observe,
    )
    if follow:
        from munjigi.cli.check_follow import follow_answer

        with Session(connection) as session:
            return follow_answer(session, output, request, every)
    with Session(connection) as session:
        answer = session.ask(request, pb.CheckResponse)
    if not print_machine(output, answer, [answer]):
        show(request, answer)
    return DONE if answer.decision == pb.DECISION_ALLOW else DENIED


def show(request: decision_pb2.CheckRequest, answer: decision_pb2.CheckResponse) -> None:
    """Print the answer for a person: verdict first, then why, then where it is recorded, then what to do."""
    from rich.text import Text

    from munjigi.cli.output import console, facts, lines, safe, short_name, table, verdict
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

    screen = console()
    word = short_name(pb.Decision.Name(answer.decision), "DECISION_").upper()
    asked = f"{request.action or 'read'} {request.resource} for {request.purpose}"
    asked += f", case {request.case_id}" if request.case_id else ""
    asked += " (probe: permits no read)" if request.intent == pb.INTENT_PROBE else ""
    asked += " (observed: trial mode)" if request.observe else ""
    screen.print(Text.assemble(verdict(word), "  ", (answer.reason, "bold"), "  ", safe(asked)))
    if answer.fields:
        listing = table("field", "effect", "mask", "reason", "rule", "grants", fold=("grants", "field"))
        for field in answer.fields:
            effect = short_name(pb.FieldEffect.Name(field.effect), "FIELD_EFFECT_")
            listing.add_row(
                safe(field.name),
                verdict(effect),
                safe(field.mask),
                safe(field.reason),
                safe(field.rule),
                safe(", ".join(field.grant_ids)),
            )
        screen.print(listing)
    else:
        screen.print()
    screen.print(
        facts(
            [
                ("help", lines(answer.help)),
                ("role path", " > ".join(answer.role_path)),
                ("you must", "; ".join(_duty(each, answer.valid_until) for each in answer.obligations)),
                ("valid until", show_moment(answer.valid_until)),
                ("record", answer.decision_id),
                ("decided by", f"policy {answer.policy_revision[:12]}, grants {answer.grant_revision}"),
            ]
        )
    )


def _duty(duty: decision_pb2.Obligation, until: int) -> str:
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

    if duty.kind == pb.OBLIGATION_KIND_MASK:
        return f"mask {duty.field} with {duty.mask}"
    if duty.kind == pb.OBLIGATION_KIND_LIMIT_SUBJECTS:
        return f"read {duty.limit} {'member' if duty.limit == 1 else 'members'} at most"
    if duty.kind == pb.OBLIGATION_KIND_CONFIRM_READ:
        return f"confirm the read before {show_moment(until)[11:19]}"
    if duty.kind == pb.OBLIGATION_KIND_STEP_UP:
        wanted = duty.step_up
        level = f" with {' or '.join(wanted.acr_values)}" if wanted.acr_values else ""
        return f"sign in again{level} for {duty.field}" + (
            f", within {wanted.max_age_seconds} s" if wanted.max_age_seconds else ""
        )
    return "obey an obligation that this version does not know: upgrade munjigi before you read"
