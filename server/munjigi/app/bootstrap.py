"""The composition root: the only place that knows which concrete class stands behind which port."""

from __future__ import annotations

import importlib.util
import logging
import secrets
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from munjigi.adapters.board import Board
from munjigi.adapters.identity.jwks import FileKeys, UrlKeys, key_source
from munjigi.adapters.identity.local_issuer import ensure_issuer
from munjigi.adapters.identity.tokens import EMPLOYEE_TYPE, TOOL_TYPE, JwtVerifier
from munjigi.adapters.prometheus import PrometheusSink
from munjigi.adapters.secrets import member_key, names_key
from munjigi.app.acknowledged import AcknowledgedRegistrar
from munjigi.app.config import Settings
from munjigi.app.disk import Disk, Level
from munjigi.app.files import StateFolder
from munjigi.app.gateway import Gateway
from munjigi.app.grant_changes import load_table
from munjigi.app.history import KeptHistory
from munjigi.app.holds import Holds
from munjigi.app.lease_keeper import LeaseKeeper
from munjigi.app.policy_home import PolicyHome
from munjigi.app.policy_in_force import in_force, note_in_force
from munjigi.app.policy_marks import given_back, given_back_since
from munjigi.app.policy_start import load_first
from munjigi.app.recent_reads import recall
from munjigi.app.record_search import record_search
from munjigi.app.registrar import Registrar
from munjigi.app.retention import Retention
from munjigi.app.review_plans import ReviewPlans
from munjigi.app.review_watching import ReviewWatching
from munjigi.app.seal_start import begin_seal
from munjigi.app.state import keep_note, open_state
from munjigi.app.synthetic import marked, refuse_mixed
from munjigi.app.trail import Trail
from munjigi.audit.committer import GroupCommitter, Mode, choose_mode, measure_sync
from munjigi.audit.journal import Journal
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import LockoutRecord, SignInRecord
from munjigi.audit.seal.reader import sealed_logs, sealed_size
from munjigi.grants.ports import PermissionRows
from munjigi.grants.sample import seed_sample
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.errors import AuditUnavailable, ConfigurationError, Corruption
from munjigi.kernel.identity import EMBEDDED_ISSUER
from munjigi.kernel.references import MemberReferences, NameDigests
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter
from munjigi.policy.types import PolicyBundle
from munjigi.review.kept import KeptPlans
from munjigi.rpc.access_requests import AccessRequestService
from munjigi.rpc.audit_records import Conditions
from munjigi.rpc.audits import AuditService
from munjigi.rpc.authentication import Authenticator, ListenerTrust, TokenVerifier
from munjigi.rpc.decisions import DecisionService
from munjigi.rpc.desk import Desk
from munjigi.rpc.explanations import ExplanationService
from munjigi.rpc.failures import Failures
from munjigi.rpc.floods import Floods
from munjigi.rpc.foreign_reads import ForeignReads
from munjigi.rpc.front_grpcio import GrpcioFront, server_credentials
from munjigi.rpc.grants import GrantService
from munjigi.rpc.health import HealthService
from munjigi.rpc.holds import HoldService
from munjigi.rpc.leased import LeasedDurability
from munjigi.rpc.past import Past
from munjigi.rpc.pending import PendingReads
from munjigi.rpc.people import PeopleService
from munjigi.rpc.pipeline import Pipeline
from munjigi.rpc.policies import PolicyService
from munjigi.rpc.rates import Rates
from munjigi.rpc.reach import ReachService
from munjigi.rpc.review_words import ReviewWordService
from munjigi.rpc.reviews import ReviewService
from munjigi.rpc.revocations import RevocationService
from munjigi.rpc.rights import RightService
from munjigi.rpc.room import Room
from munjigi.rpc.tail import TailService

_LOGGER: Final = logging.getLogger("munjigi.worker")


def wants_native(settings: Settings) -> bool:
    """Choose the front.

    Raises `ConfigurationError` when the native one is demanded and its wheel is not here.
    """
    available = importlib.util.find_spec("pygrpc_native") is not None
    if settings.front == "native" and not available:
        raise ConfigurationError(
            "FRONT_MISSING", "front = native, but pygrpc-native has no wheel for this platform: set MUNJIGI_FRONT=grpcio."
        )
    return settings.front == "native" or (settings.front == "auto" and available and not settings.tls)


