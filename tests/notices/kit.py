"""Real receivers of notices: an HTTP server, an SMTP server; and a state folder with the real follower."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from running import ROOT, free_port

from munjigi.adapters.identity.authority import init_tls, server_files
from munjigi.adapters.notices.outbox import Outbox
from munjigi.adapters.policy_files import read_policy_home, store_bundle
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.adapters.state.store import SqlStateStore
from munjigi.app.config import Settings, to_json
from munjigi.app.duty import SCHEDULER
from munjigi.app.files import StateFolder
from munjigi.app.policy_in_force import note_in_force
from munjigi.app.seal_start import begin_seal
from munjigi.grants.changes import Edit, GrantEdit, RequestEdit
from munjigi.grants.notices.notice import Notice
from munjigi.grants.notices.ports import Letter, Outcome
from munjigi.grants.ports import DutyRow
from munjigi.grants.sample import sample_company
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import PolicyBundle

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
DAY = 86_400 * SECOND


def employee(name: str) -> EmployeeKey:
    return EmployeeKey(EMBEDDED_ISSUER, name)


def bundle() -> PolicyBundle:
    found = read_policy_home(ROOT / "policies")
    made, problems = compile_bundle(found.files, found.source)
    assert made is not None, problems
    return made


def asking(number: int, now: int, **other: Any) -> AccessRequest:
    """new.oh asks for cs_agent."""
    values: dict[str, Any] = {
        "access_request_id": f"ar-{number}",
        "kind": "new",
        "employee": employee("new.oh"),
        "person_id": "p.new.oh",
        "applicant": employee("new.oh"),
        "role": "cs_agent",
        "purpose": "inquiry",
        "case_id": "",
        "impact_assessment": "",
        "scope": None,
        "starts_at": 0,
        "ends_at": 0,
        "days": 30,
        "reason": "the new desk",
        "grant_id": "",
        "supersedes": "",
        "stages": ("owner",),
        "made_at": now,
        "lapses_at": now + 14 * DAY,
    }
    return AccessRequest(**values | other)


def made(request: AccessRequest) -> RequestEdit:
    return RequestEdit("request_made", request)


def emergency(number: int, now: int) -> GrantEdit:
    """fraud.choi takes cs_agent in an emergency."""
    grant = Grant(
        f"g-{number}",
        employee("fraud.choi"),
        "cs_agent",
        "inquiry",
        now,
        now + 3600 * SECOND,
        (),
        None,
        "",
        "",
        "",
        break_glass=True,
    )
    return GrantEdit("grant_added", grant, "the lines are down", "break_glass")


def notice(number: int = 1, **other: Any) -> Notice:
    values: dict[str, Any] = {
        "id": f"{number:020}-{number}",
        "kind": "request.made",
        "severity": "info",
        "at": 1_800_000_000 * SECOND,
        "recipients": (employee("cs.lee"),),
        "about": {"request": "ar-1", "holder": "new.oh", "role": "cs_agent", "purpose": "inquiry", "reason": "the new desk"},
        "times": {"lapses": 1_801_000_000 * SECOND},
    }
    return Notice(**values | other)


@dataclass
class Posted:
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def signed_with(self, key: bytes = KEY) -> bool:
        """Verify as a receiver does, written from the specification and not with our code."""
        signed = b".".join((self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body))
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(wanted, each) for each in self.headers["webhook-signature"].split())


@dataclass
class Receiver:
    """An HTTP server that keeps what it is posted. `answer` may wait, kill, and says which status and headers come back."""

    answer: Callable[[Posted], tuple[int, dict[str, str]]] = lambda _posted: (200, {})
    posted: list[Posted] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/munjigi"

    @contextmanager
    def running(self, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                posted = Posted({name.lower(): value for name, value in self.headers.items()}, body, time.monotonic())
                receiver.posted.append(posted)
                status, headers = receiver.answer(posted)
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", "0")
                    self.end_headers()
                except OSError:
                    return  # the sender is gone

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None: ...  # a handshake that is refused, a sender that was killed

        server = Server(("127.0.0.1", self.port), Handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)


class PostBox:
    """An SMTP server that keeps what it is sent. `refuse` maps a recipient to the answer that it gets."""

    def __init__(self, **options: Any) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.logins: list[str] = []
        self.refuse: dict[str, str] = {}
        self.port = free_port()
        self._options = options

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        assert isinstance(envelope.content, bytes)
        self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        self.logins.append(f"{data.login.decode()}:{data.password.decode()}")
        return AuthResult(success=self.logins[-1] == "munjigi:correct horse", handled=False)

    @contextmanager
    def running(self) -> Iterator[PostBox]:
        controller = _Relay(self, hostname="127.0.0.1", port=self.port, ready_timeout=10, **self._options)
        controller.start()
        try:
            yield self
        finally:
            controller.break_off()
            controller.stop()


class _Relay(Controller):
    """A relay that can be stopped while somebody sends, or is just connecting."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._sessions: list[SMTP] = []
        super().__init__(*arguments, **options)

    def factory(self) -> SMTP:
        self._sessions.append(super().factory())
        return self._sessions[-1]

    def break_off(self) -> None:
        asyncio.run_coroutine_threadsafe(self._broken_off(), self.loop).result(timeout=10)

    async def _broken_off(self) -> None:
        assert self.server is not None
        self.server.close()
        while len(asyncio.all_tasks()) > 1:  # a connection that is being accepted has a task before it has a session
            for each in self._sessions:
                if each.transport is not None:
                    each.transport.abort()
            await asyncio.sleep(0.01)


