"""Which policy decides: load at start, watch the files, reload on request, keep the last good one.

The snapshot is one reference that is replaced whole (promise P2). A policy home with errors changes
nothing; it is reported by status, metric and record.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from munjigi.adapters.policy_files import fingerprint, read_policy_home, store_bundle
from munjigi.app.two_engines import compared
from munjigi.audit.committer import GroupCommitter
from munjigi.audit.journal import Journal
from munjigi.audit.records import PolicyRecord
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.tables import evaluate_case
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import ConfigurationError, FailedPrecondition, MunjigiError
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.compile import compile_bundle
from munjigi.policy.tables import run_tables
from munjigi.policy.types import PolicyBundle, Problem
from munjigi.rpc.ports import PolicyStatus, PolicyValidation

_LOGGER: Final = logging.getLogger("munjigi.policy")
_NOBODY: Final = EmployeeKey("", "")


def build(files: Mapping[str, bytes], source: str) -> tuple[PolicyBundle | None, tuple[Problem, ...], int]:
    """Compile a policy home and run its decision tables; return the bundle, all findings and the tests run."""
    bundle, problems = compile_bundle(files, source)
    if bundle is None:
        return None, problems, 0
    failures, run = run_tables(bundle, evaluate_case)
    if not failures:
        failures = compared(bundle)
    return (None if failures else bundle), (*problems, *failures), run


def load_first(home: Path, mode: str, kept: Path) -> PolicyBundle:
    """Load the policy home at start.

    Raises `ConfigurationError` with every error of the policy home: nothing is served without a policy.
    """
    try:
        found = read_policy_home(home, mode)
    except FailedPrecondition as error:
        raise ConfigurationError(error.reason, error.message) from error
    bundle, problems, _ = build(found.files, found.source)
    if bundle is None:
        errors = [str(problem) for problem in problems if problem.severity == "error"]
        listing = "\n  ".join(errors[:20])
        raise ConfigurationError(
            "POLICY_INVALID", f"Refusing to start: the policy home {home} has {len(errors)} error(s):\n  {listing}"
        )
    store_bundle(kept, bundle)
    return bundle


class PolicyHome:
    """Holds the snapshot that decides. Lives on the event loop; compiling happens in a thread."""

    def __init__(
        self,
        home: Path,
        mode: str,
        kept: Path,
        bundle: PolicyBundle,
        grants: GrantTable,
        journal: Journal,
        committer: GroupCommitter,
        clock: Clock,
        on_bundle: Callable[[PolicyBundle], None],
        on_load: Callable[[bool], None],
    ) -> None:
        self.snapshot = Snapshot(bundle, grants)
        self._home = home
        self._mode = mode
        self._kept = kept
        self._journal = journal
        self._committer = committer
        self._clock = clock
        self._on_bundle = on_bundle
        self._on_load = on_load
        self._loaded_at = clock.now()
        self._attempted_at = 0
        self._rejected = False
        self._problems = bundle.problems
        self._busy = asyncio.Lock()
        self._reloading: asyncio.Future[PolicyStatus] | None = None

    def set_grants(self, grants: GrantTable) -> None:
        """Replace the grant table."""
        self.snapshot = Snapshot(self.snapshot.bundle, grants)

    def status(self) -> PolicyStatus:
        """Tell which policy decides and what became of the last attempt."""
        bundle = self.snapshot.bundle
        return PolicyStatus(
            revision=bundle.revision,
            source=bundle.source,
            loaded_at=self._loaded_at,
            rules=len(bundle.rules),
            roles=len(bundle.roles),
            attempted_at=self._attempted_at,
            rejected=self._rejected,
            problems=self._problems,
        )

    def validate(self, files: Mapping[str, bytes] | None) -> PolicyValidation:
        """Compile and test files, or the policy home as it is on disk, without using them. Runs in a thread."""
        if files is None:
            found = read_policy_home(self._home, self._mode)
            files = found.files
        bundle, problems, run = build(files, "validated")
        failed = sum(problem.code == "TEST_FAILED" for problem in problems)
        return PolicyValidation(tuple(problems), bundle.revision if bundle is not None else "", run, failed)

    async def reload(self, employee: EmployeeKey | None = None) -> PolicyStatus:
        """Load the policy home; swap the snapshot if it is good. The record is durable when this returns.

        A caller who goes away does not stop it half-way: what is recorded as in force is in force.
        """
        self._reloading = asyncio.ensure_future(self._reload(employee or _NOBODY))
        return await asyncio.shield(self._reloading)

    async def _reload(self, employee: EmployeeKey) -> PolicyStatus:
        async with self._busy:
            bundle: PolicyBundle | None
            problems: tuple[Problem, ...]
            try:
                found = await asyncio.to_thread(read_policy_home, self._home, self._mode)
                bundle, problems, _ = await asyncio.to_thread(build, found.files, found.source)
                if bundle is not None and bundle.revision != self.snapshot.bundle.revision:
                    await asyncio.to_thread(store_bundle, self._kept, bundle)
            except MunjigiError as error:
                bundle, problems = None, (Problem("", 0, 0, "error", error.reason, error.message),)
            except OSError:
                message = "The bundle can't be kept in the state folder; free disk space and reload."
                bundle, problems = None, (Problem("", 0, 0, "error", "POLICY_NOT_KEPT", message),)
            except Exception as error:  # noqa: BLE001  # no edit of a policy file may end the decisions
                _LOGGER.error("the policy home could not be compiled", extra={"error": type(error).__name__})  # noqa: TRY400
                message = "The policy home could not be compiled; undo the last edit, and report this as a bug of Munjigi."
                bundle, problems = None, (Problem("", 0, 0, "error", "POLICY_INTERNAL", message),)
            self._attempted_at = self._clock.now()
            self._problems = problems
            self._rejected = bundle is None
            before = self.snapshot.bundle.revision
            await self._conclude(bundle, problems, employee, before)
            return self.status()

    async def _conclude(
        self, bundle: PolicyBundle | None, problems: tuple[Problem, ...], employee: EmployeeKey, before: str
    ) -> None:
        errors = [problem for problem in problems if problem.severity == "error"]
        accepted = bundle is not None
        if bundle is not None and bundle.revision == before and not employee.subject:
            return
        self._journal.append(
            PolicyRecord(
                accepted=accepted,
                policy_revision=bundle.revision if bundle is not None else before,
                source=bundle.source if bundle is not None else "",
                errors=len(errors),
                first_problem=f"{errors[0].file}:{errors[0].line}:{errors[0].column} {errors[0].code}" if errors else "",
                employee=employee.subject,
                issuer=employee.issuer,
            )
        )
        await self._committer.durable()
        self._on_load(accepted)
        if bundle is not None and bundle.revision != before:
            self.snapshot = Snapshot(bundle, self.snapshot.grants)
            self._loaded_at = self._clock.now()
            self._on_bundle(bundle)
            _LOGGER.info(
                "policy loaded", extra={"revision": bundle.revision[:12], "rules": len(bundle.rules), "source": bundle.source}
            )
        elif bundle is None:
            first = str(errors[0]) if errors else ""
            _LOGGER.warning("policy refused; the last good one stays", extra={"errors": len(errors), "first": first})

    async def watch(self, seconds: float) -> None:
        """Reload whenever the policy home looks different; for ever."""
        seen = await asyncio.to_thread(_look, self._home)
        while True:
            await asyncio.sleep(seconds)
            now = await asyncio.to_thread(_look, self._home)
            if now != seen:
                seen = now
                await self.reload()


def _look(home: Path) -> object:
    try:
        return fingerprint(home)
    except (OSError, MunjigiError):
        return None
