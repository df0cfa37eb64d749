"""The rooms of a gateway worker on a simulated clock, without transport, lease and follower: composed for a demonstration alone."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

from munjigi import __version__
from munjigi.adapters.policy_files import keep_last, read_policy_home, store_bundle
from munjigi.adapters.secrets import member_key, names_key
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.adapters.state.store import SqlStateStore
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.grant_changes import load_table
from munjigi.app.policy_build import Built, build_tested
from munjigi.app.policy_home import PolicyHome
from munjigi.app.registrar import Registrar
from munjigi.app.simulated_clock import SimulatedClock
from munjigi.app.trail import Trail
from munjigi.audit.committer import GroupCommitter, choose_mode, measure_sync
from munjigi.audit.journal import Journal
from munjigi.audit.records import ProcessRecord
from munjigi.decision.standing import asks_calendar
from munjigi.grants.sample import seed_sample
from munjigi.kernel.errors import AuditUnavailable, ConfigurationError, MunjigiError
from munjigi.kernel.references import MemberReferences, NameDigests
from munjigi.monitoring.counted import Counted
from munjigi.policy.types import PolicyBundle
from munjigi.rpc.access_requests import AccessRequestService
from munjigi.rpc.decisions import DecisionService
from munjigi.rpc.desk import Desk
from munjigi.rpc.foreign_reads import ForeignReads
from munjigi.rpc.in_process import InProcess
from munjigi.rpc.pending import PendingReads
from munjigi.rpc.people import PeopleService
from munjigi.rpc.ports import Applied
from munjigi.rpc.rates import Rates
from munjigi.rpc.revocations import RevocationService
from munjigi.rpc.rulings import Rulings

_STANDING: Final = 16_384  # rulings: what a thousand people ask for between two changes of rights
_BUDGET: Final = re.compile(rb"^budget = \d+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DemoGateway:
    """What a demonstration plays through."""

    clock: SimulatedClock
    journal: Journal
    committer: GroupCommitter
    store: SqlStateStore
    home: PolicyHome
    registrar: Registrar
    calls: InProcess

    def began(self) -> None:
        """Record the start, as a worker does."""
        self.journal.append(self._process("start"))

    async def close(self) -> None:
        """Record the stop, make everything durable and close. Raises `AuditUnavailable`."""
        self.journal.append(self._process("stop"))
        await self.registrar.close()
        await self.home.close()
        await self.committer.close()
        self.journal.close()
        self.store.close()

    async def abandon(self) -> None:
        """Let go of everything, whatever has failed."""
        with suppress(MunjigiError):
            self.journal.close()
        await self.registrar.close()
        self.store.close()

    def _process(self, event: str) -> ProcessRecord:
        snapshot = self.home.snapshot
        return ProcessRecord(
            event="start" if event == "start" else "stop",
            version=__version__,
            policy_revision=snapshot.bundle.revision,
            grant_revision=snapshot.grants.revision,
        )


def policy_of(settings: Settings) -> Built:
    """Compile the policy home without head-count budgets: the company is as large as it is asked to be.

    Raises `ConfigurationError` when it has errors, and what reading it raises.
    """
    found = read_policy_home(settings.home(), settings.policy_source)
    files = {name: _BUDGET.sub(b"budget = 0", text) if name == "roles.toml" else text for name, text in found.files.items()}
    built = build_tested(files, f"{found.source}, without budgets")
    if built.bundle is None:
        raise ConfigurationError("POLICY_INVALID", "The policy home has errors; `munjigi policy lint` shows them.")
    return built


def open_demo_gateway(settings: Settings, folder: StateFolder, built: Built, clock: SimulatedClock) -> DemoGateway:
    """Put the rooms together in a fresh synthetic folder. Must run on the event loop.

    Raises `AuditUnavailable` or `Unavailable` when the disk refuses.
    """
    bundle = built.bundle
    assert bundle is not None
    store_bundle(folder.policies, bundle)
    keep_last(folder.policies, bundle.revision)
    journal = Journal.open(
        folder.journal,
        0,
        quarantine=folder.quarantine,
        clock=clock,
        randomness=secrets.token_bytes(16),
        segment_bytes=settings.segment_mebibytes << 20,
        synthetic=True,
    )
    store = SqliteStateStore(folder.state, synthetic=True)
    store.migrate()
    seed_sample(store, clock.now())
    committer = GroupCommitter(journal, choose_mode(measure_sync(folder.journal)), _fail)
    home = PolicyHome(
        settings.home(),
        settings.policy_source,
        folder.policies,
        built,
        load_table(store),
        journal,
        committer,
        clock,
        _note,
        _note,
    )
    references = MemberReferences(member_key(folder.keys / "member.key"))
    pending = PendingReads()
    meter = _Uncounted()
    desk = Desk(
        home,
        journal,
        references,
        NameDigests(names_key(folder.keys / "names.key")),
        clock,
        pending,
        meter,
        stopwatch=clock.stopwatch,
        rulings=Rulings(_STANDING, calendar=asks_calendar(bundle)),
    )
    registrar = Registrar(store, home, clock)
    trail = Trail(folder, journal, store, lambda: home.snapshot.grants.revision, 0)
    decisions = DecisionService(desk, home, journal, references, pending, ForeignReads(trail, journal.log_id), Rates(), meter)
    changes = (
        *AccessRequestService(desk, registrar, home, _numbered()).methods(),
        *PeopleService(desk, registrar, home, _Alone(), settings.issuer).methods(),
        *RevocationService(desk, registrar, home, _Alone()).methods(),
    )
    return DemoGateway(clock, journal, committer, store, home, registrar, InProcess(desk, decisions, changes, journal.log_id))


class _Uncounted:
    """A meter that nobody reads."""

    def decision(self, door: str, counted: Counted, subjects: int) -> None:
        """Count nothing."""

    def confirmation(self, outcome: str, purpose: str, rows: int) -> None:
        """Count nothing."""


class _Alone:
    """Knows that no other worker serves: what is committed is true everywhere."""

    async def wait_applied(self, revision: int) -> Applied:
        """Return at once."""
        del revision
        return Applied(0.0, 0)


def _numbered() -> Callable[[], str]:
    """Return what names requests in order, so that each run names them alike."""
    numbers = count(1)
    return lambda: f"ar-{next(numbers):016x}"


def _fail(error: AuditUnavailable) -> None:
    """Do nothing: whoever waits for the commit is told."""
    del error


def _note(what: PolicyBundle | bool) -> None:
    del what