def open_gateway(settings: Settings, on_failure: Callable[[AuditUnavailable], None], slot: int = 0) -> Gateway:
    """Check seal and journal, open state, policy and keys, in this order, and put the services together for one worker.

    Must run on the event loop. Raises `ConfigurationError` or `Corruption` when it must not serve.
    """
    _refuse_open_socket(settings)
    clock = SystemClock()
    folder = StateFolder(settings.state_dir)
    meter = Meter(PrometheusSink(f"worker-{slot}"))
    disk = Disk(folder, settings.watermarks, settings.disk_reserve_mebibytes << 20)
    disk.start()
    begin_seal(folder)
    synthetic = marked(folder)
    journal = Journal.open(
        folder.journal,
        slot,
        quarantine=folder.quarantine,
        clock=clock,
        randomness=secrets.token_bytes(16),
        segment_bytes=settings.segment_mebibytes << 20,
        sealed=lambda log_id: sealed_size(folder.seal, log_id),
        synthetic=synthetic,
    )
    store = open_state(settings, folder)
    _refuse_taken_back(store, folder)
    refuse_mixed(folder, store, synthetic=synthetic)
    keep_note(settings, folder)
    if settings.identity == "embedded":
        seed_sample(store, clock.now())
    grants = load_table(store, stays=True)
    regrants = partial(given_back_since, store, clock, folder.policies, grants)
    first = load_first(settings.home(), settings.policy_source, folder.policies, in_force(folder), regrants)
    native = wants_native(settings)
    committer = GroupCommitter(journal, _commit_mode(settings, folder), on_failure)
    references = MemberReferences(
        member_key(settings.member_key or folder.keys / "member.key", create=settings.member_key is None)
    )
    digests = NameDigests(names_key(folder.keys / "names.key"))
    board = Board(folder.run / "board", slot, settings.workers)
    failures = Failures(board)
    floods = Floods(settings.denial_records_per_second, journal.append, board, settings.workers)
    rates = Rates(board, settings.workers)
    health = HealthService()
    trail = Trail(folder, journal, store, lambda: home.snapshot.grants.revision, settings.workers - 1)
    index = record_search(settings, folder, trail)
    history = KeptHistory(folder.policies, store, index)

    def note_policy(new: PolicyBundle) -> None:
        history.note(new)
        note_in_force(folder, new.revision)
        meter.set(catalogue.POLICY_LOADED, value=clock.now() / 1e9)
        meter.set(catalogue.POLICY_REVISION, value=int(new.revision[:12], 16))

    def note_load(accepted: bool) -> None:
        meter.add(catalogue.POLICY_LOADS, "accepted" if accepted else "refused")
        meter.set(catalogue.POLICY_REJECTED, value=0 if accepted else 1)

    def note_failure(record: SignInRecord | LockoutRecord) -> None:
        journal.append(record)
        if isinstance(record, LockoutRecord):
            meter.add(catalogue.LOCKOUTS, record.reason)
        else:
            meter.add(catalogue.SIGN_IN_FAILURES, record.reason)

    home = PolicyHome(
        settings.home(),
        settings.policy_source,
        folder.policies,
        first,
        grants,
        journal,
        committer,
        clock,
        note_policy,
        note_load,
    )
    home.gives_back = partial(given_back, store, clock)
    registrar = Registrar(store, home, clock)
    history.follow(home, home)
    note_policy(home.snapshot.bundle)
    note_load(not home.status().rejected)
    pending = PendingReads()
    with JournalReader(folder.journal / journal.log_id) as reader:
        recall(reader, journal.next_index, pending, clock.now())
    room = Room(disk)
    room.full = disk.level is Level.FULL
    desk = Desk(home, journal, references, digests, clock, pending, meter, room, floods)
    keys = _keys(settings, folder)
    employees, tools = _verifiers(settings, keys)
    pipeline = Pipeline(Authenticator(employees, tools, failures, note_failure, board), home, clock, meter)
    past = Past(history, index, trail)
    conditions = Conditions(home, references)
    decisions = DecisionService(desk, home, journal, references, pending, ForeignReads(trail, journal.log_id), rates, meter)
    retention = Retention(settings, journal, committer, clock, meter, slot=slot)
    lease = LeaseKeeper(store, journal.log_id, settings.lease_seconds, home, registrar.catch_up, committer, clock, meter)
    acknowledged = AcknowledgedRegistrar(registrar, lease)
    plans = KeptPlans()
    holds = Holds(folder, journal, committer, retention, clock, meter)
    methods = (
        *decisions.methods(),
        *ExplanationService(desk, home, past, decisions.take).methods(),
        *ReachService(desk, home, past).methods(),
        *AuditService(desk, trail, index, conditions).methods(),
        *TailService(desk, trail, index, conditions, lambda: health.staying).methods(),
        *HoldService(desk, holds).methods(),
        *PolicyService(desk, home).methods(),
        *GrantService(desk, home).methods(),
        *AccessRequestService(desk, acknowledged, home).methods(),
        *RightService(desk, acknowledged, home).methods(),
        *PeopleService(desk, registrar, home, lease, settings.issuer).methods(),
        *RevocationService(desk, registrar, home, lease).methods(),
        *ReviewService(desk, registrar, home, ReviewPlans(str(folder.root)), plans, journal, clock).methods(),
        *ReviewWordService(desk, registrar, home, lease, plans, ReviewWatching(folder, index, clock.now)).methods(),
        *health.methods(),
    )
    trust = ListenerTrust(settings.forwarded_certificate, settings.identity == "embedded")
    return Gateway(
        settings,
        slot,
        clock,
        journal,
        committer,
        store,
        index,
        home,
        registrar,
        meter,
        disk,
        room,
        retention,
        holds,
        health,
        failures,
        floods,
        rates,
        keys,
        methods,
        pipeline,
        trust,
        lease,
        LeasedDurability(committer, lease, partial(_withheld, meter)),
        native,
        references.key_id,
    )


