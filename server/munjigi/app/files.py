"""Where things lie: in the state folder, which nobody else may look at, and the policies that come with the distribution."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from munjigi.audit.files import sync_folder
from munjigi.kernel.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The state folder's layout. `make` creates it with mode 0700 and refuses a looser one."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held while a daemon serves."""
        return self.root / "lock"

    @property
    def keys(self) -> Path:
        """Member key, name key, issuer key."""
        return self.root / "keys"

    @property
    def journal(self) -> Path:
        """One folder a log."""
        return self.root / "journal"

    @property
    def quarantine(self) -> Path:
        """Tails that were cut."""
        return self.root / "quarantine"

    @property
    def state(self) -> Path:
        """People, grants, revision log."""
        return self.root / "state.sqlite"

    @property
    def state_note(self) -> Path:
        """Which database has the state instead (`app/state.py`)."""
        return self.root / "state.postgresql"

    @property
    def index(self) -> Path:
        """The audit index, which can be made again from the journals."""
        return self.root / "index.sqlite"

    @property
    def usage(self) -> Path:
        """What was counted of use; it outlives the records that it was counted of."""
        return self.root / "usage.sqlite"

    @property
    def reserve(self) -> Path:
        """Room kept back on the disk (`app/disk.py`)."""
        return self.root / "reserve"

    @property
    def recorded(self) -> Path:
        """What was last recorded of settings and the seal's key (`app/recorded.py`)."""
        return self.root / "recorded.json"

    @property
    def seal(self) -> Path:
        """Trees over the logs, and the last signed checkpoint."""
        return self.root / "seal"

    @property
    def shipping(self) -> Path:
        """How far each log is shipped to Elasticsearch, and what that refused."""
        return self.root / "shipping"

    @property
    def policy_in_force(self) -> Path:
        """The revision of the policy by which the workers decide."""
        return self.run / "policy"

    @property
    def holds(self) -> Path:
        """Legal holds, one file each."""
        return self.root / "holds"

    @property
    def archive_id(self) -> Path:
        """Which archive the journals go to (`audit/archive.py`)."""
        return self.root / "archive"

    @property
    def policies(self) -> Path:
        """Every bundle that ever decided."""
        return self.root / "policies"

    @property
    def metrics(self) -> Path:
        """Metric files of the running processes."""
        return self.root / "metrics"

    @property
    def run(self) -> Path:
        """What running processes say of themselves."""
        return self.root / "run"

    @property
    def tls(self) -> Path:
        """The local certificate authority."""
        return self.root / "tls"

    @property
    def restoring(self) -> Path:
        """There while a backup is being restored into the folder; what else is there is then not to be used."""
        return self.root / "restoring"

    @property
    def restored(self) -> Path:
        """What the first start on a restored folder records."""
        return self.root / "restored.json"

    @property
    def making(self) -> Path:
        """There while a synthetic company is being written into the folder; what else is there is then not to be used."""
        return self.root / "making"

    def refuse_unfinished(self) -> None:
        """Raise `ConfigurationError` when a restore or a demonstration into this folder did not come to its end."""
        if self.making.exists():
            raise ConfigurationError(
                "SYNTHETIC_UNFINISHED",
                f"Refusing to use {self.root}: `munjigi demo --fast` did not finish it. Remove the folder and run that again.",
            )
        if self.restoring.exists():
            raise ConfigurationError(
                "RESTORE_UNFINISHED",
                f"Refusing to use {self.root}: a restore into it was not finished. Remove the folder and run `munjigi restore` again.",
            )

    def make(self) -> None:
        """Create what is missing.

        Raises `ConfigurationError` when the folder can't be written or is open to others, or was not wholly restored.
        """
        self.refuse_unfinished()
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(PermissionError):  # a parent that we may enter and not read: its owner's care
                sync_folder(self.root.parent)  # a power failure must not take the whole folder back
            mode = stat.S_IMODE(self.root.stat().st_mode)
            if mode & 0o077:
                raise ConfigurationError(
                    "STATE_OPEN_TO_OTHERS",
                    f"Refusing to start: the state folder {self.root} is open to other users (mode {mode:04o}). "
                    f"Run: chmod 700 {self.root}",
                )
            for folder in (self.keys, self.journal, self.quarantine, self.shipping, self.policies, self.metrics, self.run):
                folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self.root)
            probe = self.run / "writable"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise ConfigurationError(
                "STATE_NOT_WRITABLE",
                f"Refusing to start: the state folder {self.root} can't be written ({os.strerror(error.errno or 0)}). "
                "Make it writable for this user, free disk space, or set MUNJIGI_STATE_DIR to another folder.",
            ) from None


def packaged_policies() -> Path:
    """Return the sample policy home that comes with the distribution, or the checkout's."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "_policies"
    return packaged if packaged.is_dir() else package.parent.parent / "policies"