def certificates(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's side of TLS for 127.0.0.1 and localhost, and the authority that signed it."""
    from munjigi.kernel.clock import SystemClock

    init_tls(folder, ["crm-desk"], now=SystemClock().now())
    files = server_files(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context, files.authority


def secret_file(folder: Path, *lines: str) -> Path:
    path = folder / "webhook.secret"
    path.write_text("\n".join(lines or (SECRET,)) + "\n")
    path.chmod(0o600)
    return path


@dataclass
class Noted:
    """An errand that stands, and keeps what became of its letters."""

    settled: dict[str, Outcome] = field(default_factory=dict)

    def stands(self) -> bool:
        return True

    def settle(self, letter: Letter, outcome: Outcome) -> None:
        assert letter.letter_id not in self.settled
        self.settled[letter.letter_id] = outcome

    def of(self, letters: Iterable[Letter]) -> list[Outcome]:
        """Return the outcomes in the order of the letters, as far as they were tried."""
        return [self.settled[each.letter_id] for each in letters if each.letter_id in self.settled]


def outbox_of(store: SqlStateStore) -> Outbox:
    """Return the outbox of a store, under the number of whoever has the duty now."""
    row = store.duty(SCHEDULER)
    if row is None:
        row = store.replace_duty(DutyRow(SCHEDULER, "test", 1, 1, 0), None)
    return Outbox(lambda: store, SCHEDULER, row.fence)


class House:
    """A state folder with the sample company and the real follower on it, for as long as it runs."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.state = StateFolder(folder / "state")
        self.state.make()
        begin_seal(self.state)
        made = bundle()
        store_bundle(self.state.policies, made)
        note_in_force(self.state, made.revision)
        self.store = SqliteStateStore(self.state.state)
        self.store.migrate()
        self.store.apply(
            sample_company(time.time_ns() - 200 * DAY), at=time.time_ns() - 200 * DAY, actor="test", request_id="sample"
        )
        self.settings: dict[str, Any] = {"lease_seconds": 1.0} | settings  # who is killed is waited for so long
        self.process: subprocess.Popen[bytes] | None = None
        self.http_address = f"127.0.0.1:{free_port()}"

    def apply(self, *edits: Edit) -> int:
        return self.store.apply(edits, at=time.time_ns(), actor="new.oh", issuer=EMBEDDED_ISSUER, request_id="test")

    def start(self) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MUNJIGI_")}
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(self.state.metrics)
        settings = Settings(
            state_dir=self.state.root,
            policy_home=ROOT / "policies",
            http_address=self.http_address,
            log_format="json",
            **self.settings,
        )
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "munjigi.app.follower"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=environment,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(to_json(settings) + b"\n")
        self.process.stdin.flush()
        return self.process

    def stop(self) -> float:
        """End it and return how long that took, in seconds."""
        began = time.monotonic()
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            assert self.process.wait(60) in (0, -9), self.output()
        return time.monotonic() - began

    def kill(self) -> None:
        process = self.process  # one, though another may be started from another thread as soon as this one is dead
        assert process is not None
        assert process.stdin is not None
        process.kill()
        process.wait(30)
        process.stdin.close()

    def output(self) -> str:
        return (self.folder / "output").read_text()[-5000:]

    @contextmanager
    def running(self) -> Iterator[House]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def close(self) -> None:
        self.store.close()


def until(condition: Callable[[], bool], seconds: float = 240.0, what: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
