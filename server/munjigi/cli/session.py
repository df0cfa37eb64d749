"""A command's connection: who it asks as, and how a refused call ends the command.

Who the CLI is: `--as EMPLOYEE`, then MUNJIGI_TOKEN, then whoever `munjigi login` signed in, then local.operator. The first and the last
need the state folder's issuer key, which only the embedded identity has; where it is, no provider's sign-in is used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, Self, TypeVar

import click
from google.protobuf.message import Message

from munjigi.adapters.identity.local_issuer import issuer_key_path, mint_employee, mint_tool
from munjigi.cli.failure import AWAY, DENIED, FAILED, UNCOUNTED, UNVERIFIED, USAGE, Failure
from munjigi.cli.options import OPERATOR, Connection
from munjigi.kernel.errors import ConfigurationError
from munjigi_client import (
    TLS,
    Client,
    Decision,
    InvalidRequest,
    MunjigiClientError,
    NotAuthenticated,
    NotPermitted,
    Question,
    RateLimited,
    Unavailable,
)
from munjigi_client import ConfigurationError as ClientConfigurationError

Answer = TypeVar("Answer", bound=Message)
_TAKEN_ANEW: Final = 240  # seconds; tokens of the embedded identity live for 600
TOKEN_VARIABLE: Final = "MUNJIGI_TOKEN"  # noqa: S105 - a variable's name


class Session:
    """Ask Munjigi; a context manager."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        tls = TLS(authority=connection.ca, certificate=connection.cert, key=connection.key)
        used = connection.ca is not None or connection.cert is not None or connection.key is not None
        self._credentials, self._taken_at = credentials(connection), time.monotonic()
        self.employee_token, tool = self._credentials
        try:
            self._client = Client(
                connection.address,
                employee_token=lambda: self._fresh()[0],
                tool_token=(lambda: self._fresh()[1] or "") if tool is not None else None,
                tls=tls if used else None,
                timeout=connection.timeout,
            )
        except MunjigiClientError as error:
            raise failure_of(error, connection) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def _fresh(self) -> tuple[str, str | None]:
        """Return the tokens, taken anew before those of the embedded identity end: a long list takes longer than they live."""
        if time.monotonic() - self._taken_at > _TAKEN_ANEW:
            self._credentials, self._taken_at = credentials(self._connection), time.monotonic()
        return self._credentials

    def ask(self, request: Message, kind: type[Answer]) -> Answer:
        """Send one request. Raises `Failure` with the exit code that fits when there is no answer."""
        try:
            answer = self._client.call(request)
        except MunjigiClientError as error:
            raise failure_of(error, self._connection) from None
        assert isinstance(answer, kind)
        return answer

    def over_one_call(self, questions: Iterable[Question]) -> Iterator[Decision]:
        """Ask one question after the other over one CheckStream. Raises `Failure` with the first that has no answer."""
        try:
            for _, answer in self._client.check_stream(questions):
                if isinstance(answer, MunjigiClientError):
                    raise answer
                yield answer
        except MunjigiClientError as error:
            raise failure_of(error, self._connection) from None

    def whole(self, request: Any, kind: type[Answer], items: str, limit: int = 0) -> Answer:
        """Follow the pages and return one answer with all items, or the first `limit` of them.

        Everything but the items and the page token is the first page's.
        """
        first: Any = self.ask(request, kind)
        page: Any = first
        while page.next_page_token and (not limit or len(getattr(first, items)) < limit):
            request.page_token = page.next_page_token
            page = self.ask(request, kind)
            getattr(first, items).extend(getattr(page, items))
        first.next_page_token = page.next_page_token
        if limit and len(getattr(first, items)) > limit:
            del getattr(first, items)[limit:]
        whole: Answer = first
        return whole


