"""Who keeps presenting credentials that can't be good is refused for a while, ever longer, and nobody else is.

What is locked is one door: the address, what TLS has verified there, the tool, and the account that the refused token names. All
employees of a tool come from its address, so a colleague's bad tokens must not be theirs; and from another address
the account is as open as before. What is no guess locks nothing: a token that was good and has run out, a key that isn't known
yet, a credential that was left out. Pure, in bounded memory: time comes in.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Hashable
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted

PERIOD: Final = 10 * SECOND
FAILURES_PER_PERIOD: Final = 20
LONGEST_WAIT: Final = 900 * SECOND
FORGET_AFTER: Final = 60 * SECOND  # at least; twice as long as the last wait where that is more
DOORS: Final = 10_000
TOO_MANY: Final = "TOO_MANY_FAILURES"
HARMLESS: Final = frozenset(
    (
        *("TOKEN_MISSING", "TOKEN_EXPIRED", "TOKEN_NOT_YET_VALID", "KEY_UNKNOWN", "SESSION_ENDED", "LOGOUT_TOKEN_INVALID"),
        *("TOOL_TOKEN_MISSING", "TOOL_TOKEN_EXPIRED", "TOOL_TOKEN_NOT_YET_VALID", "TOOL_KEY_UNKNOWN"),
        *("TOOL_TOKEN_NOT_TRUSTED", "TOOL_CERTIFICATE_MISSING", "XFCC_NOT_TRUSTED", "XFCC_MISSING", "CREDENTIAL_REPEATED"),
        *("SCIM_TOKEN_MISSING", "SCIM_TOKEN_WRONG"),  # all come from the one proxy, and who has left must go on being said
        TOO_MANY,
    ),
)
_MAX_TOKEN_CHARS: Final = 8 * 1024


class Lock(NamedTuple):
    """A lock that begins: after how many failures, and until when (UTC nanoseconds)."""

    failures: int
    until: int


class _Door:
    __slots__ = ("count", "failures", "last", "level", "since", "until")

    def __init__(self, now: int) -> None:
        self.since = self.last = now
        self.count = self.failures = self.level = self.until = 0


class Lockouts:
    """Doors that failed lately. A lock is forgotten only by time or by as many other locks: failures that vary can't push it out."""

    def __init__(self, *, limit: int = FAILURES_PER_PERIOD, capacity: int = DOORS) -> None:
        self._limit = limit
        self._capacity = capacity
        self._open: OrderedDict[Hashable, _Door] = OrderedDict()
        self._locked: OrderedDict[Hashable, _Door] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open) + len(self._locked)

    def refuse(self, door: Hashable, now: int) -> None:
        """Let a door pass that is not locked.

        Raises `ResourceExhausted` TOO_MANY_FAILURES with the seconds to wait.
        """
        known = self._locked.get(door)
        if known is not None and now < known.until:
            # A clock that was set back must not lock for longer than the rule says.
            wait = min(known.until - now, LONGEST_WAIT)
            raise ResourceExhausted(
                TOO_MANY,
                "Too many refused credentials came from here; correct them and try again after the given wait.",
                wait / SECOND,
            )

    def failed(self, door: Hashable, now: int) -> Lock | None:
        """Count a failure; return the lock that begins with it, if one does."""
        known = self._locked.get(door) or self._open.get(door) or _Door(now)
        if now - known.last >= max(FORGET_AFTER, 2 * (_wait(known.level) if known.level else 0)):
            known.level = known.failures = 0
        if not 0 <= now - known.since < PERIOD:
            known.since = now
            # Who was locked out lately gets one try, not twenty.
            known.count = self._limit if known.level else 0
        known.last = now
        known.count += 1
        known.failures += 1
        if known.count <= self._limit:
            self._keep(self._locked if known.level else self._open, door, known)
            return None
        known.level = min(known.level + 1, 16)
        known.until = now + _wait(known.level)
        self._open.pop(door, None)
        self._keep(self._locked, door, known)
        return Lock(known.failures, known.until)

    def _keep(self, doors: OrderedDict[Hashable, _Door], door: Hashable, known: _Door) -> None:
        doors[door] = known
        doors.move_to_end(door)
        if len(doors) > self._capacity:
            doors.popitem(last=False)


def door_of(source: str, tool: str, token: str) -> str:
    """Return the door of a token whose signature is not verified: where it comes from, and whose it says to be."""
    return f"{source} {tool} {sha256(_claimed(token)).hexdigest()[:32]}"


class _Named(msgspec.Struct):
    iss: str = ""
    sub: str = ""


_decoder: Final = msgspec.json.Decoder(_Named)


def _claimed(token: str) -> bytes:
    """Return the account that a token names, unverified: good for telling doors apart and for nothing else."""
    parts = token.split(".", 2)
    if len(token) > _MAX_TOKEN_CHARS or len(parts) != 3:
        return b""
    try:
        body = _decoder.decode(base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return b""
    return f"{body.iss}\x00{body.sub}".encode() if body.sub else b""


def _wait(level: int) -> int:
    return min(SECOND << (level - 1), LONGEST_WAIT)
