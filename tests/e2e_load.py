"""Questions without a pause, every answer remembered, and what of them is on disk afterwards."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Self

import grpc
import psutil
from e2e_asking import question
from running import Daemon, Stubs

from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import AccessRecord, decode


class Load:
    """Ask without a pause from a few threads; remember every answer that arrived."""

    def __init__(self, daemon: Daemon, threads: int = 4) -> None:
        self.answered: set[str] = set()
        self.refused: list[grpc.RpcError] = []
        self._daemon = daemon
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def _ask(self) -> None:
        metadata = self._daemon.credentials("cs.kim")
        with self._daemon.channel() as channel:
            stub = Stubs(channel).decision
            while not self._stop.is_set():
                try:
                    self.answered.add(stub.Check(question(), metadata=metadata).decision_id)
                except grpc.RpcError as error:
                    self.refused.append(error)
                    return

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def until(self, count: int, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while len(self.answered) < count:
            assert time.monotonic() < deadline, self._daemon.text
            time.sleep(0.002)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def journaled(state_dir: Path) -> dict[str, AccessRecord]:
    """Return every access record that is on disk, by id; each log must be intact."""
    found = {}
    for log_id in list_logs(state_dir / "journal"):
        with JournalReader(state_dir / "journal" / log_id) as reader:
            index = 0
            while batch := reader.read(index, 10_000):
                for index, payload in batch:
                    record = decode(payload)
                    if isinstance(record, AccessRecord):
                        found[f"{log_id}-{index}"] = record
                index += 1
    return found


def gone(pids: list[int], seconds: float = 15.0) -> None:
    """Wait until no process of these is left."""
    deadline = time.monotonic() + seconds
    for pid in pids:
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"process {pid} was left behind"
            time.sleep(0.02)
