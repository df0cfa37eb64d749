"""The job that seals: trees over the logs, at most one signed checkpoint a second, and the witnesses' signatures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from munjigi.adapters import seal_keys
from munjigi.adapters.seal_keys import INSTALLATION
from munjigi.adapters.witness_client import WitnessClient
from munjigi.app.files import StateFolder
from munjigi.app.jobs import PartlyDone
from munjigi.app.log_sources import LogSources
from munjigi.audit.seal.note import Note, SigningKey
from munjigi.audit.seal.store import SealStore
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import ConfigurationError, MunjigiError, Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_BATCH: Final = 10_000  # records of a log in one step
_INTERVAL: Final = 1.0  # seconds between checkpoints
_ASK_AGAIN: Final = 5.0  # seconds until a witness is asked about the same checkpoint again


class Sealer:
    """Seal what is new. All that it knows is on disk, so that it may end at any moment."""

    name = "seal"

    def __init__(
        self,
        sources: LogSources,
        folder: StateFolder,
        key: SigningKey,
        witnesses: Sequence[WitnessClient],
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._sources = sources
        self._folder = folder
        self._key = key
        self._witnesses = witnesses
        self._clock = clock
        self._meter = meter
        self._store: SealStore | None = None
        self._sealed_at = 0.0
        self._asked_at = 0.0
        self._unwitnessed = False  # a witness has not co-signed the last checkpoint

    async def step(self) -> bool:
        """Take in at most 10,000 records of each log; seal when a second has passed and everything read is in.

        A log that can't be read now holds up no other. Raises then, at the end.
        """
        try:
            more, note, away = await asyncio.to_thread(self._work)
        except OSError as error:
            raise Unavailable("SEAL_UNWRITABLE", f"The seal can't be written ({error.strerror}); look at the disk.") from error
        if note is not None:
            self._meter.add(catalogue.SEAL_CHECKPOINTS)
            self._meter.set(catalogue.SEAL_TIME, value=self._clock.now() / 1e9)
        if self._store is not None:
            self._meter.set(catalogue.SEAL_RECORDS, value=sum(head.size for head in self._store.heads.values()))
            if note is not None or (self._unwitnessed and time.monotonic() - self._asked_at > _ASK_AGAIN):
                await self._ask_witnesses(self._store)
        if away is not None:
            raise PartlyDone(away.reason, away.message)
        return more

    def close(self) -> None:
        """Let go of the logs and the seal."""
        self._sources.close()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _work(self) -> tuple[bool, Note | None, Unavailable | None]:
        if self._store is None:
            self._store = SealStore(self._folder.seal, self._key)
        sources, away = self._sources.reachable()
        grown = [self._store.grow(source, _BATCH) for source in sources]
        now = time.monotonic()
        if now - self._sealed_at < _INTERVAL:
            return max(grown, default=0) == _BATCH, None, away
        self._sealed_at = now
        following = seal_keys.waiting_key(self._folder.keys, INSTALLATION, self._key.verifier.name)
        note = self._store.checkpoint(sources, (following, self._clock.now()) if following is not None else None)
        if following is not None:
            seal_keys.take_up(self._folder.keys, INSTALLATION, following)
            self._key = following
        return max(grown, default=0) == _BATCH, note, away

    async def _ask_witnesses(self, store: SealStore) -> None:
        """Have the last checkpoint co-signed. A witness that is away is asked again; one that refuses is an alarm."""
        self._asked_at = time.monotonic()
        note = store.note
        due = [witness for witness in self._witnesses if not witness.key.signed(note)]
        asked = (asyncio.to_thread(witness.cosign, note, store.consistency) for witness in due)
        refusal: MunjigiError | None = None
        for witness, answer in zip(due, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(answer, str):
                note = note.with_lines(answer)
                self._meter.set(catalogue.WITNESS_TIME, witness.name, value=self._clock.now() / 1e9)
            elif isinstance(answer, MunjigiError):
                self._meter.add(catalogue.WITNESS_FAILURES, witness.name, answer.reason)
                refusal = refusal if isinstance(answer, Unavailable) else answer
            else:
                raise answer
        self._unwitnessed = not all(witness.key.signed(note) for witness in due)
        if note is not store.note:
            await asyncio.to_thread(store.keep, note)
        if refusal is not None:
            raise refusal


def witnesses_of(lines: Sequence[str], authority: Path | None) -> list[WitnessClient]:
    """Make the clients of the configured witnesses, each given as `VERIFICATION_KEY URL`.

    Raises `ConfigurationError`.
    """
    found = []
    for line in lines:
        key, _, url = line.strip().partition(" ")
        try:
            found.append(WitnessClient(key, url.strip(), authority))
        except MunjigiError as error:
            raise ConfigurationError("SETTING_INVALID", f"`witnesses` (MUNJIGI_WITNESSES): {error.message}") from None
    return found
