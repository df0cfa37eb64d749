"""What of the notices waits to be delivered, durably: how far each log was told, the letters that wait, those that were given up.

It lies in the state store, so that whoever does the scheduled work next, on whatever host, goes on where the last one was. The log of
permission records is the truth; this only remembers how far that was told. Letters come in with the cursor in one transaction, and
a letter goes when somebody has taken it: a kill between loses nothing and may send one again, under its id. What only the holder of
the duty may write is bound to his fencing number (`adapters/state/duties.py`); that a letter was taken is true whoever says it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, bindparam, case, delete, func, insert, select, update

from munjigi.adapters.state.duties import require_fence
from munjigi.adapters.state.store import SqlStateStore
from munjigi.adapters.state.tables import NOTICE_LETTER, NOTICE_LOG, NOTICE_SAID
from munjigi.grants.notices.notice import SEVERITIES, Notice
from munjigi.grants.notices.ports import Channel, Letter
from munjigi.kernel.errors import Corruption
from munjigi.kernel.identity import EmployeeKey

_encode: Final = msgspec.json.Encoder()
_decode: Final = msgspec.json.Decoder(Notice)
_C: Final = NOTICE_LETTER.c
_KEPT: Final = select(
    *(_C.letter_id, _C.notice, _C.issuer, _C.subject, _C.channel, _C.made_at, _C.next_at, _C.tries, _C.reason, _C.dead_at)
)
_DUE: Final = (
    _KEPT.where(_C.channel == bindparam("by"), _C.dead_at == 0, _C.next_at <= bindparam("now"))
    .order_by(_C.urgency.desc(), _C.next_at)
    .limit(bindparam("most"))
)
_KNOWN: Final = select(_C.letter_id).where(_C.letter_id == bindparam("mine"))
_WAITING: Final = select(
    func.count(case((_C.dead_at == 0, 1))), func.min(case((_C.dead_at == 0, _C.made_at))), func.count()
).where(_C.channel == bindparam("by"))


class Kept(NamedTuple):
    """A letter as it lies in the outbox. Times are UTC nanoseconds; `dead_at` is 0 while it waits, `reason` the last failure's."""

    letter: Letter
    channel: Channel
    made_at: int
    next_at: int
    tries: int
    reason: str
    dead_at: int


class Waiting(NamedTuple):
    """What a channel has: letters that wait, since when the oldest does (0: none), and letters that were given up."""

    waiting: int
    since: int
    dead: int


