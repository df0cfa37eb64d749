"""A real Elasticsearch on loopback, with its security and TLS on, started once for all tests that need one.

It comes from the Maven artifact `org.elasticsearch.distribution.integ-test-zip`: the real server with few modules (no
`GET /`, data streams, ILM, painless, ingest, reindex or API keys), which nothing here may need.

MUNJIGI_TEST_ELASTICSEARCH_VERSION chooses another version, and MUNJIGI_TEST_ELASTICSEARCH_SECURE=0 one without accounts and
TLS. MUNJIGI_TEST_ELASTICSEARCH_URL names a running cluster instead: with https, MUNJIGI_TEST_ELASTICSEARCH_AUTHORITY is its
authority, and it has the users and the password below with the roles of docs/elasticsearch.md.
"""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import orjson
from java import java_home, maven_archive
from running import free_port

from munjigi.adapters.identity.authority import init_tls

VERSION = os.environ.get("MUNJIGI_TEST_ELASTICSEARCH_VERSION", "8.19.8")
SECURE = os.environ.get("MUNJIGI_TEST_ELASTICSEARCH_SECURE", "1") != "0"
GIVEN = os.environ.get("MUNJIGI_TEST_ELASTICSEARCH_URL", "")
GROUP = "org.elasticsearch.distribution.integ-test-zip"
START_SECONDS = 180.0
PASSWORD = "only-for-tests"
HASH = "$2a$10$hx4AMvUQmYRF5e7nvG5bZepZWUdsiKIHTesxa8G3rudRMlFMHLl0O"  # of it
UNPRIVILEGED = 65534  # Elasticsearch refuses to run as root

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "elasticsearch.md"
USERS = {
    "admin": "superuser",
    "administrator": "munjigi_administrator",
    "shipper": "munjigi_shipper",
    "searcher": "munjigi_reader",
}


def roles() -> str:
    """Return the file of roles that docs/elasticsearch.md shows, for the prefixes that tests use."""
    _, _, rest = DOCUMENT.read_text("utf-8").partition("```yaml\n")
    return rest.partition("```")[0].replace("munjigi-audit-*", "munjigi-*")


def elasticsearch(folder: Path) -> ElasticsearchServer:
    """Return the cluster that the environment asks for, not started yet."""
    return GivenServer(GIVEN) if GIVEN else ElasticsearchServer(folder, secure=SECURE)


