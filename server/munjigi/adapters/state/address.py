"""Where the PostgreSQL that holds the state is, and how it is spoken to: never in the clear beyond this machine (promise P10)."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from munjigi.adapters.secrets import read_secret
from munjigi.kernel.errors import ConfigurationError

SCHEMA: Final = "munjigi"  # all tables are in it, and nothing else is looked up elsewhere than in PostgreSQL's own
CHANNEL: Final = "munjigi_state"  # of NOTIFY, after each commit
PASSWORD_VARIABLE: Final = "MUNJIGI_STATE_PASSWORD"  # noqa: S105 - the name of a variable
STATEMENT_SECONDS: Final = 15
IDLE_SECONDS: Final = 15  # a process that stopped in a transaction lets the others go on
_CONNECT_SECONDS: Final = 5
_FORM: Final = "write postgresql://USER@HOST:PORT/DATABASE"
_ALLOWED: Final = frozenset({"host", "sslcert", "sslkey"})  # of the address: a socket's folder, a client certificate


@dataclass(frozen=True, slots=True)
class Address:
    """`postgresql://USER@HOST:PORT/DATABASE`, or `postgresql://USER@/DATABASE?host=/folder/of/the/socket`.

    `authority` (PEM) is the only one whose certificate the server may show. `password_file` (mode 0600) is read anew for each
    connection; without it the variable MUNJIGI_STATE_PASSWORD says the password, if there is one. `lock_seconds`: how long a
    writer waits for the one before it.
    """

    url: str
    authority: Path | None = None
    password_file: Path | None = None
    lock_seconds: int = 5

    def problem(self) -> tuple[str, str] | None:
        """Return what is wrong with it, and the fix; None when nothing is."""
        try:
            parts = urlsplit(self.url)
            _ = parts.port
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
        except ValueError:
            return "state_url is no address", _FORM
        if parts.scheme not in {"postgresql", "postgres"} or not parts.username or not parts.path.strip("/"):
            return "state_url does not say all of user, host and database", _FORM
        if parts.password is not None:
            return (
                "state_url holds a password, and others see addresses",
                f"set MUNJIGI_STATE_PASSWORD_FILE or {PASSWORD_VARIABLE} to it",
            )
        if set(options) - _ALLOWED or parts.fragment:
            return f"state_url has an option that is not one of {', '.join(sorted(_ALLOWED))}", "leave it out"
        host = _host(parts)
        if not host or "," in host:
            return "state_url names no host, or several", "name one, or the folder of a socket as ?host=/folder"
        if not _local(host) and self.authority is None:
            return (
                "state_url is not on this machine, and no authority is named that its certificate must come from",
                "set MUNJIGI_STATE_AUTHORITY to the authority's file (PEM)",
            )
        return None

    @property
    def place(self) -> str:
        """Return what can be shown of it: host, port and database, without the account."""
        parts = urlsplit(self.url)
        return f"{_host(parts)}:{parts.port or 5432}{parts.path}"

    def parameters(self, *, read_only: bool) -> dict[str, Any]:
        """Return what libpq needs for one connection.

        Raises `ConfigurationError` when the address is not safe or the password's file can't be read.
        """
        if (found := self.problem()) is not None:
            problem, fix = found
            raise ConfigurationError("STATE_URL_UNSAFE", f"Refusing to use the state store: {problem}; {fix}.")
        parts = urlsplit(self.url)
        options = dict(parse_qsl(parts.query))
        settings = {
            "search_path": SCHEMA,
            "default_transaction_read_only": "on" if read_only else "off",
            "lock_timeout": f"{self.lock_seconds}s",
            "statement_timeout": f"{STATEMENT_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
        }
        given: dict[str, Any] = {
            "host": _host(parts),
            "port": parts.port or 5432,
            "user": unquote(parts.username or ""),
            "dbname": unquote(parts.path.strip("/")),
            "client_encoding": "UTF8",
            "application_name": "munjigi-reader" if read_only else "munjigi",
            "connect_timeout": _CONNECT_SECONDS,
            # A server that vanished without a word is noticed: a commit does not wait for it for ever.
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "gssencmode": "disable",
            "target_session_attrs": "any" if read_only else "read-write",  # not on a standby
            "sslmode": "prefer",  # on this machine, where nobody is between
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        }
        if self.authority is not None:
            given |= {"sslmode": "verify-full", "sslrootcert": str(self.authority)}
        given |= {name: options[name] for name in ("sslcert", "sslkey") if name in options}
        password = self._password()
        return given | ({"password": password} if password else {})

    def _password(self) -> str:
        if self.password_file is None:
            return os.environ.get(PASSWORD_VARIABLE, "")
        try:
            return read_secret(self.password_file).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigurationError(
                "PASSWORD_FILE_INVALID", f"{self.password_file} is not UTF-8; write the password into it, in one line."
            ) from None


def _host(parts: SplitResult) -> str:
    return dict(parse_qsl(parts.query)).get("host", "") or unquote(parts.hostname or "")


def _local(host: str) -> bool:
    """Tell whether nobody can be between: a Unix socket or a loopback address."""
    if host.startswith("/") or host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
