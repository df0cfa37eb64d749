"""Read what classes and roles ask of the sign-in out of catalog.toml and roles.toml."""

from __future__ import annotations

from typing import Final

from munjigi.kernel.clock import SECOND
from munjigi.policy.sections import Section
from munjigi.policy.signin import HOUR, MINUTE, SessionLimit, SignInDemand

_DAY_SECONDS: Final = 86_400


def read_demand(section: Section) -> SignInDemand | None:
    """Return what a class's `sign_in` says; None where there is none."""
    part = section.part("sign_in")
    if part is None:
        return None
    acr = part.names("acr", required=False)
    seconds = part.number("max_age_seconds", 60, 365 * _DAY_SECONDS, default=0)
    part.finish()
    if not acr and not seconds:
        section.error("sign_in", "VALUE_MISSING", "`sign_in` asks for nothing; give `acr`, `max_age_seconds` or both.")
        return None
    return SignInDemand(acr, seconds * SECOND)


def read_limit(section: Section) -> SessionLimit | None:
    """Return a role's limits of a session; None where there is none."""
    hours = section.number("session_hours", 1, 365 * 24, default=0)
    minutes = section.number("session_idle_minutes", 1, 24 * 60, default=0)
    if hours and minutes >= hours * 60:
        message = "A session is never idle that long: it ends after `session_hours` first. Shorten it, or leave it out."
        section.error("session_idle_minutes", "VALUE_INVALID", message)
    return SessionLimit(hours * HOUR, minutes * MINUTE) if hours or minutes else None
