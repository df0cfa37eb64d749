"""One sample PostgreSQL for one state folder: made and loaded once, started with the daemon, stopped with it.

It listens on a Unix socket in a folder of mode 0700 and asks for a password (SCRAM) there too. The URI, of a role that
may only read, stands in `sample/uri` of the state folder (0600). The administrator's password is random and is
forgotten after loading. What can't be used (a half-made folder, another major version, a lost URI file, older sample
data) is thrown away and made anew: it is synthetic.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from munjigi.adapters.sample.members import DATABASE, READER, VERSION
from munjigi.adapters.sample.processes import end, signals_held
from munjigi.adapters.sample.wheel import ENVIRONMENT, REACHABLE, Home, find_home, postmaster_pid
from munjigi.kernel.errors import Unavailable

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.02
_SOCKET_PATH_LIMIT: Final = 103  # bytes that macOS takes; Linux takes 107
_SOCKET_FILE: Final = ".s.PGSQL.5432"
_ADMINISTRATOR: Final = "munjigi_sample"
_MARKER: Final = "made"  # in `sample/`: which server and which data were loaded whole
_SETTINGS: Final = {
    "listen_addresses": "",
    "port": "5432",  # names the socket only
    "unix_socket_permissions": "0700",
    "max_connections": "20",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "autovacuum": "off",  # nobody writes
    "jit": "off",
    "io_method": "sync",
    # No statement, so no serial, in its log (promise P5).
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_checkpoints": "off",
}


class Started(NamedTuple):
    """What a start did: whether the members were loaded now, and the seconds it took."""

    loaded: bool
    seconds: float


def sample_uri(state_dir: Path) -> str:
    """Return the reader's URI of the sample database of a state folder, running or not.

    Raises `Unavailable` when there is none.
    """
    try:
        return (state_dir / "sample" / "uri").read_text(encoding="utf-8").strip()
    except OSError:
        message = "This state folder has no sample database that you may read; start `munjigi serve` without --no-sample."
        raise Unavailable("SAMPLE_UNAVAILABLE", message) from None


class SampleDatabase:
    """Start and stop the sample database of `state_dir`. Not for use by two threads at once."""

    def __init__(self, state_dir: Path, *, reachable: Path = REACHABLE) -> None:
        """Name the state folder, and where root's sample databases live."""
        self._state_dir = state_dir
        self._reachable = reachable
        self._folder = state_dir / "sample"
        self._lock = -1
        self._server: subprocess.Popen[bytes] | None = None
        self._data = Path()
        self._short_socket_dir: Path | None = None

    @property
    def uri(self) -> str:
        """Return the reader's URI, with its password."""
        return sample_uri(self._state_dir)

    @property
    def pid(self) -> int:
        """Return the server's process id; 0 when it isn't running."""
        return self._server.pid if self._server is not None and self._server.poll() is None else 0

    def start(self) -> Started:
        """Start the server, after making and loading it where that is needed, and after ending an orphan.

        Raises `Unavailable` with the reason when that can't be done here; nothing is left running then.
        """
        began = time.monotonic()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            home = find_home(self._state_dir.resolve(), self._reachable)
            self._data = home.folder / "data"
            self._end_orphan()
            version = home.run("postgres", "--version")
            expected = f"{version.split()[2].split('.')[0]} {VERSION}\n"
            loaded = not self._start_existing(home, expected)
            if loaded:
                self._make(home, expected)
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                message = f"No sample database: its folder can't be used ({error.strerror}). Everything else works."
                raise Unavailable("SAMPLE_UNAVAILABLE", message) from None
            raise
        return Started(loaded, time.monotonic() - began)

    def stop(self) -> None:
        """Stop the server and let go of the folder. Stopping twice is fine."""
        if self._server is not None:
            # Fast shutdown: connections are cut, data is written.
            if self._server.poll() is None:
                self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)  # immediate shutdown, backends included
                self._server.wait(_STOP_SECONDS)
            self._server = None
        if self._short_socket_dir is not None:
            shutil.rmtree(self._short_socket_dir, ignore_errors=True)
            self._short_socket_dir = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take_lock(self) -> None:
        self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = "The sample database of this state folder is in use by another process; stop that one."
            raise Unavailable("SAMPLE_BUSY", message) from None

    def _end_orphan(self) -> None:
        # Only we start servers on this folder and we hold its lock, so a server that lives is left from a killed daemon.
        # It is ended, not adopted: then settings, log and parent are always ours.
        pid = postmaster_pid(self._data)
        if pid:
            end(pid, str(self._data), gently=signal.SIGINT, patience=_STOP_SECONDS)
            # What is left names a process that is not PostgreSQL's, and would stop the start.
            (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _start_existing(self, home: Home, expected: str) -> bool:
        with contextlib.suppress(OSError, Unavailable):
            if (self._folder / _MARKER).read_text(encoding="utf-8") == expected:
                socket_dir = self._serve(home)
                self._write_uri(socket_dir, urlsplit(self.uri).password or "")
                return True
        self._end_server()
        return False

    def _make(self, home: Home, expected: str) -> None:
        import psycopg  # noqa: PLC0415 - heavy, and only needed once in the life of a state folder

        from munjigi.adapters.sample.load import load  # noqa: PLC0415 - same

        (self._folder / _MARKER).unlink(missing_ok=True)
        shutil.rmtree(self._data, ignore_errors=True)
        administrator, reader = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        password_file = home.folder / "initial"
        password_file.unlink(missing_ok=True)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(administrator)
        try:
            home.own(password_file)
            # The built-in locale needs nothing from the machine, and orders alike everywhere.
            options = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale")
            authentication = ("--auth=scram-sha-256", f"--pwfile={password_file}", f"--username={_ADMINISTRATOR}")
            home.run("initdb", "--no-instructions", *options, *authentication, "-D", str(self._data))
        finally:
            password_file.unlink(missing_ok=True)
        socket_dir = self._serve(home)
        try:
            load(socket_dir, _ADMINISTRATOR, administrator, reader)
        except psycopg.Error as error:
            raise Unavailable("SAMPLE_UNAVAILABLE", f"No sample database: loading failed ({type(error).__name__}).") from None
        self._write_uri(socket_dir, reader)
        (self._folder / _MARKER).write_text(expected, encoding="utf-8")

    def _serve(self, home: Home) -> Path:
        """Start the server and return its socket folder once it takes connections."""
        socket_dir = self._socket_dir(home)
        settings = [argument for name, value in _SETTINGS.items() for argument in ("-c", f"{name}={value}")]
        log = os.open(self._folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with signals_held():
                self._server = subprocess.Popen(
                    [str(home.programs / "postgres"), "-D", str(self._data), "-k", str(socket_dir), *settings],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=ENVIRONMENT,
                    cwd="/",
                    user=home.uid,
                    group=home.gid,
                    extra_groups=None if home.uid is None else [],
                    umask=0o077,
                    start_new_session=True,  # Ctrl-C in a terminal is for the daemon, which then stops us in order
                )
        finally:
            os.close(log)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._server.poll() is None:
            if self._ready(self._server.pid):
                return socket_dir
            time.sleep(_POLL_SECONDS)
        self._end_server()
        raise Unavailable(
            "SAMPLE_UNAVAILABLE", "No sample database: PostgreSQL did not start; its log is `sample/log` of the state folder."
        )

    def _ready(self, pid: int) -> bool:
        # Line 1 is the pid, line 8 the status (PostgreSQL: miscadmin.h, LOCK_FILE_LINE_PM_STATUS).
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
            return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
        return False

    def _end_server(self) -> None:
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(_STOP_SECONDS)
        self._server = None

    def _socket_dir(self, home: Home) -> Path:
        wanted = home.folder / "s"
        if len(os.fsencode(wanted / _SOCKET_FILE)) > _SOCKET_PATH_LIMIT:
            if self._short_socket_dir is None:
                self._remove_left_socket_dir()
                self._short_socket_dir = Path(tempfile.mkdtemp(prefix="munjigi-", dir="/tmp"))
                home.own(self._short_socket_dir)
            return self._short_socket_dir
        wanted.mkdir(mode=0o700, exist_ok=True)
        home.own(wanted)
        return wanted

    def _remove_left_socket_dir(self) -> None:
        with contextlib.suppress(OSError, Unavailable):
            left = Path(parse_qs(urlsplit(self.uri).query)["host"][0])
            if left.parent == Path("/tmp") and left.name.startswith("munjigi-"):  # noqa: S108 - ours, of a killed daemon
                shutil.rmtree(left, ignore_errors=True)

    def _write_uri(self, socket_dir: Path, password: str) -> None:
        uri = urlunsplit(
            ("postgresql", f"{READER}:{quote(password, safe='')}@", f"/{DATABASE}", f"host={quote(str(socket_dir), safe='')}", "")
        )
        making = self._folder / "uri.new"
        descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(uri + "\n")
        making.rename(self._folder / "uri")
