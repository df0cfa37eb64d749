"""The gateway worker: RPCs, decisions, journal; no background work. One life, readable from top to bottom.

Load and refuse, open, serve, drain, close. A task that dies takes the worker down: there is no half-daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from munjigi import __version__
from munjigi.app import logs
from munjigi.app.addresses import split_address
from munjigi.app.bootstrap import make_grpcio, open_gateway
from munjigi.app.child import EXIT_CONFIGURATION, receive_settings, say_reloaded, send_ready, stop_on_request
from munjigi.app.config import Settings
from munjigi.app.disk import Level
from munjigi.app.files import StateFolder
from munjigi.app.gateway import Gateway
from munjigi.app.heartbeat import Heartbeat
from munjigi.app.recorded import Recorded
from munjigi.app.restoration import forget, record_restored
from munjigi.app.state import hear_of_changes
from munjigi.app.vitals import Vitals
from munjigi.audit.records import DenialFloodRecord, ProcessRecord, SignInRecord
from munjigi.kernel.errors import AuditUnavailable, ConfigurationError, Corruption, MunjigiError, Unavailable
from munjigi.monitoring import catalogue
from munjigi.rpc.front_grpcio import GrpcioFront

if TYPE_CHECKING:
    from munjigi.app.scim import Scim

_LOGGER: Final = logging.getLogger("munjigi.worker")
_TICK_SECONDS: Final = 1.0
_SESSIONS_SECONDS: Final = 5  # between counts of sessions


class _Stop(Exception):
    """Ends the task group."""


def main() -> int:
    """Run a worker until it is asked to stop; return the exit code."""
    os.umask(0o077)
    settings = receive_settings()
    logs.set_up("worker", settings.log_level, settings.log_format)
    try:
        return uvloop.run(_run(settings, int(sys.argv[1]) if len(sys.argv) > 1 else 0))
    except (ConfigurationError, Corruption) as error:
        sys.stderr.write(f"{error.reason}: {error.message}\n")
        return EXIT_CONFIGURATION
    except MunjigiError as error:
        sys.stderr.write(f"{error.reason}: {error.message}\n")
        return 1


async def _run(settings: Settings, slot: int) -> int:
    logs.watch_loop(asyncio.get_running_loop())
    stopping = asyncio.Event()
    failed: list[BaseException] = []

    def on_failure(error: AuditUnavailable) -> None:
        failed.append(error)
        stopping.set()

    gateway = open_gateway(settings, on_failure, slot)
    first = slot == 0  # it says for all of them what is said once
    restored = first and record_restored(StateFolder(settings.state_dir), gateway.journal)
    recorded = Recorded(StateFolder(settings.state_dir), settings)
    changes = recorded.records()
    if not first:
        changes = []
    gateway.journal.append(_process_record(gateway, recorded, "start"))
    if (refused := gateway.home.refused_at_start()) is not None:
        gateway.journal.append(refused)
    for change in changes:
        gateway.journal.append(change)
    await gateway.committer.durable()
    if restored:
        forget(StateFolder(settings.state_dir))
    if first:
        _keep(recorded)
    await gateway.holds.settle()
    await gateway.lease.begin()
    gateway.home.tell_others = say_reloaded
    scim = _scim(gateway) if settings.scim_address else None
    stop_on_request(asyncio.get_running_loop(), stopping.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.home.reload_soon)
    # What was loaded stays: the collector need not walk a million grants again while calls wait.
    gc.collect()
    gc.freeze()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(gateway.lease.run())
            tasks.create_task(hear_of_changes(settings, gateway.lease.look))
            if settings.policy_watch_seconds:
                tasks.create_task(gateway.home.watch(settings.policy_watch_seconds))
            tasks.create_task(_tick(gateway, recorded))
            tasks.create_task(gateway.retention.run())
            if settings.oidc_logout_address:
                from munjigi.app import sign_out  # noqa: PLC0415  # an HTTP server costs start time and memory

                tasks.create_task(sign_out.run(gateway))
            if scim is not None:
                tasks.create_task(scim.run(stopping))
            await _serve(gateway, stopping)
            raise _Stop
    except* _Stop:
        pass
    except* Exception as group:  # noqa: BLE001  # a task died, or what it awaited: there is no half-daemon
        failed.extend(group.exceptions)
    if failed:
        gateway.meter.flush(gateway.committer)  # what was refused counts: other workers live on, and an alert looks at it
        logs.report("this worker ends", failed[0])
        return 1
    await _close(gateway, recorded)
    return 0


def _scim(gateway: Gateway) -> Scim:
    from munjigi.app.scim import Scim  # noqa: PLC0415  # an HTTP server costs memory, and is loaded where it is wanted

    return Scim(gateway)


async def _serve(gateway: Gateway, stopping: asyncio.Event) -> None:
    """Listen until `stopping`, then drain."""
    settings = gateway.settings
    with tempfile.TemporaryDirectory(prefix="munjigi-") as private:
        grpcio = make_grpcio(gateway, behind_native=gateway.native)
        grpcio.describe({method.service for method in gateway.methods})
        try:
            if gateway.native:
                await _serve_native(gateway, grpcio, Path(private) / "fallback.sock", stopping)
                return
            await grpcio.start()
            _announce(gateway, _address(settings.address_of(gateway.slot), grpcio.port), "grpcio")
            await stopping.wait()
            _drain(gateway)
            await grpcio.stop(settings.drain_seconds)
        finally:
            await grpcio.stop(0)


async def _serve_native(gateway: Gateway, grpcio: GrpcioFront, socket: Path, stopping: asyncio.Event) -> None:
    from munjigi.rpc.front_native import NativeFront  # noqa: PLC0415  # its wheel does not exist everywhere

    settings = gateway.settings
    unary = [method for method in gateway.methods if not method.streaming]
    front = NativeFront(
        settings.address_of(gateway.slot),
        unary,
        gateway.pipeline,
        gateway.sending,
        gateway.trust,
        reuse_port=settings.share_ports and not settings.unix_socket,
    )
    grpcio.listen(f"unix:{socket}")
    await grpcio.start()
    front.set_fallback(str(socket))
    await front.start()
    _announce(gateway, _address(settings.address_of(gateway.slot), front.port), "native")
    stop_asked = asyncio.ensure_future(stopping.wait())
    await asyncio.wait((stop_asked, front.ended), return_when=asyncio.FIRST_COMPLETED)
    stop_asked.cancel()
    if front.ended.done():
        raise Unavailable("FRONT_ENDED", "The native front has ended by itself; report this, and set MUNJIGI_FRONT=grpcio.")
    _drain(gateway)
    await front.stop(settings.drain_seconds)
    await grpcio.stop(1.0)


def _announce(gateway: Gateway, address: str, front: str) -> None:
    gateway.health.set("", True)
    gateway.health.set("munjigi", True)
    gateway.meter.set(catalogue.WORKER_READY, value=1)
    bundle = gateway.home.snapshot.bundle
    refused = gateway.home.status().rejected
    send_ready(grpc=address, front=front, policy_revision=bundle.revision, rules=len(bundle.rules), policy_refused=refused)
    _LOGGER.info("serving", extra={"address": address, "front": front, "slot": gateway.slot, "log_id": gateway.journal.log_id})


def _drain(gateway: Gateway) -> None:
    gateway.health.set("", False)
    gateway.health.set("munjigi", False)
    gateway.health.drain()
    gateway.meter.set(catalogue.WORKER_READY, value=0)


def _address(configured: str, port: int) -> str:
    if configured.startswith("unix:"):
        return configured
    host, _ = split_address(configured)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _tick(gateway: Gateway, recorded: Recorded) -> None:
    """Once a second: write what failed sign-ins and floods of denials add up to, hand metrics on, show a heartbeat, watch the follower's."""
    folder = StateFolder(gateway.settings.state_dir)
    own, follower = Heartbeat(folder.run, f"worker-{gateway.slot}"), Heartbeat(folder.run, "follower")
    key_problem = ""
    vitals = Vitals(f"worker-{gateway.slot}", gateway.meter)
    vitals.watch()
    looks = 0
    up = False
    while True:
        await _look_at_disk(gateway)
        now = gateway.clock.now()
        gateway.rates.look(gateway.home.snapshot.bundle.tools.values(), now)
        if _record_sums(gateway, gateway.failures.due(now), gateway.floods.end(now)):
            await gateway.committer.durable()
        if (changes := recorded.records()) and gateway.slot == 0:  # the follower took a new key of the seal up
            for change in changes:
                gateway.journal.append(change)
            await gateway.committer.durable()
        if gateway.slot == 0:
            _keep(recorded)
        gateway.keys.poll(gateway.clock.now())
        if gateway.keys.problem != key_problem:
            key_problem = gateway.keys.problem
            _LOGGER.warning("the key set of employees' tokens", extra={"problem": key_problem or "none any more"})
        gateway.meter.set(catalogue.KEY_SET_PROBLEM, value=bool(key_problem))
        gateway.meter.set(catalogue.JOURNAL_NEXT, value=gateway.journal.durable_index)
        gateway.meter.set(catalogue.WORKERS, value=gateway.settings.workers)
        gateway.meter.set(catalogue.BLOCKED, value=len(gateway.home.snapshot.grants.blocks))
        gateway.meter.set(catalogue.GRANT_REVISION, value=gateway.home.snapshot.grants.revision)
        if looks % _SESSIONS_SECONDS == 0:
            held = gateway.pipeline.authenticator.sessions(gateway.home.snapshot.grants, gateway.clock.now())
            gateway.meter.set(catalogue.SESSIONS, value=held)
        looks += 1
        vitals.note()
        gateway.meter.flush(gateway.committer)
        own.beat(gateway.clock.now(), gateway.health.serving())
        up = up or gateway.health.serving()
        if up:  # who can't answer is left out by whoever asks for health, and comes back
            for name in ("", "munjigi"):
                gateway.health.set(name, gateway.lease.refusal() is None)
        gateway.health.set("policy", not gateway.home.status().rejected)
        gateway.health.set("follower", follower.alive(gateway.clock.now()))
        await asyncio.sleep(_TICK_SECONDS)


