"""The follower's job that counts use: which grants were used for what, out of the journals (`review/usage.py`).

The counts of some records and the cursor behind them are one transaction, after the records are on stable storage: a kill, a replay
or a journal that comes late changes nothing of what is counted in the end.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Mapping
from typing import Final

from munjigi.adapters.policy_files import kept_files
from munjigi.adapters.usage.store import SqlUsageStore
from munjigi.app.files import StateFolder
from munjigi.app.jobs import PartlyDone
from munjigi.app.log_sources import LogSources
from munjigi.audit.ports import LogSource
from munjigi.audit.reader import JournalReader
from munjigi.kernel.clock import SECOND, Clock
from munjigi.kernel.errors import Corruption, MunjigiError, NotFound, Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter
from munjigi.policy.findings import Findings, decode
from munjigi.policy.registers import TOOLS_FILE, read_tools
from munjigi.policy.toml_file import read_toml
from munjigi.review.ports import Gap, LogMark, Taken
from munjigi.review.seen import seen_of
from munjigi.review.usage import VALIDITY, Fold

BATCH: Final = 100_000  # records of a log in one step: what they add up to is one transaction, and few rows for many records
_READ: Final = 10_000  # records in memory at once
_PIECE: Final = 4096  # records that are looked through at once
_PAUSE: Final = 1.0  # seconds between looks at journals that had nothing more
_NOTE_EVERY: Final = 5 * SECOND  # how often it is noted that a log has nothing new


class UsageCounter:
    """Count use. Implements `app.jobs.Job`. `store` opens what is counted, once `ready` says that it can."""

    name = "usage"

    def __init__(
        self,
        sources: LogSources,
        folder: StateFolder,
        ready: Callable[[], bool],
        store: Callable[[], SqlUsageStore],
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._sources = sources
        self._ready = ready
        self._open = store
        self._clock = clock
        self._meter = meter
        self._exempt = ExemptTools(folder)
        self._store: SqlUsageStore | None = None
        self._folds: dict[str, Fold] = {}
        self._looked: dict[str, LogMark] = {}
        self._claims: dict[str, dict[int, str]] = {}
        self._next_at = 0.0  # by the monotonic clock

    async def step(self) -> bool:
        """Count at most 100,000 records of each journal; tell whether there may be more.

        What comes meanwhile waits for a second, so that many records share a transaction and a sync of the journal.
        """
        if time.monotonic() < self._next_at or (self._store is None and not self._ready()):
            return False
        more, away = await asyncio.to_thread(self.count)
        if not more:
            self._next_at = time.monotonic() + _PAUSE
        if away is not None:
            raise PartlyDone(away.reason, away.message)
        return more

    def close(self) -> None:
        """Let go of the logs and the counts."""
        self._sources.close()
        if self._store is not None:
            self._store.close()
            self._store = None

    def count(self) -> tuple[bool, Unavailable | None]:
        """Count what is new; tell whether there may be more, and what keeps a journal away."""
        if self._store is None:
            self._store = self._open()
        more = False
        failure: Unavailable | None = None
        damage: MunjigiError | None = None
        journals = [each for each in self._sources.look() if isinstance(each, JournalReader)]
        ended = self._sources.ended()
        for source in journals:
            try:
                counted = self._count(self._store, source, closed=source.log_id in ended)
            except MunjigiError as error:
                self._folds.pop(source.log_id, None)
                failure, damage = (error, damage) if isinstance(error, Unavailable) else (failure, error)
            except BaseException:
                self._folds.pop(source.log_id, None)
                raise
            else:
                more = more or counted >= BATCH
                if counted:
                    self._meter.add(catalogue.USAGE_RECORDS, amount=counted)
        if self._looked:
            complete = min((mark.complete_to for mark in self._looked.values() if not mark.closed), default=self._clock.now())
            self._meter.set(catalogue.USAGE_COMPLETE, value=complete / 1e9)
        if damage is not None:
            raise damage
        return more, failure

    def _count(self, store: SqlUsageStore, source: LogSource, *, closed: bool) -> int:
        """Count the next records of a journal; return how many they were."""
        looked_at, epoch = self._clock.now(), source.epoch()
        mark = self._looked.get(source.log_id) or store.mark(source.log_id)
        before = mark.next_index if mark is not None else 0
        first = source.first()
        fold = self._folds.get(source.log_id)
        if fold is None or fold.next_index < first:
            fold = self._folds[source.log_id] = self._begin(store, source, mark, max(before, first))
        late = fold.catch_up()
        began = fold.next_index
        opening = _feed(fold, source)
        if fold.next_index == began and not late:
            self._note(store, source, mark, looked_at, closed=closed)
            return 0
        source.settle()  # what is counted can't be taken back
        if source.epoch() != epoch:  # the end may have been cut meanwhile: what was read may be no more
            del self._folds[source.log_id]
            return 0
        counted, claims = fold.counted()
        gap = self._gap(source.log_id, mark, before, began, opening) if opening else None
        known = mark or LogMark(source.log_id, 0, 0, 0, 0, 0)
        time_of_last = max(fold.time, known.time)
        made = LogMark(
            source.log_id,
            fold.next_index,
            known.begins_at or fold.begins_at,
            time_of_last,
            max(time_of_last, known.complete_to),
            fold.resume,
        )
        taken = Taken(before, made, counted, claims, gap)
        if not store.take(taken):  # somebody else counts this journal, too: a copied state folder, say
            self._folds.clear()
            self._looked.clear()
            self._claims.clear()
            return 0
        self._looked[source.log_id] = taken.mark
        for (log_id, index), waits in claims.items():
            self._claims_of(store, log_id)[index] = waits
        return fold.next_index - began

    def _begin(self, store: SqlUsageStore, source: LogSource, mark: LogMark | None, next_index: int) -> Fold:
        """Go on where counting stands: what is not confirmed yet is read once more."""
        claims = self._claims_of(store, source.log_id)
        elsewhere = OtherLogs(self._sources, lambda log_id: self._claims_of(store, log_id))
        fold = Fold(source.log_id, next_index, self._exempt, store.days, elsewhere, claims)
        if mark is not None:
            at = max(mark.resume, source.first())
            while at < mark.next_index:
                piece = [payload for _, payload in source.read(at, min(_PIECE, mark.next_index - at))]
                if not piece:
                    raise Unavailable(
                        "JOURNAL_SHORTER",
                        f"Journal {source.log_id} ends before record {mark.next_index}, up to which use was counted; "
                        "run `munjigi audit verify`.",
                    )
                fold.recall(piece, at)
                at += len(piece)
        return fold

    def _claims_of(self, store: SqlUsageStore, log_id: str) -> dict[int, str]:
        if log_id not in self._claims:
            self._claims[log_id] = dict(store.claims(log_id))
        return self._claims[log_id]

    def _note(self, store: SqlUsageStore, source: LogSource, mark: LogMark | None, looked_at: int, *, closed: bool) -> None:
        """Note that a journal was read to its end: nothing that could still be confirmed can be missing from before."""
        if mark is not None and mark.next_index > 0 and not source.read(mark.next_index - 1, 1):
            return  # it ends too early: whoever plans finds it behind
        known = mark or LogMark(source.log_id, 0, 0, 0, 0, 0)
        complete = max(known.complete_to, looked_at - VALIDITY)
        if known.closed == closed and complete - known.complete_to < _NOTE_EVERY:
            self._looked[source.log_id] = known
            return
        noted = known._replace(complete_to=complete, closed=closed)
        if store.take(Taken(known.next_index, noted, {}, {})):
            self._looked[source.log_id] = noted

    def _gap(self, log_id: str, mark: LogMark | None, before: int, began: int, first: bytes) -> Gap | None:
        """Return what was removed before it was counted."""
        if began <= before:
            return None
        return Gap(log_id, before, began, mark.time if mark is not None else 0, seen_of(first).time)


def _feed(fold: Fold, source: LogSource) -> bytes:
    """Count at most a batch; return the bytes of the first record, empty if there was none."""
    opening, end = b"", fold.next_index + BATCH
    gc.disable()  # records leave no cycles behind, and looking for them costs a third
    try:
        while payloads := [payload for _, payload in source.read(fold.next_index, min(_READ, end - fold.next_index))]:
            opening = opening or payloads[0]
            fold.feed(payloads)
            if fold.next_index == end:
                break
    finally:
        gc.enable()
    return opening


class OtherLogs:
    """Implements `review.usage.Elsewhere` over the journals here."""

    def __init__(self, sources: LogSources, claims: Callable[[str], Mapping[int, str]]) -> None:
        self._sources = sources
        self._claims = claims

    def record(self, log_id: str, index: int) -> bytes | None:
        """Return a record; None when it is not here."""
        try:
            found = self._sources.of(log_id).read(index, 1)
        except NotFound:
            return None
        return found[0][1] if found else None

    def confirmed(self, log_id: str, index: int, until: int) -> bool:
        """Tell whether a log itself has a confirmation of its decision."""
        source, wanted = self._sources.of(log_id), f"{log_id}-{index}"
        at = index + 1
        while found := source.read(at, _PIECE):
            for _, payload in found:
                seen = seen_of(payload)
                if seen.time > until:
                    return False
                if seen.decision_id == wanted and seen.outcome == "read":
                    return True
            at += len(found)
        return False

    def claimed(self, log_id: str, index: int) -> bool:
        """Tell whether a decision was counted for a confirmation in another log."""
        return index in self._claims(log_id)


class ExemptTools:
    """Which tools need not confirm, by the policies that are kept in the state folder.

    Where a policy can't be read any more, what it allowed counts as used: nobody loses a right over that (promise P3).
    """

    def __init__(self, folder: StateFolder) -> None:
        self._policies = folder.policies
        self._known: dict[str, frozenset[str] | None] = {}

    def __call__(self, tool: str, policy_revision: str) -> bool:
        """Tell whether a tool need not confirm by a policy."""
        if policy_revision not in self._known:
            self._known[policy_revision] = self._read(policy_revision)
        exempt = self._known[policy_revision]
        return exempt is None or tool in exempt

    def _read(self, policy_revision: str) -> frozenset[str] | None:
        try:
            content = kept_files(self._policies, policy_revision).get(TOOLS_FILE)
        except (NotFound, Corruption, OSError):
            return None
        findings = Findings()
        text = decode(TOOLS_FILE, content, findings) if content is not None else None
        file = read_toml(TOOLS_FILE, text, findings) if text is not None else None
        if file is None:
            return None
        return frozenset(name for name, tool in read_tools(file, None, findings).items() if tool.confirm == "exempt")


def count_all(counter: UsageCounter, *, patience: float = 600.0) -> None:
    """Count everything there is, for who can't wait for the follower. Raises what `UsageCounter.count` met."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        more, away = counter.count()
        if away is not None:
            raise away
        if not more:
            return
