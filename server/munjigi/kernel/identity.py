"""Who asks: an employee's account, the tool it asks through, and where it sits."""

from __future__ import annotations

from typing import Final, NamedTuple

EMBEDDED_ISSUER: Final = "urn:munjigi:embedded"  # the local token issuer's name; sample people exist under it only

DIRECTORY_ISSUER: Final = "urn:munjigi:directory"  # under it stands what a directory calls an account; nobody signs in with it


class EmployeeKey(NamedTuple):
    """An authenticated account of a person."""

    issuer: str
    subject: str


class SignIn(NamedTuple):
    """How and when the employee signed in, in the provider's words. Times are UTC nanoseconds, 0 where the token does not say.

    `acr` is the level of the sign-in (authentication context class), `authenticated_at` when the employee last proved who they
    are (`auth_time`), `issued_at` when this token was issued. `pause` is the longest time without a call in this session so far, up to
    this call included, in nanoseconds; 0 where nobody has counted.
    """

    acr: str = ""
    authenticated_at: int = 0
    issued_at: int = 0
    pause: int = 0


LONGEST_TOKEN: Final = 24 * 3600 * 1_000_000_000  # nanoseconds that a token may live: how long the end of a session is remembered


class SessionEnd(NamedTuple):
    """The provider ended a session, or with an empty `session` all sessions of a subject. Times are UTC nanoseconds.

    Of a subject, tokens that were issued up to `ended_at` count no more. From `until` on no token of before can be alive.
    """

    issuer: str
    subject: str
    session: str
    ended_at: int
    until: int


class Caller(NamedTuple):
    """The employee and the tool of one call, both authenticated and bound together.

    `ip` is the employee's address as recorded: from the tool where the tool asserts origin, else the
    transport peer's; `peer` is always the transport peer. `asserted` tells which `ip` is.
    """

    employee: EmployeeKey
    tool: str
    peer: str
    sign_in: SignIn = SignIn()


class Claims(NamedTuple):
    """What a verified token says. Times are UTC nanoseconds, the period is [not_before, expires_at).

    `client` is the client that the token was issued to (`azp` or `client_id`), `session` the provider's session (`sid`); empty
    if it names none.
    """

    issuer: str
    subject: str
    client: str
    expires_at: int
    not_before: int
    key_id: str
    sign_in: SignIn = SignIn()
    session: str = ""
