"""The logs of a state folder, opened for one reader: every job of the follower has its own."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from munjigi.app.files import StateFolder
from munjigi.app.state import has_state, read_state
from munjigi.audit.ports import LogSource
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.slots import retired
from munjigi.grants.permission_log import PermissionLog
from munjigi.kernel.errors import NotFound, Unavailable

_LOOK_SECONDS: Final = 0.2  # between looks at the state store: permissions change seldom


class LogSources:
    """Every log there is: the workers' journals, and those of permission records. One thread at a time."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._open: dict[str, LogSource] = {}
        self._permissions = False

    def look(self) -> list[LogSource]:
        """Return all logs, those that came into being since the last look too."""
        for log_id in list_logs(self._folder.journal):
            if log_id not in self._open:
                self._open[log_id] = JournalReader(self._folder.journal / log_id)
        if not self._permissions:
            with suppress(Unavailable):  # the worker has not made it yet
                self._open |= {log.log_id: log for log in permission_logs(self._folder)}
                self._permissions = True
        return list(self._open.values())

    def reachable(self) -> tuple[list[LogSource], Unavailable | None]:
        """Return the logs that can be read now, and what keeps the others away: journals do not wait for a database."""
        found, away = [], None
        for source in self.look():
            try:
                source.epoch()
            except Unavailable as error:
                away = error
            else:
                found.append(source)
        if not self._permissions and has_state(self._folder):
            away = Unavailable("STATE_UNREACHABLE", "The log of permission records can't be read yet; look at the state store.")
        return found, away

    def ended(self) -> set[str]:
        """Return the ids of the logs that a restore ended: they never grow. Raises `OSError`."""
        permissions = [each.log_id for each in self._open.values() if isinstance(each, PermissionLog) and each.ended]
        return retired(self._folder.journal).union(permissions)

    def of(self, log_id: str) -> LogSource:
        """Return one log. Raises `NotFound`."""
        for source in self.look():
            if source.log_id == log_id:
                return source
        raise NotFound("LOG_UNKNOWN", "No log here has this id.")

    def close(self) -> None:
        """Let go of what is open. A second call does nothing."""
        for source in self._open.values():
            source.close()
        self._open.clear()
        self._permissions = False


def permission_logs(folder: StateFolder) -> list[PermissionLog]:
    """Open the logs of permission records for reading, those that a restore ended first.

    Raises `Unavailable` while there is none.
    """
    store = read_state(folder)
    try:
        ended = store.log_heads()[:-1]
        return [*(PermissionLog(store, _LOOK_SECONDS, head) for head in ended), PermissionLog(store, _LOOK_SECONDS)]
    except Exception:
        store.close()
        raise