class Outbox:
    """The outbox in a store that `store` opens, written under the fencing number `fence` of the duty `duty`.

    Every method raises `Unavailable` when the store can't be used; `take`, `say`, `failed` and `give_up` raise `FailedPrecondition`
    `DUTY_LOST` when the duty is held under another number.
    """

    def __init__(self, store: Callable[[], SqlStateStore], duty: str = "", fence: int = 0) -> None:
        self._store = store
        self._duty = duty
        self.fence: Final = fence

    def under(self, fence: int) -> Outbox:
        """Return the same outbox, written under another number."""
        return Outbox(self._store, self._duty, fence)

    def cursor(self, log_id: str) -> int | None:
        """Return the index of the next record to be told of; None for a log that was never looked at."""
        with self._store().reading() as connection:
            found = connection.execute(select(NOTICE_LOG.c.next_index).where(NOTICE_LOG.c.log_id == log_id))
            return found.scalar_one_or_none()

    def take(self, letters: Iterable[tuple[Channel, Letter]], *, now: int, log_id: str = "", next_index: int = 0) -> None:
        """Take letters in and move a log's cursor, both or neither. A letter that waits already, or was given up, stays as it is."""
        rows = _rows(letters, now)
        with self._fenced() as connection:
            _insert(connection, rows)
            if log_id:
                connection.execute(delete(NOTICE_LOG).where(NOTICE_LOG.c.log_id == log_id))
                connection.execute(insert(NOTICE_LOG), {"log_id": log_id, "next_index": next_index})

    def say(self, notices: Sequence[tuple[Notice, Sequence[tuple[Channel, Letter]]]], *, now: int) -> None:
        """Take in letters that time brought about, and remember that they were said; forget what can't come again."""
        said = NOTICE_SAID.c
        with self._fenced() as connection:
            for notice, letters in notices:
                if connection.execute(select(said.until).where(said.notice_id == notice.id)).first() is None:
                    connection.execute(insert(NOTICE_SAID), {"notice_id": notice.id, "until": notice.until})
                    _insert(connection, _rows(letters, now))
            connection.execute(delete(NOTICE_SAID).where(said.until < now))

    def said(self, notice_id: str) -> bool:
        """Tell whether a notice was said."""
        with self._store().reading() as connection:
            return connection.execute(select(NOTICE_SAID).where(NOTICE_SAID.c.notice_id == notice_id)).first() is not None

    def due(self, channel: Channel, now: int, limit: int) -> list[Kept]:
        """Return letters whose time has come, the most urgent first."""
        with self._store().reading() as connection:
            return [_kept(row) for row in connection.execute(_DUE, {"by": channel, "now": now, "most": limit})]

    def sent(self, letter_ids: Iterable[str]) -> None:
        """Let go of letters that were taken."""
        with self._store().writing() as connection:
            for each in letter_ids:
                connection.execute(delete(NOTICE_LETTER).where(_C.letter_id == each))

    def failed(self, letter_id: str, reason: str, next_at: int) -> None:
        """Note a try that failed, and when the next one is."""
        with self._fenced() as connection:
            values = {"tries": _C.tries + 1, "reason": reason, "next_at": next_at}
            connection.execute(update(NOTICE_LETTER).where(_C.letter_id == letter_id).values(values))

    def give_up(self, channel: Channel, reason: str, *, now: int, made_before: int = 0, letter_id: str = "") -> int:
        """Give up one letter, or all of a channel that were made before a time; return how many."""
        which = _C.letter_id == letter_id if letter_id else _C.made_at < made_before
        mine = update(NOTICE_LETTER).where(_C.channel == channel, _C.dead_at == 0, which)
        with self._fenced() as connection:
            return connection.execute(mine.values(dead_at=now, reason=reason)).rowcount

    def retry(self, letter_ids: Sequence[str], *, now: int) -> int:
        """Let letters wait again from `now` on, as if they were new; all that were given up, without ids. Return how many."""
        anew = update(NOTICE_LETTER).values(dead_at=0, made_at=now, next_at=now, tries=0)
        with self._store().writing() as connection:
            if not letter_ids:
                return connection.execute(anew.where(_C.dead_at > 0)).rowcount
            return sum(connection.execute(anew.where(_C.letter_id == each)).rowcount for each in letter_ids)

    def waiting(self, channel: Channel) -> Waiting:
        """Return what a channel has."""
        with self._store().reading() as connection:
            waiting, since, both = connection.execute(_WAITING, {"by": channel}).one()
            return Waiting(waiting, since or 0, both - waiting)

    def letters(self, *, dead: bool, limit: int) -> list[Kept]:
        """Return letters that wait, or those that were given up, oldest first."""
        which = _C.dead_at > 0 if dead else _C.dead_at == 0
        with self._store().reading() as connection:
            return [_kept(row) for row in connection.execute(_KEPT.where(which).order_by(_C.made_at, _C.letter_id).limit(limit))]

    @contextmanager
    def _fenced(self) -> Iterator[Connection]:
        with self._store().writing() as connection:
            require_fence(connection, self._duty, self.fence)
            yield connection


def _rows(letters: Iterable[tuple[Channel, Letter]], now: int) -> list[dict[str, Any]]:
    return [
        {
            "letter_id": letter.letter_id,
            "channel": channel,
            "urgency": SEVERITIES.index(letter.notice.severity),
            "notice": _encode.encode(letter.notice),
            "issuer": letter.recipient.issuer if letter.recipient is not None else "",
            "subject": letter.recipient.subject if letter.recipient is not None else "",
            "made_at": now,
            "next_at": now,
            "tries": 0,
            "reason": "",
            "dead_at": 0,
        }
        for channel, letter in letters
    ]


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    new = {each["letter_id"]: each for each in rows if connection.execute(_KNOWN, {"mine": each["letter_id"]}).first() is None}
    if new:
        connection.execute(insert(NOTICE_LETTER), list(new.values()))


def _kept(row: Row[*tuple[Any, ...]]) -> Kept:
    letter_id, notice, issuer, subject, *rest = tuple(row)
    try:
        found = _decode.decode(notice)
    except msgspec.MsgspecError:
        raise Corruption("STATE_CORRUPT", "The state store holds a notice that can't be read; restore a backup.") from None
    return Kept(Letter(letter_id, found, EmployeeKey(issuer, subject) if subject else None), *rest)
