"""Which policy decides: watch the files, reload on request, keep the last good one (`policy_start.py` loads the first).

The snapshot is one reference that is replaced whole (promise P2). A policy home with errors changes
nothing; it is reported by status, metric and record.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from munjigi.adapters.policy_files import fingerprint, keep_last
from munjigi.app.policy_build import Built
from munjigi.app.policy_compiler import PolicyCompiler
from munjigi.app.policy_handover import let_go
from munjigi.app.policy_orders import Difference, Outcome, errors_of, not_kept
from munjigi.audit.committer import GroupCommitter
from munjigi.audit.journal import Journal
from munjigi.audit.records import PolicyRecord
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import MunjigiError
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import PolicyBundle, Problem
from munjigi.rpc.ports import PolicyStatus, PolicyValidation

_LOGGER: Final = logging.getLogger("munjigi.policy")
_NOBODY: Final = EmployeeKey("", "")
_DEBOUNCE_SECONDS: Final = 0.2
_DEBOUNCE_LOOKS: Final = 25


class PolicyHome:
    """Holds the snapshot that decides. Lives on the event loop; compiling happens in another process."""

    def __init__(
        self,
        home: Path,
        mode: str,
        kept: Path,
        first: Built,
        grants: GrantTable,
        journal: Journal,
        committer: GroupCommitter,
        clock: Clock,
        on_bundle: Callable[[PolicyBundle], None],
        on_load: Callable[[bool], None],
    ) -> None:
        bundle = first.bundle
        assert bundle is not None
        self.snapshot = Snapshot(bundle, grants)
        self._compared = first.asked, first.not_run
        self._home = home
        self._kept = kept
        self._compiler = PolicyCompiler(home, mode, kept)
        self._journal = journal
        self._committer = committer
        self._clock = clock
        self._on_bundle = on_bundle
        self._on_load = on_load
        self._loaded_at = clock.now()
        self._rejected = any(problem.severity == "error" for problem in first.problems)
        self._attempted_at = self._loaded_at if self._rejected else 0
        self._problems = first.problems
        self._busy = asyncio.Lock()
        self.tell_others: Callable[[], None] = lambda: None  # that somebody asked for a reload by name
        self.gives_back: Callable[[PolicyBundle, Snapshot], tuple[Problem, ...]] = lambda _new, _now: ()  # what a review took
        self._reloading: asyncio.Future[PolicyStatus] | None = None
        self._background: set[asyncio.Task[Any]] = set()

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
            casbin_questions=self._compared[0],
            casbin_not_run=self._compared[1],
        )

    def refused_at_start(self) -> PolicyRecord | None:
        """Return the record that is due where the policy home was refused at the start, and another bundle decides."""
        if not self._rejected:
            return None
        found = errors_of(self._problems)
        return PolicyRecord(
            accepted=False,
            policy_revision=self.snapshot.bundle.revision,
            errors=found.number,
            first_problem=found.place,
        )

    async def validate(self, files: Mapping[str, bytes] | None) -> PolicyValidation:
        """Compile and test files, or the policy home as it is on disk, without using them."""
        outcome = await self._compiler.check(files)
        failed = sum(problem.code == "TEST_FAILED" for problem in outcome.problems)
        return PolicyValidation(outcome.problems, outcome.revision, outcome.tests_run, failed)

    async def close(self) -> None:
        """End the process that compiles, and what still frees an old bundle."""
        for task in self._background:
            task.cancel()
        await self._compiler.close()

    async def reload(self, employee: EmployeeKey | None = None) -> PolicyStatus:
        """Load the policy home; swap the snapshot if it is good. The record is durable when this returns.

        A caller who goes away does not stop it half-way: what is recorded as in force is in force.
        """
        self._reloading = asyncio.ensure_future(self._reload(employee or _NOBODY))
        if employee is not None:
            self.tell_others()
        return await asyncio.shield(self._reloading)

    def reload_soon(self) -> None:
        """Reload without waiting for it: what a signal asks for. Its record is like the watcher's: nobody asked by name."""
        task = asyncio.ensure_future(self.reload())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _reload(self, employee: EmployeeKey) -> PolicyStatus:
        async with self._busy:
            before = self.snapshot.bundle.revision
            outcome, bundle = await self._compiler.load(before)
            if bundle is not None and (given := await asyncio.to_thread(self.gives_back, bundle, self.snapshot)):
                outcome, bundle = _refused(outcome, given), None
            if bundle is not None:
                try:  # before it decides: a start compares with what decided last, or with what was about to
                    await asyncio.to_thread(keep_last, self._kept, bundle.revision)
                except OSError:
                    outcome, bundle = _refused(outcome, (not_kept(),)), None
            self._attempted_at = self._clock.now()
            self._problems = outcome.problems if outcome.revision != before else self.snapshot.bundle.problems
            self._rejected = not outcome.revision
            await self._conclude(outcome, bundle, employee, before)
            return self.status()

    async def _conclude(self, outcome: Outcome, bundle: PolicyBundle | None, employee: EmployeeKey, before: str) -> None:
        found, accepted = errors_of(outcome.problems), bool(outcome.revision)
        if outcome.revision == before and not employee.subject:
            self._on_load(accepted)  # what was refused in between was put back as it is in force
            return
        difference = outcome.difference
        self._journal.append(
            PolicyRecord(
                accepted=accepted,
                policy_revision=outcome.revision or before,
                source=outcome.source if accepted else "",
                errors=found.number,
                first_problem=found.place,
                employee=employee.subject,
                issuer=employee.issuer,
                author=outcome.author,
                replaced=before if bundle is not None else "",
                rows_added=difference.added,
                rows_removed=difference.removed,
                files_changed=difference.files,
                casbin_questions=outcome.asked,
                casbin_not_run=outcome.not_run,
            )
        )
        await self._committer.durable()
        self._on_load(accepted)
        if bundle is not None:
            self._compared = outcome.asked, outcome.not_run
            self._swap(bundle)
            _LOGGER.info("policy loaded", extra=_summary(bundle, difference))
        elif not accepted:
            _LOGGER.warning("policy refused; the last good one stays", extra={"errors": found.number, "first": found.first})

    def _swap(self, bundle: PolicyBundle) -> None:
        old = self.snapshot.bundle
        self.snapshot = Snapshot(bundle, self.snapshot.grants)
        self._loaded_at = self._clock.now()
        self._on_bundle(bundle)
        leaving = asyncio.ensure_future(let_go([old]))
        self._background.add(leaving)
        leaving.add_done_callback(self._background.discard)

    async def watch(self, seconds: float) -> None:
        """Reload whenever the policy home looks different and has come to rest; for ever."""
        seen = await asyncio.to_thread(_look, self._home)
        while True:
            await asyncio.sleep(seconds)
            now = await asyncio.to_thread(_look, self._home)
            if now == seen:
                continue
            for _ in range(_DEBOUNCE_LOOKS):
                await asyncio.sleep(min(seconds, _DEBOUNCE_SECONDS))
                before, now = now, await asyncio.to_thread(_look, self._home)
                if now == before:
                    break
            seen = now
            await self.reload()


def _refused(outcome: Outcome, problems: tuple[Problem, ...]) -> Outcome:
    return outcome._replace(problems=(*problems, *outcome.problems), revision="")


def _summary(bundle: PolicyBundle, difference: Difference) -> dict[str, object]:
    return {
        "revision": bundle.revision[:12],
        "rules": len(bundle.rules),
        "source": bundle.source,
        "rows_added": difference.added,
        "rows_removed": difference.removed,
    }


def _look(home: Path) -> object:
    try:
        return fingerprint(home)
    except (OSError, MunjigiError):
        return None
