"""`munjigi audit reconcile`: Elasticsearch held against the logs; what is missing is sent again, what differs is named."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from munjigi.cli.cluster import cluster_options, with_cluster
from munjigi.cli.failure import DONE, UNVERIFIED
from munjigi.cli.options import Output, output_option

if TYPE_CHECKING:
    from munjigi.adapters.elasticsearch.cluster import Cluster
    from munjigi.adapters.elasticsearch.reconcile import Compared, Finding
    from munjigi.app.config import Settings


@click.command("reconcile")
@cluster_options
@click.option(
    "--shared", is_flag=True, show_envvar=True, help="Other hosts ship into this cluster, too: their logs are no finding."
)
@output_option
def audit_reconcile(settings: Settings, shared: bool, output: Output) -> int:
    """Compare Elasticsearch with the logs, and send what is missing.

    An edited or invented document is named and left as it is; so is a record that Elasticsearch refuses. Either is exit 5.
    Documents of records that a restored backup did not have are counted; they are no fault.
    """
    from munjigi.adapters.elasticsearch.reconcile import each_once
    from munjigi.adapters.elasticsearch.reconciled import Reconciled, note
    from munjigi.app.files import StateFolder
    from munjigi.cli.output import console, print_machine, safe, styled, table
    from munjigi.kernel.ids import record_id

    compared, others, nameless = with_cluster(settings, lambda cluster: _compare(settings, cluster))
    findings = each_once([*nameless, *(each for log in compared for each in log.findings)])
    kinds = Counter(each.kind for each in findings)
    missing = sum(log.missing for log in compared)
    note(StateFolder(settings.state_dir).shipping, Reconciled(time.time_ns(), missing, kinds["edited"], kinds["invented"]))
    lost = [each for each in findings if each.kind == "lost"]
    equal = len(findings) == len(lost) and not any(log.dead for log in compared) and (shared or not others)
    named = [each._asdict() for each in findings]
    logs = [{"log_id": log.log_id, "records": log.records, "missing": log.missing, "dead": len(log.dead)} for log in compared]
    refused = [
        {"record": record_id(log.log_id, each.index), "status": each.status, "kind": each.kind}
        for log in compared
        for each in log.dead
    ]
    answer: dict[str, Any] = {"equal": equal, "logs": logs, "other_logs": others, "refused": refused, "findings": named}
    if not print_machine(output, answer, [*logs, *refused, *named]):
        screen = console()
        listing = table(
            "log", "records", "sent again", "refused", "findings", right=("records", "sent again", "refused", "findings")
        )
        for log in compared:
            listing.add_row(log.log_id, str(log.records), str(log.missing), str(len(log.dead)), str(len(log.findings)))
        screen.print(listing)
        for name, count in others.items():
            screen.print(f"{name}: {count} documents of a log that is not on this host, not compared")
        for letter in refused:
            kind = safe(str(letter["kind"]))
            screen.print(styled(f"refused: {letter['record']} with status {letter['status']} ({kind})", "bold red"))
        for each in findings:
            if each.kind == "lost":
                continue
            screen.print(styled(f"{each.kind}: {safe(each.document)} in {safe(each.target)}", "bold red"))
        if lost:
            screen.print(
                styled(
                    f"{len(lost)} documents, the first {safe(lost[0].document)}, are of records after a backup that was restored. "
                    "They are all that is left of them: copy them before any `munjigi audit rebuild`.",
                    "yellow",
                )
            )
        if len(findings) > len(lost) or (others and not shared):
            screen.print("Find out who writes to these indices; `munjigi audit rebuild` makes them again from the logs.")
    return DONE if equal else UNVERIFIED


async def _compare(settings: Settings, cluster: Cluster) -> tuple[list[Compared], dict[str, int], list[Finding]]:
    from munjigi.adapters.elasticsearch.progress import Progress
    from munjigi.adapters.elasticsearch.reconcile import Reconciler
    from munjigi.adapters.elasticsearch.sender import Sender
    from munjigi.app.cluster import documents_of
    from munjigi.app.files import StateFolder
    from munjigi.app.log_sources import LogSources
    from munjigi.audit.seal.reader import leaf_of

    folder = StateFolder(settings.state_dir)
    sources = LogSources(folder)
    reconciler = Reconciler(
        cluster, documents_of(settings), Sender(cluster), lambda log_id, index: leaf_of(folder.seal, log_id, index)
    )
    try:
        logs = sources.look()
        ended = sources.ended()
        compared = [
            await reconciler.compare(source, Progress(folder.shipping, source.log_id), ended=source.log_id in ended)
            for source in logs
        ]
        return compared, *await reconciler.unknown([source.log_id for source in logs])
    finally:
        sources.close()
