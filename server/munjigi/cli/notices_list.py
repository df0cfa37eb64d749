"""`munjigi notices list`: what has not reached people yet."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from munjigi.cli.options import Output, output_option, state_option


@click.command("list")
@click.option("--given-up", is_flag=True, show_envvar=True, help="Those that were given up, instead of those that wait.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, show_envvar=True, help="At most so many."
)
@state_option
@output_option
def notices_list(state_dir: Path, output: Output, given_up: bool, limit: int) -> None:
    """List notices that wait to be delivered, oldest first, or that were given up.

    Looks into the state store, without a server. A notice that was delivered is not kept: what it told of is in the trail.
    """
    from munjigi.adapters.notices.outbox import Outbox
    from munjigi.app.files import StateFolder
    from munjigi.app.state import has_state, read_state
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import console, print_machine, safe, table
    from munjigi.kernel.clock import to_rfc3339

    folder = StateFolder(state_dir)
    found = []
    if has_state(folder):
        with closing(read_state(folder)) as store:
            found = Outbox(lambda: store).letters(dead=given_up, limit=limit)
    rows = [
        {
            "id": each.letter.letter_id,
            "kind": each.letter.notice.kind,
            "severity": each.letter.notice.severity,
            "channel": each.channel,
            "recipient": each.letter.recipient.subject if each.letter.recipient is not None else "",
            "made_at": to_rfc3339(each.made_at),
            "tries": each.tries,
            "reason": each.reason,
        }
        for each in found
    ]
    if print_machine(output, {"notices": rows}, rows):
        return
    if not rows:
        click.echo("No notice was given up." if given_up else "No notice waits.")
        return
    listing = table("notice", "about", "by", "to", "since", "tries", "last failure", fold=("notice",), right=("tries",))
    for kept, row in zip(found, rows, strict=True):
        words = (str(row[name]) for name in ("id", "kind", "channel", "recipient"))
        listing.add_row(*(safe(word) for word in words), show_moment(kept.made_at)[:16], str(kept.tries), safe(kept.reason))
    console().print(listing)