class ElasticsearchServer:
    """One node. `stop` with SIGKILL and `start` again keep its data."""

    own = True

    def __init__(self, folder: Path, *, secure: bool = True, tuned: bool = False) -> None:
        """`tuned`: as fast in the long run as in production. Else with one compiler: a server of minutes gains nothing by the second one."""
        self.folder = folder
        self.secure = secure
        self._tuned = tuned
        self.port = free_port()
        self.tls = init_tls(folder, (), now=time.time_ns())
        self.process: subprocess.Popen[bytes] | None = None
        self._home = _unpacked(folder)
        self._write_configuration()

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path | None:
        return self.tls.authority if self.secure else None

    def credentials(self, folder: Path, user: str, password: str = PASSWORD) -> Path:
        """Write a credentials file of a user."""
        path = folder / f"{user}.credentials"
        path.touch(0o600)
        path.write_text(f"{user}:{password}\n")
        return path

    def start(self) -> ElasticsearchServer:
        if self.process is not None and self.process.poll() is None:
            return self  # a test that failed before it stopped the server starts it again
        environment = {
            "PATH": os.environ["PATH"],
            "ES_PATH_CONF": str(self.folder / "config"),
            "ES_TMPDIR": str(self.folder / "tmp"),
            "ES_JAVA_HOME": _java_home(),
            "ES_JAVA_OPTS": "-Xms512m -Xmx512m" + ("" if self._tuned else " -XX:TieredStopAtLevel=1"),
            "CLI_JAVA_OPTS": "-XX:TieredStopAtLevel=1",
        }
        who: dict[str, Any] = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [self._home / "bin" / "elasticsearch"],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # its launcher has a child: both are stopped by their group
                **who,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.call("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
            except (OSError, urllib.error.URLError):
                time.sleep(0.2)
            else:
                return self
        output = (self.folder / "output").read_text("utf-8", "replace")[-4000:]
        self.stop()
        raise AssertionError(f"Elasticsearch {VERSION} did not start:\n{output}")

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
            self.process.wait(60)
            self.process = None

    def call(self, method: str, target: str, body: object = None, user: str = "admin") -> Any:
        """Ask the server itself, past everything of ours."""
        token = b64encode(f"{user}:{PASSWORD}".encode()).decode()
        headers = {"authorization": f"Basic {token}"} if self.secure else {}
        data = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        if data is not None:
            headers["content-type"] = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(self.url + target, data, headers, method=method)
        context = ssl.create_default_context(cafile=self.authority) if self.secure else None
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return orjson.loads(answer.read() or b"null")

    def _write_configuration(self) -> None:
        config = self.folder / "config"
        shutil.copytree(self._home / "config", config)
        shutil.copy(self.tls.certificate, config / "node.pem")
        shutil.copy(self.tls.key, config / "node.key")
        lines = [
            "discovery.type: single-node",
            "network.host: 127.0.0.1",
            f"http.port: {self.port}",
            f"transport.port: {free_port()}",
            f"path.data: {self.folder / 'data'}",
            f"path.logs: {self.folder / 'logs'}",
            "cluster.routing.allocation.disk.threshold_enabled: false",
            f"xpack.security.enabled: {str(self.secure).lower()}",
        ]
        if self.secure:
            lines += [
                "xpack.security.http.ssl.enabled: true",
                "xpack.security.http.ssl.certificate: node.pem",
                "xpack.security.http.ssl.key: node.key",
            ]
            (config / "roles.yml").write_text(roles())
            (config / "users").write_text("".join(f"{name}:{HASH}\n" for name in USERS))
            (config / "users_roles").write_text("".join(f"{role}:{name}\n" for name, role in USERS.items()))
        (config / "elasticsearch.yml").write_text("\n".join(lines) + "\n")
        for name in ("tmp", "data", "logs"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, UNPRIVILEGED, UNPRIVILEGED)


class GivenServer(ElasticsearchServer):
    """A cluster that runs already, and goes on running."""

    own = False

    def __init__(self, url: str) -> None:
        self.secure = url.startswith("https:")
        self._url = url.rstrip("/")

    @property
    def url(self) -> str:
        return self._url

    @property
    def authority(self) -> Path | None:
        path = os.environ.get("MUNJIGI_TEST_ELASTICSEARCH_AUTHORITY", "")
        return Path(path) if path else None

    def start(self) -> ElasticsearchServer:
        self.call("GET", "/_cluster/health?wait_for_status=yellow&timeout=10s")
        return self

    def stop(self, number: int = signal.SIGKILL) -> None:
        pass


def _unpacked(folder: Path) -> Path:
    """Unpack the distribution, fetched where Maven is and it has not been before."""
    with zipfile.ZipFile(maven_archive(GROUP, "elasticsearch", VERSION)) as packed:
        packed.extractall(folder)
    home = folder / f"elasticsearch-{VERSION}"
    for program in (home / "bin").iterdir():
        program.chmod(0o755)
    return home


def _java_home() -> str:
    """Find a Java that this Elasticsearch runs on: 17 to 24 for 8.19, 21 or newer for 9."""
    return java_home(f"Elasticsearch {VERSION}", *((17, 24) if VERSION.startswith("8.") else (21, 99)))


def make_folder() -> Path:
    """Make a folder that Elasticsearch's own user can reach, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="munjigi-elasticsearch-"))
    folder.chmod(0o755)
    return folder
