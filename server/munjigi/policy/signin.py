"""What a class of data, or a role, asks of the sign-in: a level, and how long ago it may be.

What the token does not say is not met. Sources: RFC 9470 (step-up), OpenID Connect Core 1.0 (`acr`, `auth_time`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from munjigi.kernel.clock import SECOND
from munjigi.kernel.identity import SignIn

AHEAD: Final = 60 * SECOND  # what the provider's clock may be before ours
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE


class SignInDemand(NamedTuple):
    """What a class wants: one of the levels in `acr` (none: any), not longer ago than `max_age` nanoseconds (0: whenever)."""

    acr: tuple[str, ...]
    max_age: int

    def met(self, sign_in: SignIn, now: int) -> bool:
        """Tell whether a sign-in satisfies this at `now`."""
        if self.acr and sign_in.acr not in self.acr:
            return False
        return not self.max_age or _within(sign_in.authenticated_at, self.max_age, now)

    def moments(self, sign_in: SignIn) -> Iterator[int]:
        """Yield when the answer of `met` may change."""
        if self.max_age:
            yield from _ends(sign_in.authenticated_at, self.max_age)

    def challenge(self) -> str:
        """Return this as a challenge of RFC 9470, for a `WWW-Authenticate` header."""
        parts = ['Bearer error="insufficient_user_authentication"', 'error_description="Sign in again"']
        if self.acr:
            parts.append(f'acr_values="{" ".join(self.acr)}"')
        if self.max_age:
            parts.append(f'max_age="{self.max_age // SECOND}"')
        return ", ".join(parts)

    def __str__(self) -> str:
        level = f"of level {' or '.join(f'`{each}`' for each in self.acr)}" if self.acr else ""
        age = f"not older than {self.max_age // SECOND} s" if self.max_age else ""
        return " and ".join(filter(None, (level, age)))


class SessionLimit(NamedTuple):
    """How long a role counts after a sign-in (`longest`), and without a call in the session (`idle`). Nanoseconds, 0: no limit.

    A session that was idle for too long once stays so until its employee signs in again. Where nobody has counted the calls, the
    token's age stands for the time without one.
    """

    longest: int
    idle: int

    def broken(self, sign_in: SignIn, now: int) -> Literal["", "old", "idle"]:
        """Tell which limit a session is beyond at `now`; empty if none."""
        if self.longest and not _within(sign_in.authenticated_at, self.longest, now):
            return "old"
        if not self.idle:
            return ""
        fresh = sign_in.pause < self.idle if sign_in.pause else _within(sign_in.issued_at, self.idle, now)
        return "" if fresh else "idle"

    def moments(self, sign_in: SignIn) -> Iterator[int]:
        """Yield when the answer of `broken` may change."""
        if self.longest:
            yield from _ends(sign_in.authenticated_at, self.longest)
        if self.idle and not sign_in.pause:
            yield from _ends(sign_in.issued_at, self.idle)

    def __str__(self) -> str:
        hours = f"{self.longest // HOUR} h after a sign-in" if self.longest else ""
        minutes = f"{self.idle // MINUTE} min without a call" if self.idle else ""
        return " and ".join(filter(None, (hours, minutes)))


def _within(moment: int, longest: int, now: int) -> bool:
    return moment > 0 and moment - AHEAD <= now < moment + longest


def _ends(moment: int, longest: int) -> Iterator[int]:
    if moment > 0:
        yield moment - AHEAD
        yield moment + longest
