"""Servers that are written in Java and come from Maven: where the archive lies, and which Java runs it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from parts import missing


def maven_archive(group: str, artifact: str, version: str) -> Path:
    """Return a zip archive, fetched where Maven is and it has not been before."""
    repository = Path.home() / ".m2/repository" / group.replace(".", "/") / artifact / version
    archive = repository / f"{artifact}-{version}.zip"
    if not archive.exists():
        if shutil.which("mvn") is None:
            missing(f"Maven, which fetches {artifact} {version}, is not installed")
        wanted = f"-Dartifact={group}:{artifact}:{version}:zip"
        done = subprocess.run(
            ["mvn", "-q", "-B", "dependency:get", "-Dtransitive=false", wanted], capture_output=True, text=True, check=False
        )
        if not archive.exists():
            missing(f"{artifact} {version} can't be fetched with Maven: {(done.stdout + done.stderr)[-500:]}")
    return archive


def java_home(what: str, least: int, most: int) -> str:
    """Find a Java of version `least` to `most` for `what`."""
    for home in _java_homes():
        with contextlib.suppress(OSError):
            number = (home / "release").read_text("utf-8").partition('JAVA_VERSION="')[2].partition(".")[0].partition('"')[0]
            if number.isdigit() and least <= int(number) <= most and os.access(home / "bin" / "java", os.X_OK):
                return str(home)
    return missing(f"{what} needs a Java of version {least} to {most} (Debian: openjdk-17-jre-headless)")


def _java_homes() -> Iterator[Path]:
    """Go through the places where people put a Java, those that the environment names first."""
    for name in ("ES_JAVA_HOME", "JAVA_HOME"):
        if os.environ.get(name):
            yield Path(os.environ[name])
    for root, pattern in (
        ("/usr/lib/jvm", "*"),
        ("/usr/java", "*"),
        ("/usr/local", "*j[dr][ke]*"),
        ("/opt", "*"),
        ("/opt/java", "*"),
        ("/Library/Java/JavaVirtualMachines", "*/Contents/Home"),
        (str(Path.home() / ".sdkman/candidates/java"), "*"),
        (str(Path.home() / ".jdks"), "*"),
    ):
        yield from sorted(Path(root).glob(pattern))
    program = shutil.which("java")
    if program is not None:
        yield Path(program).resolve().parents[1]
