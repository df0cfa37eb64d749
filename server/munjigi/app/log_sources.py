"""The logs of a state folder, opened for one reader: every job of the follower has its own."""

from __future__ import annotations

from munjigi.app.files import StateFolder
from munjigi.audit.ports import LogSource
from munjigi.audit.reader import JournalReader, list_logs


class LogSources:
    """Every log there is. One thread at a time."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._open: dict[str, LogSource] = {}

    def look(self) -> list[LogSource]:
        """Return all logs, those that came into being since the last look too."""
        for log_id in list_logs(self._folder.journal):
            if log_id not in self._open:
                self._open[log_id] = JournalReader(self._folder.journal / log_id)
        return list(self._open.values())

    def close(self) -> None:
        """Let go of what is open. A second call does nothing."""
        for source in self._open.values():
            source.close()
        self._open.clear()
