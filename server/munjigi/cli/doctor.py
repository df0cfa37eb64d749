"""`munjigi doctor`: look at an installation without changing it; each finding says what to do. Exit 1 if one failed."""

from __future__ import annotations

from pathlib import Path

import click

from munjigi.cli.failure import DONE, FAILED
from munjigi.cli.options import Output, output_option


@click.command("doctor")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MUNJIGI_CONFIG",
    show_envvar=True,
    help="TOML file with the settings to examine.",
)
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MUNJIGI_STATE_DIR",
    show_envvar=True,
    help="State folder. Default: the settings'.",
)
@click.option(
    "--policy-home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MUNJIGI_POLICY_HOME",
    show_envvar=True,
    help="Policy home. Default: the settings'.",
)
@click.option("--grpc-address", envvar="MUNJIGI_GRPC_ADDRESS", show_envvar=True, help="gRPC listener. Default: the settings'.")
@click.option("--http-address", envvar="MUNJIGI_HTTP_ADDRESS", show_envvar=True, help="HTTP listener. Default: the settings'.")
@click.option(
    "--send-test",
    is_flag=True,
    show_envvar=True,
    help="Send a trial to the webhook, and one by mail, to the name in notice_sender by the rule of notice_address.",
)
@output_option
def doctor(
    config: Path | None,
    state_dir: Path | None,
    policy_home: Path | None,
    grpc_address: str | None,
    http_address: str | None,
    send_test: bool,
    output: Output,
) -> int:
    """Check this installation and say what to do.

    Looks only: nothing is changed, and no key is shown. Nothing is sent to anybody without --send-test.
    """
    from munjigi.app.config import load_settings
    from munjigi.cli.doctor_checks import examine
    from munjigi.cli.doctor_finding import Finding
    from munjigi.cli.output import console, print_machine, safe, table, verdict
    from munjigi.kernel.errors import ConfigurationError

    options = {"state_dir": state_dir, "policy_home": policy_home, "grpc_address": grpc_address, "http_address": http_address}
    try:
        findings = examine(load_settings(options, config), send_test=send_test)
    except ConfigurationError as error:
        findings = [
            Finding("settings", "fail", error.message, "Correct the setting; `munjigi config schema -o table` lists all.")
        ]
    failed = sum(each.result == "fail" for each in findings)
    rows = [each._asdict() for each in findings]
    if not print_machine(output, {"findings": rows, "failed": failed}, rows):
        listing = table("check", "result", "found", "what to do", fold=("found", "what to do"))
        for each in findings:
            listing.add_row(safe(each.check), verdict(each.result), safe(each.found), safe(each.todo))
        screen = console()
        screen.print(listing)
        screen.print(f"{failed} check{'' if failed == 1 else 's'} failed." if failed else "This installation is sound.")
    return FAILED if failed else DONE
