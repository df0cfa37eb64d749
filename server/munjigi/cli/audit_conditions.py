"""The conditions that `audit search` and `audit tail` share: which records are asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import click

# Option, the request's field, placeholder, what it means.
_TEXTS: Final = (
    ("--employee", "employee", "EMPLOYEE", "Whose accesses, and which changes of permissions they made."),
    ("--through", "tool", "TOOL", "Through which tool."),
    ("--member", "member_id", "SERIAL", "Whose data; looked up by keyed reference, never recorded."),
    ("--holder", "holder", "EMPLOYEE", "Whose grants were given, changed or ended."),
    ("--resource", "resource", "NAME", "database.table or class:NAME."),
    ("--event-type", "event_type", "TYPE", "For example access.decision or permission.grant."),
    ("--case", "case_id", "ID", "Case or ticket."),
)


def conditions(command_name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command these options; it receives them as `asked`, the fields of its request.

    `command_name` is what stands before the option in its environment variable.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def collect(**given: Any) -> Any:
            asked = {f"{field}": given.pop(f"asked_{field}") for _, field, _, _ in _TEXTS}
            asked["decision"] = f"DECISION_{(given.pop('asked_decision') or 'unspecified').upper()}"
            return command(asked=asked, **given)

        wrapped: Callable[..., Any] = collect
        prefix = f"MUNJIGI_AUDIT_{command_name.upper()}_"
        verdict = click.Choice(["allow", "deny"], case_sensitive=False)
        wrapped = click.option(
            "--decision", "asked_decision", type=verdict, envvar=f"{prefix}DECISION", show_envvar=True, help="Verdict."
        )(wrapped)
        for option, field, placeholder, meaning in reversed(_TEXTS):
            variable = prefix + option.strip("-").replace("-", "_").upper()
            wrapped = click.option(
                option, f"asked_{field}", default="", envvar=variable, metavar=placeholder, show_envvar=True, help=meaning
            )(wrapped)
        return wrapped

    return decorate