def _record_sums(gateway: Gateway, failures: Sequence[SignInRecord], floods: Sequence[DenialFloodRecord]) -> bool:
    """Write down and meter what was counted instead of being recorded one by one; tell whether there was anything."""
    for failed in failures:
        gateway.meter.add(catalogue.SIGN_IN_FAILURES, failed.reason, amount=failed.count)
        gateway.journal.append(failed)
    for flood in floods:
        gateway.meter.add(catalogue.DENIALS_COUNTED, flood.tool, flood.reason, amount=flood.count)
        gateway.journal.append(flood)
    return bool(failures or floods)


async def _look_at_disk(gateway: Gateway) -> None:
    """Set the switch that decisions ask. A file system that can't be asked changes nothing."""
    with contextlib.suppress(OSError):
        await asyncio.to_thread(gateway.disk.look)
    level = gateway.disk.level
    gateway.room.full = level is Level.FULL
    gateway.health.set("disk", level < Level.DEGRADED)
    gateway.meter.set(catalogue.DISK_LEVEL, value=level)
    gateway.meter.set(catalogue.DISK_USED, value=gateway.disk.use.used)


def _keep(recorded: Recorded) -> None:
    """Remember what is recorded. On a disk that refuses, the next start records it once more."""
    with contextlib.suppress(OSError):
        recorded.keep()