def credentials(connection: Connection) -> tuple[str, str | None]:
    """Return the employee's token and, where no certificate speaks for the tool, the tool's token.

    Raises `Failure` when neither a token nor the embedded issuer's key is there.
    """
    given = "" if connection.employee else os.environ.get(TOKEN_VARIABLE, "")
    source = TOKEN_VARIABLE
    if not given and not connection.employee and not _embedded(connection):
        given, source = _signed_in(), "signed in"
    who = connection.employee or OPERATOR
    by_certificate = connection.cert is not None
    if connection.verbose:
        click.echo(f"munjigi: asking {connection.address} as {source if given else who} through {connection.tool}", err=True)
    try:
        if given and (by_certificate or not issuer_key_path(connection.state_dir).exists()):
            return given, None
        tool = None if by_certificate else mint_tool(connection.state_dir, connection.tool)
        return given or mint_employee(connection.state_dir, who, connection.tool), tool
    except ConfigurationError as error:
        if error.reason == "ISSUER_KEY_MISSING":
            raise Failure(
                f"There is no identity to ask with: {connection.state_dir} holds no key of the embedded issuer.",
                f"Start `munjigi serve` or name its folder with --state-dir (MUNJIGI_STATE_DIR); "
                f"in production run `munjigi login`, or set {TOKEN_VARIABLE}.",
            ) from None
        raise
    except PermissionError:
        raise Failure(
            f"The state folder {connection.state_dir} belongs to another user.",
            f"Run as the user that runs munjigi, or set {TOKEN_VARIABLE}.",
        ) from None


def _embedded(connection: Connection) -> bool:
    try:
        return issuer_key_path(connection.state_dir).exists()
    except PermissionError:
        return False


def _signed_in() -> str:
    """Return the access token of `munjigi login`, refreshed if need be; empty where nobody is signed in."""
    from munjigi.adapters.identity.login_file import LoginFile, flow_of, login_path
    from munjigi.kernel.clock import SystemClock

    found = LoginFile(login_path()).fresh(SystemClock().now, flow_of)
    return found.access_token if found is not None else ""


def failure_of(error: MunjigiClientError, connection: Connection) -> Failure:
    """Turn the client's error into what a person reads and a script's exit code."""
    what = " ".join(error.message.split())
    reason = f"Reason {error.reason}"
    if error.reason == "EXPLANATION_DIFFERS":
        return Failure(what, f"Reason {error.reason}; no explanation is given.", UNVERIFIED)
    if error.reason == "USAGE_GAP":
        return Failure(what, f"Reason {error.reason}; nothing was planned: a review never revokes on incomplete use.", UNCOUNTED)
    if isinstance(error, Unavailable):
        if error.reason == "DEADLINE_EXCEEDED":
            return Failure(
                f"No answer from {connection.address} within {connection.timeout:g} s.",
                "Try again, or allow more with --timeout.",
                AWAY,
            )
        if error.reason == "UNAVAILABLE":
            todo = "Start it with `munjigi serve`, or name its address with --grpc-address (MUNJIGI_GRPC_ADDRESS)."
            if connection.ca is None:
                todo += " With TLS, give --ca, --cert and --key."
            return Failure(f"No Munjigi answers at {connection.address}.", todo, AWAY)
        return Failure(what, f"{reason}; no access took place. Try again, then look at the server's log.", AWAY)
    if isinstance(error, NotPermitted):
        recorded = f", recorded as {error.decision_id}" if error.decision_id else ""
        return Failure(what, f"{reason}{recorded}; `munjigi whoami` shows what you hold, --as asks as someone else.", DENIED)
    if isinstance(error, NotAuthenticated):
        return Failure(
            what,
            f"{reason}; sign in again (`munjigi login`) or set {TOKEN_VARIABLE}, or, with the embedded identity, use --as EMPLOYEE.",
        )
    if isinstance(error, InvalidRequest):
        return Failure(what, f"{reason}; nothing was decided. Correct the value and ask again.", USAGE)
    if isinstance(error, RateLimited):
        return Failure(what, f"{reason}; try again in {max(error.retry_after, 0.1):.1f} s.")
    if isinstance(error, ClientConfigurationError):
        if error.reason == "TLS_REQUIRED":
            return Failure(
                f"{connection.address} is not on this machine, and tokens travel only under TLS.",
                "Give --ca, --cert and --key.",
                USAGE,
            )
        return Failure(what, f"{reason}; `munjigi --help` explains the options.", USAGE)
    return Failure(what, f"{reason}; `munjigi doctor` checks the installation.", FAILED)
