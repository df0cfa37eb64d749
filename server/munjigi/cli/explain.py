"""`munjigi explain`: why a decision was what it was, or what the answer to a question would be, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from munjigi.cli.moments import show_last_day, show_moment
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from rich.console import Console

    from munjigi_client._proto.munjigi.v1 import explain_pb2


@click.command("explain")
@click.argument("about", metavar="DECISION_ID|RESOURCE")
@click.option("--fields", default="", metavar="A,B", show_envvar=True, help="Columns, with commas between. Default: all.")
@click.option("--action", default="read", show_default=True, show_envvar=True, help="read, export, reveal, update or delete.")
@click.option("--purpose", default="", show_envvar=True, help="Registered purpose; needed with RESOURCE.")
@click.option("--case", "case_id", default="", metavar="ID", envvar="MUNJIGI_EXPLAIN_CASE", show_envvar=True, help="Case.")
@click.option("--subject-count", type=click.IntRange(0, 2**32 - 1), default=0, show_envvar=True, help="How many members.")
@click.option("--allow-partial", is_flag=True, show_envvar=True, help="ALLOW when at least one field is allowed.")
@click.option("--employee", "who", default="", envvar="MUNJIGI_EXPLAIN_EMPLOYEE", show_envvar=True, help="Another's question.")
@click.option("--through", default="", metavar="TOOL", show_envvar=True, help="Through which tool that employee would ask.")
@connected
def explain(
    connection: Connection,
    output: Output,
    about: str,
    fields: str,
    action: str,
    purpose: str,
    case_id: str,
    subject_count: int,
    allow_partial: bool,
    who: str,
    through: str,
) -> None:
    """Say why: of a recorded decision, or of a question before it is asked.

    DECISION_ID is one from an answer or a record. RESOURCE is database.table of the catalog, or class:NAME; such a
    question is recorded as a probe, which permits no read.
    """
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
    from munjigi_client._proto.munjigi.v1 import explain_pb2

    request = explain_pb2.ExplainRequest()
    if "." in about or ":" in about:
        if not purpose:
            raise click.UsageError("A question needs --purpose.")
        new = request.new_question
        new.employee, new.tool = who, through
        new.question.CopyFrom(
            pb.CheckRequest(
                resource=about,
                fields=[name.strip() for name in fields.split(",") if name.strip()],
                action=action,
                purpose=purpose,
                case_id=case_id,
                subject_count=subject_count,
                allow_partial=allow_partial,
            )
        )
    else:
        request.decision_id = about
    with Session(connection) as session:
        answer = session.ask(request, explain_pb2.ExplainResponse)
    if not print_machine(output, answer, answer.fields):
        show(answer)


def show(answer: explain_pb2.ExplainResponse) -> None:
    """Print an explanation for a person: verdict, grants, each field with its rules, then what to do."""
    from rich.text import Text

    from munjigi.cli.output import console, facts, lines, safe, short_name, table, verdict
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

    screen = console()
    word = short_name(pb.Decision.Name(answer.decision), "DECISION_").upper()
    asked = f"{answer.employee} through {answer.tool}: {answer.action} {answer.resource} for {answer.purpose}"
    asked += f", case {answer.case_id}" if answer.case_id else ""
    screen.print(Text.assemble(verdict(word), "  ", (safe(answer.reason), "bold"), "  ", safe(asked)))
    if answer.grants:
        listing = table("grant", "role", "purpose", "standing", "until", "lacks", fold=("grant",))
        for each in answer.grants:
            cells = (each.grant_id, each.role, each.purpose, each.standing, show_last_day(each.ends_at), ", ".join(each.lacking))
            listing.add_row(*map(safe, cells))
        screen.print(listing)
    else:
        screen.print(Text("no grants, whatever their period", style="dim"))
    for field in answer.fields:
        _show_field(screen, field)
    source = f" from {answer.policy_source}" if answer.policy_source else ""
    screen.print(
        facts(
            [
                ("help", lines(answer.help)),
                ("ask again", answer.command),
                ("decided for", show_moment(answer.asked_at)),
                ("decided by", f"policy {answer.policy_revision[:12]}{source}, grants {answer.grant_revision}"),
                ("record", answer.decision_id),
            ]
        )
    )


def _show_field(screen: Console, field: explain_pb2.FieldExplanation) -> None:
    from rich.text import Text

    from munjigi.cli.output import safe, short_name, table, verdict
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

    effect = short_name(pb.FieldEffect.Name(field.field.effect), "FIELD_EFFECT_")
    screen.print(
        Text.assemble((safe(field.target or field.field.name), "bold"), "  ", verdict(effect), "  ", safe(field.summary))
    )
    if field.rules:
        listing = table("rule", "says", "if", "by role", "by object", "became", fold=("by role", "if"))
        for each in field.rules:
            says = f"allow {each.mask or 'clear'}" if each.allow else "deny"
            roles, objects = " > ".join(each.role_path), " > ".join(each.resource_path[1:] or each.resource_path)
            listing.add_row(*map(safe, (each.rule, says, each.condition, roles, objects, each.standing)))
        screen.print(listing)
    for miss in field.nearest:
        owners = f"ask {', '.join(miss.owners)}" if miss.owners else "nobody who decides is here: ask the privacy office"
        lacks = f", lacks {', '.join(miss.lacking)}" if miss.lacking else ""
        if miss.reason == "CONDITION_FALSE" or miss.reason.endswith("_UNDECIDED"):  # its owners can't help
            screen.print(
                safe(f"  role {miss.role}, which is held, would allow it, but for its rules' conditions ({miss.reason})")
            )
            continue
        screen.print(safe(f"  role {miss.role} for {miss.purpose} would allow it ({miss.reason}{lacks}); {owners}"))
