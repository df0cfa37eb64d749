"""One gateway worker, put together: what its life (`worker.py`) and its HTTP listeners are given."""

from __future__ import annotations

from dataclasses import dataclass

from munjigi.adapters.identity.jwks import FileKeys, UrlKeys
from munjigi.adapters.state.store import SqlStateStore
from munjigi.app.config import Settings
from munjigi.app.disk import Disk
from munjigi.app.holds import Holds
from munjigi.app.lease_keeper import LeaseKeeper
from munjigi.app.policy_home import PolicyHome
from munjigi.app.registrar import Registrar
from munjigi.app.retention import Retention
from munjigi.audit.committer import GroupCommitter
from munjigi.audit.journal import Journal
from munjigi.audit.ports import RecordSearch
from munjigi.kernel.clock import Clock
from munjigi.monitoring.meter import Meter
from munjigi.rpc.authentication import ListenerTrust
from munjigi.rpc.call import Method
from munjigi.rpc.failures import Failures
from munjigi.rpc.floods import Floods
from munjigi.rpc.health import HealthService
from munjigi.rpc.leased import LeasedDurability
from munjigi.rpc.pipeline import Pipeline
from munjigi.rpc.rates import Rates
from munjigi.rpc.room import Room


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway worker, put together and not yet listening."""

    settings: Settings
    slot: int
    clock: Clock
    journal: Journal
    committer: GroupCommitter
    store: SqlStateStore
    index: RecordSearch
    home: PolicyHome
    registrar: Registrar
    meter: Meter
    disk: Disk
    room: Room
    retention: Retention
    holds: Holds
    health: HealthService
    failures: Failures
    floods: Floods
    rates: Rates
    keys: FileKeys | UrlKeys
    methods: tuple[Method, ...]
    pipeline: Pipeline
    trust: ListenerTrust
    lease: LeaseKeeper
    sending: LeasedDurability
    native: bool
    member_key_id: str