def _withheld(meter: Meter, reason: str, answers: int) -> None:
    meter.add(catalogue.ANSWERS_WITHHELD, reason, amount=answers)


def _refuse_taken_back(store: PermissionRows, folder: StateFolder) -> None:
    """Refuse a state store that is older than what was sealed of it, or another one: revoked grants would hold again (P8).

    Raises `Corruption`.
    """
    heads = store.log_heads()
    for head in heads:
        sealed = sealed_size(folder.seal, head.log_id)
        if head.next_index < sealed:
            raise Corruption(
                "STATE_TAKEN_BACK",
                f"{store.name} has {head.next_index} permission records, and {sealed} were sealed: it is an old copy. "
                "Munjigi does not start on it; put a whole backup in place with `munjigi restore`.",
            )
    gone = sealed_logs(folder.seal) - {*(head.log_id for head in heads), *list_logs(folder.journal)}
    if gone:
        raise Corruption(
            "LOG_GONE",
            f"Log {min(gone)} was sealed and is not in {folder.root} any more: its journal folder or {store.name} was "
            "removed or replaced. Munjigi does not start without it; put a whole backup in place with `munjigi restore`.",
        )


def _refuse_open_socket(settings: Settings) -> None:
    """Whoever reaches a Unix socket may speak to it, so its folder is private.

    Raises `ConfigurationError`.
    """
    if not settings.unix_socket:
        return
    folder = Path(settings.grpc_address.removeprefix("unix:")).parent
    if not folder.is_dir() or stat.S_IMODE(folder.stat().st_mode) & 0o077:
        raise ConfigurationError(
            "SOCKET_OPEN_TO_OTHERS",
            f"Refusing to start: the folder of the gRPC socket must be private. Run: install -d -m 700 {folder}",
        )


def _commit_mode(settings: Settings, folder: StateFolder) -> Mode:
    if settings.commit_mode != "auto":
        return settings.commit_mode
    seconds = measure_sync(folder.journal)
    mode = choose_mode(seconds)
    _LOGGER.info("commit mode chosen", extra={"mode": mode, "sync_microseconds": round(seconds * 1e6)})
    return mode


def _keys(settings: Settings, folder: StateFolder) -> FileKeys | UrlKeys:
    """Return the keys that sign employees' tokens."""
    if settings.identity == "embedded":
        return key_source(str(ensure_issuer(folder.root)))
    return key_source(settings.oidc_keys, issuer=settings.oidc_issuer, authority=settings.oidc_authority)


def _verifiers(settings: Settings, keys: FileKeys | UrlKeys) -> tuple[TokenVerifier, TokenVerifier | None]:
    """Return the verifier of employee tokens and, with the embedded identity, that of tool tokens."""
    if settings.identity == "embedded":
        employees = JwtVerifier(keys, issuer=EMBEDDED_ISSUER, types=frozenset({EMPLOYEE_TYPE}))
        return employees, JwtVerifier(keys, issuer=EMBEDDED_ISSUER, types=frozenset({TOOL_TYPE}))
    types = frozenset(name.lower() for name in settings.oidc_token_types)
    return JwtVerifier(keys, issuer=settings.oidc_issuer, audience=settings.oidc_audience, types=types), None


def make_grpcio(gateway: Gateway, *, behind_native: bool) -> GrpcioFront:
    """Make the grpcio front.

    Behind the native one it serves streams, and the caller adds its private socket. What is passed on to that has a local
    peer, so a header that a proxy set is not believed there, and streams need a listener of their own.
    """
    settings = gateway.settings
    methods, trust = gateway.methods, gateway.trust
    address, secure = settings.address_of(gateway.slot), settings.tls
    if behind_native:
        address, secure = settings.stream_address, bool(settings.stream_address)
        methods = tuple(each for each in methods if each.streaming and (secure or not trust.forwarded_certificate))
        trust = ListenerTrust(tool_tokens=trust.tool_tokens)
    if not secure:
        front = GrpcioFront(methods, gateway.pipeline, gateway.sending, trust, reuse_port=settings.share_ports)
        front.watch_health(gateway.health)
        if address:
            front.listen(address)
        return front
    from munjigi.adapters.identity.authority import certificate_uris  # noqa: PLC0415  # x509 costs start time and memory

    front = GrpcioFront(methods, gateway.pipeline, gateway.sending, trust, certificate_uris, reuse_port=settings.share_ports)
    front.watch_health(gateway.health)
    assert settings.tls_certificate is not None
    assert settings.tls_key is not None
    assert settings.tls_client_authority is not None
    credentials = server_credentials(
        settings.tls_certificate.read_bytes(), settings.tls_key.read_bytes(), settings.tls_client_authority.read_bytes()
    )
    front.listen(address, credentials)
    return front