async def _close(gateway: Gateway, recorded: Recorded) -> None:
    """Record the stop, sync for the last time, and close everything."""
    now = gateway.clock.now()
    _record_sums(gateway, gateway.failures.drain(now), gateway.floods.end(now))
    gateway.journal.append(_process_record(gateway, recorded, "stop"))
    gateway.meter.flush(gateway.committer)
    let_go = await gateway.lease.end()
    if let_go:
        await gateway.registrar.close()
    await gateway.home.close()
    await gateway.committer.close()
    gateway.journal.close()
    gateway.index.close()
    gateway.store.close()
    _LOGGER.info("stopped")
    if not let_go:
        # All is durable and closed. A thread that waits for a database that hangs would hold the exit up until somebody kills it.
        logging.shutdown()
        os._exit(0)


def _process_record(gateway: Gateway, recorded: Recorded, event: str) -> ProcessRecord:
    snapshot = gateway.home.snapshot
    return ProcessRecord(
        event="start" if event == "start" else "stop",
        version=__version__,
        member_key_id=gateway.member_key_id,
        policy_revision=snapshot.bundle.revision,
        grant_revision=snapshot.grants.revision,
        front="native" if gateway.native else "grpcio",
        settings_digest=recorded.digest,
        seal_key=recorded.key,
    )


if __name__ == "__main__":
    sys.exit(main())
