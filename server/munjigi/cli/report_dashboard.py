"""`munjigi report dashboard`: the overview's panels as pictures, from the questions that the dashboard asks."""

from __future__ import annotations

from pathlib import Path

import click

from munjigi.cli.moments import Moment, zone, zone_option


@click.command("dashboard")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, show_envvar=True, help="Folder for the pictures."
)
@click.option(
    "--prometheus",
    default="http://127.0.0.1:9090",
    show_default=True,
    envvar="MUNJIGI_PROMETHEUS",
    show_envvar=True,
    help="Address of the Prometheus that scrapes Munjigi. MUNJIGI_PROMETHEUS_AUTHORIZATION: what it wants in that header.",
)
@click.option(
    "--authority",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="MUNJIGI_PROMETHEUS_AUTHORITY",
    show_envvar=True,
    help="Authority of its certificate (PEM).",
)
@click.option("--since", type=Moment(), default="1h", show_default=True, show_envvar=True, help="From this moment on.")
@click.option(
    "--until",
    type=Moment(end=True),
    default="0s",
    show_default=True,
    show_envvar=True,
    help="Up to this moment; a day counts to its end.",
)
@click.option(
    "--scrape",
    type=click.IntRange(1, 300),
    default=15,
    show_default=True,
    show_envvar=True,
    help="Time between two scrapes. Seconds.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["svg", "png"]),
    default="svg",
    show_default=True,
    show_envvar=True,
    help="Kind of file.",
)
@zone_option
@click.option("--title", default="", show_envvar=True, help="Title of the picture instead of the dashboard's.")
@click.option(
    "--font",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    show_envvar=True,
    help="Font file, instead of an installed one that has Hangul.",
)
def report_dashboard(
    out: Path,
    prometheus: str,
    authority: Path | None,
    since: int,
    until: int,
    scrape: int,
    kind: str,
    title: str,
    font: Path | None,
) -> int:
    """Draw the overview's panels: one picture with all of them, and one of each.

    The questions are those of deploy/grafana, so that a picture and the screen show the same. Needs the extra `munjigi[report]`.
    """
    import os

    from munjigi.adapters.prometheus_api import PrometheusApi
    from munjigi.app.dashboard_report import pictures, report
    from munjigi.cli.failure import DONE, USAGE, Failure
    from munjigi.reports.interpolation import Span

    if since >= until:
        raise Failure("The report begins after its end.", "Choose a --since before --until.", USAGE)
    source = PrometheusApi(
        prometheus, os.environ.get("MUNJIGI_PROMETHEUS_AUTHORIZATION", ""), str(authority) if authority else None
    )
    found = report(source, Span(since, until), scrape=scrape, title=title)
    out.mkdir(parents=True, exist_ok=True)
    number = 0
    for name, content in pictures(found, source.name, zone(), kind, font):
        (out / name).write_bytes(content)
        number += 1
    empty = [each.panel.title for each in found.answers if not each.lines]
    click.echo(f"{number} pictures in {out}; all panels together: {out / f'overview.{kind}'}")
    if empty:
        click.echo(
            f"No data in this time: {', '.join(empty)}. Does this Prometheus scrape Munjigi (--prometheus, --since)?", err=True
        )
    return DONE
