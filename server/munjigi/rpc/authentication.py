"""A call has a caller only when an employee and a tool were both proved and belong together.

The employee is proved by a token, the tool by its certificate or, with the embedded identity, by a token of
its own; the employee's token must have been issued to that tool, so that a stolen one is useless to another
(SECURITY.md). Nothing here does I/O: verifiers are ports, time comes in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from munjigi.audit.records import LockoutRecord, SignInRecord
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted, Unauthenticated
from munjigi.kernel.identity import Caller, Claims, EmployeeKey, SignIn
from munjigi.kernel.neighbours import Seen, digest_of
from munjigi.policy.types import Tool
from munjigi.rpc.addresses import address_of
from munjigi.rpc.failures import Failures
from munjigi.rpc.forwarded import forwarded_uri
from munjigi.rpc.lockouts import TOO_MANY, door_of
from munjigi.rpc.neighbours import Activity, Alone

AUTHORIZATION: Final = "authorization"
TOOL_TOKEN: Final = "munjigi-tool-token"  # noqa: S105  # a header's name
FORWARDED: Final = "x-forwarded-client-cert"
CACHE_ENTRIES: Final = 10_000
_COARSE: Final = 5 * SECOND  # how exactly the time without a call is known, for the sake of those that come often
_NEVER: Final = 1 << 63


class TokenVerifier(Protocol):
    """Verify tokens of one kind."""

    @property
    def epoch(self) -> object:
        """Return an object that is another one after each change of keys."""
        ...

    def verify(self, token: str, now: int) -> Claims:
        """Return the claims of a token that is good at `now`, or raise `Unauthenticated`."""
        ...


class Sessions(Protocol):
    """Which sessions have ended."""

    def session_ended(self, employee: EmployeeKey, session: str, issued_at: int) -> bool:
        """Tell whether a token of this account and session, issued then (UTC nanoseconds), counts no more."""
        ...


class ListenerTrust(NamedTuple):
    """What one listener believes besides the employee's token. Nothing, unless it is said.

    `forwarded_certificate`: the proxy in front is the only one who can reach this listener, and sets the header.
    `tool_tokens`: the embedded identity is on.
    """

    forwarded_certificate: bool = False
    tool_tokens: bool = False


class Presented(NamedTuple):
    """The credentials of one call, as they were sent. None: not sent. `repeated`: one of them came twice."""

    authorization: str | None
    tool_token: str | None
    forwarded: str | None
    repeated: str = ""


class _Known(NamedTuple):
    employee: EmployeeKey
    tool: str
    not_before: int
    expires_at: int
    sign_in: SignIn
    session: str
    noted: int = 0


class _Proof(NamedTuple):
    """A tool, and for how long its credential holds."""

    tool: Tool
    not_before: int
    expires_at: int


class Authenticator:
    """Turn what a call presents into its caller.

    `tool_tokens` is the verifier of tool tokens, None unless the embedded identity is on. `on_failure` takes the
    records to be written at once; the rest comes from `failures.due`.
    """

    def __init__(
        self,
        employees: TokenVerifier,
        tool_tokens: TokenVerifier | None,
        failures: Failures,
        on_failure: Callable[[SignInRecord | LockoutRecord], None],
        activity: Activity | None = None,
        *,
        capacity: int = CACHE_ENTRIES,
    ) -> None:
        self.failures = failures
        self._employees = employees
        self._tool_tokens = tool_tokens
        self._on_failure = on_failure
        self._activity = activity or Alone()
        self._capacity = capacity
        self._tools: Mapping[str, Tool] = {}
        self._by_uri: dict[str, Tool] = {}
        self._by_subject: dict[str, Tool] = {}
        self._employee_epoch = employees.epoch
        self._tool_epoch = tool_tokens.epoch if tool_tokens else None
        self._known: OrderedDict[tuple[object, ...], _Known] = OrderedDict()

    def admit(
        self,
        presented: Presented,
        peer: str,
        peer_certificate_uris: tuple[str, ...] | None,
        trust: ListenerTrust,
        tools: Mapping[str, Tool],
        sessions: Sessions,
        now: int,
    ) -> Caller:
        """Return the caller at `now` (UTC nanoseconds). `tools` is the bundle's mapping itself, told apart by identity.

        `sessions` are looked at on every call: nothing that is remembered outlives a session's end.
        `peer_certificate_uris` are the URIs of a client certificate that TLS has verified, None without TLS.
        Raises `Unauthenticated`, and `ResourceExhausted` TOO_MANY_FAILURES before any signature work.
        """
        if tools is not self._tools:
            self._take_tools(tools)
        if self._employees.epoch is not self._employee_epoch or (
            self._tool_tokens is not None and self._tool_tokens.epoch is not self._tool_epoch
        ):
            self._take_keys()
        key = (*_digest(presented), peer_certificate_uris, trust)
        known = self._known.get(key)
        if known is not None and known.not_before <= now < known.expires_at:
            self._known.move_to_end(key)
            self._refuse_ended(known, sessions, address_of(peer), now)
            if now - known.noted >= _COARSE:
                known = self._known[key] = self._noted(known, now)
            return Caller(known.employee, known.tool, address_of(peer), known.sign_in)
        self._known.pop(key, None)
        known = self._prove(presented, address_of(peer), peer_certificate_uris, trust, now)
        self._refuse_ended(known, sessions, address_of(peer), now)
        known = self._known[key] = self._noted(known, now)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return Caller(known.employee, known.tool, address_of(peer), known.sign_in)

    def sessions(self, sessions: Sessions, now: int) -> int:
        """Count the sessions that were proved here and hold at `now` (UTC nanoseconds): of an account, by the provider's name for it."""
        return len(
            {
                (known.employee, known.session)
                for known in self._known.values()
                if known.not_before <= now < known.expires_at
                and not sessions.session_ended(known.employee, known.session, known.sign_in.issued_at)
            }
        )

    def _noted(self, known: _Known, now: int) -> _Known:
        """Count a call in its session, which is told by the sign-in that it began with; of a token that says nothing of that, by the token."""
        sign_in = known.sign_in
        began = f"{sign_in.authenticated_at}" if sign_in.authenticated_at or known.session else f"token {sign_in.issued_at}"
        session = digest_of(*known.employee, known.session, began)
        last, gap = self._activity.seen(session)
        idle = now - last - _COARSE if last else now - sign_in.issued_at  # what was last noted may not have been the last call
        pause = max(gap, idle, 1)
        self._activity.note(session, Seen(now, pause))
        return known._replace(noted=now, sign_in=sign_in._replace(pause=pause))

    def _refuse_ended(self, known: _Known, sessions: Sessions, address: str, now: int) -> None:
        if sessions.session_ended(known.employee, known.session, known.sign_in.issued_at):
            self._note(self.failures.note(address, "SESSION_ENDED", now, tool=known.tool))
            raise Unauthenticated("SESSION_ENDED", "The session of this token has ended; sign in again and send a fresh one.")

    def _prove(self, presented: Presented, address: str, uris: tuple[str, ...] | None, trust: ListenerTrust, now: int) -> _Known:
        # What TLS has verified tells callers behind one address apart; what a header says does not, unless it is trusted.
        certificate = presented.forwarded if trust.forwarded_certificate else " ".join(uris or ())
        source = f"{address} {certificate}" if certificate else address
        door = door_of(source, "", presented.tool_token) if presented.tool_token else source
        tool = ""
        employee: EmployeeKey | None = None
        try:
            self.failures.refuse(door, now)
            proof = self._tool(presented, uris, trust, now)
            tool = proof.tool.name
            token = _bearer(presented.authorization)
            door = door_of(source, tool, token)
            self.failures.refuse(door, now)
            claims = self._employees.verify(token, now)
            employee = EmployeeKey(claims.issuer, claims.subject)
            if claims.client != tool and (not claims.client or claims.client not in proof.tool.sign_in_clients):
                raise Unauthenticated(
                    "TOKEN_OTHER_TOOL", "The employee's token was issued to another tool; sign in through this one."
                )
        except Unauthenticated as error:
            self._note(self.failures.note(address, error.reason, now, door=door, tool=tool, employee=employee))
            raise
        except ResourceExhausted:
            self._note(self.failures.note(address, TOO_MANY, now, door=door, tool=tool))
            raise
        return _Known(
            employee,
            tool,
            max(claims.not_before, proof.not_before),
            min(claims.expires_at, proof.expires_at),
            claims.sign_in,
            claims.session,
        )

    def _tool(self, presented: Presented, uris: tuple[str, ...] | None, trust: ListenerTrust, now: int) -> _Proof:
        if presented.repeated:
            raise Unauthenticated("CREDENTIAL_REPEATED", f"Send `{presented.repeated}` once.")
        if presented.authorization is None:
            raise Unauthenticated("TOKEN_MISSING", "Send the employee's token as `authorization: Bearer <token>`.")
        by_certificate = self._certificate_tool(presented.forwarded, uris, trust)
        if presented.tool_token is None:
            if by_certificate is not None:
                return _Proof(by_certificate, 0, _NEVER)
            if trust.tool_tokens:
                raise Unauthenticated("TOOL_TOKEN_MISSING", f"Send the tool's own token as `{TOOL_TOKEN}: <token>`.")
            raise Unauthenticated(
                "TOOL_CERTIFICATE_MISSING", "Connect with the tool's client certificate, which names it by one URI."
            )
        if self._tool_tokens is None or not trust.tool_tokens:
            raise Unauthenticated(
                "TOOL_TOKEN_NOT_TRUSTED", f"`{TOOL_TOKEN}` is not accepted here; connect with the tool's certificate."
            )
        try:
            claims = self._tool_tokens.verify(presented.tool_token, now)
        except Unauthenticated as error:
            raise Unauthenticated(f"TOOL_{error.reason}", f"`{TOOL_TOKEN}`: {error.message}") from None
        tool = self._by_subject.get(claims.subject)
        if tool is None:
            raise _unlisted()
        if by_certificate is not None and by_certificate is not tool:
            raise Unauthenticated(
                "TOOL_MISMATCH", "The certificate and the tool token name different tools; use those of one tool."
            )
        return _Proof(tool, claims.not_before, claims.expires_at)

    def _certificate_tool(self, forwarded: str | None, uris: tuple[str, ...] | None, trust: ListenerTrust) -> Tool | None:
        if forwarded is not None and not trust.forwarded_certificate:
            raise Unauthenticated(
                "XFCC_NOT_TRUSTED", f"`{FORWARDED}` is not accepted on this address; connect through the proxy."
            )
        if trust.forwarded_certificate:
            if forwarded is None:
                raise Unauthenticated("XFCC_MISSING", f"The proxy must verify the tool's certificate and set `{FORWARDED}`.")
            uri = forwarded_uri(forwarded)
        elif not uris:
            return None
        elif len(uris) > 1:
            raise Unauthenticated(
                "TOOL_CERTIFICATE_URIS", "The tool's certificate must have exactly one URI as its alternative name."
            )
        else:
            uri = uris[0]
        tool = self._by_uri.get(uri)
        if tool is None:
            raise _unlisted()
        return tool

    def _note(self, records: Iterable[SignInRecord | LockoutRecord]) -> None:
        for record in records:
            self._on_failure(record)

    def _take_tools(self, tools: Mapping[str, Tool]) -> None:
        self._known.clear()
        self._by_uri = _unambiguous((tool.certificate_uri, tool) for tool in tools.values())
        self._by_subject = _unambiguous((tool.token_subject, tool) for tool in tools.values())
        self._tools = tools

    def _take_keys(self) -> None:
        self._known.clear()
        self._employee_epoch = self._employees.epoch
        self._tool_epoch = self._tool_tokens.epoch if self._tool_tokens else None


def _digest(presented: Presented) -> tuple[object, ...]:
    """Stand for what was presented: tokens take much memory, and one that is not kept cannot be stolen from it."""
    authorization, tool_token, forwarded, repeated = presented
    tokens = f"{authorization}{tool_token}".encode("utf-8", "surrogatepass")
    # Where one token ends and whether there is another: no two presentations share all of these.
    return sha256(tokens).digest(), len(authorization or ""), authorization is None, tool_token is None, forwarded, repeated


def _unambiguous(named: Iterable[tuple[str, Tool]]) -> dict[str, Tool]:
    """Index tools by a name that only one of them has; a shared or empty name finds none."""
    found: dict[str, Tool | None] = {}
    for name, tool in named:
        if name:
            found[name] = None if name in found else tool
    return {name: tool for name, tool in found.items() if tool is not None}


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("TOKEN_MALFORMED", "Send the employee's token as `authorization: Bearer <token>`.")
    return token


def _unlisted() -> Unauthenticated:
    return Unauthenticated("TOOL_UNKNOWN", "The tool is not registered; have the security team add it to tools.toml.")
