"""A real Keycloak on loopback, the OpenID provider of all tests here, started once.

It comes from the Maven artifact `org.keycloak:keycloak-quarkus-dist`. People sign in as a browser does: the form is fetched,
filled in and sent, and the code in the redirect is exchanged for tokens.
"""

from __future__ import annotations

import html
import http.cookiejar
import json
import os
import re
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from java import java_home, maven_archive
from running import free_port
from signin.realm import PASSWORD, REALM, REDIRECT, realm

VERSION = os.environ.get("MUNJIGI_TEST_KEYCLOAK_VERSION", "26.4.0")
START_SECONDS = 240.0
ADMINISTRATOR = "admin"
UNPRIVILEGED = 65534


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Browser:
    """One person's browser: keeps cookies, follows no redirect by itself."""

    def __init__(self) -> None:
        self._at = ""
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar(_Lenient())), _Stay()
        )

    def go(self, url: str, form: dict[str, str] | None = None) -> tuple[str, str]:
        """Return the page, and where it sends the browser to (empty if nowhere)."""
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        self._at = url = urllib.parse.urljoin(self._at, url)
        try:
            with self._opener.open(url, data, timeout=30) as answer:
                return answer.read().decode(), ""
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in (302, 303):
                    raise
                return "", error.headers["location"]

    def fill_in(self, page: str, **form: str) -> tuple[str, str]:
        """Send the page's form."""
        action = re.search(r'<form[^>]*\saction="([^"]+)"', page)
        assert action is not None, page[:2000]
        hidden = {}
        for field in re.findall(r'<input[^>]*type="hidden"[^>]*>', page):
            name, value = (re.search(rf'\s{key}="([^"]*)"', field) for key in ("name", "value"))
            if name is not None and value is not None:
                hidden[name[1]] = html.unescape(value[1])
        return self.go(html.unescape(action[1]), hidden | form)

    def follow(self, url: str) -> str:
        """Return the page that a URL leads to in the end."""
        page, onward = self.go(url)
        while onward:
            page, onward = self.go(onward)
        return page

    def fill_in_and_follow(self, page: str, **form: str) -> str:
        """Send the page's form and return the page that follows."""
        page, onward = self.fill_in(page, **form)
        return self.follow(onward) if onward else page


class _Lenient(http.cookiejar.DefaultCookiePolicy):
    """Keycloak marks its cookies as Secure, which a browser sends to loopback over http all the same."""

    def return_ok_secure(self, cookie: http.cookiejar.Cookie, request: urllib.request.Request) -> bool:
        del cookie, request
        return True


class Tokens(dict[str, Any]):
    """What the token endpoint answered."""

    @property
    def access(self) -> str:
        return str(self["access_token"])

    @property
    def refresh(self) -> str:
        return str(self["refresh_token"])


class Keycloak:
    """One server with the sample realm."""

    def __init__(self, folder: Path, logout_url: str = "") -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.issuer = f"{self.url}/realms/{REALM}"
        self._logout_url = logout_url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Keycloak:
        home = self._unpack()
        who: dict[str, Any] = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "JAVA_HOME": java_home(f"Keycloak {VERSION}", 17, 25),
            "JAVA_OPTS_APPEND": "-Xms64m -Xmx512m -XX:TieredStopAtLevel=1",
            "KC_BOOTSTRAP_ADMIN_USERNAME": ADMINISTRATOR,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
        }
        port = urllib.parse.urlsplit(self.url).port
        options = [f"--http-port={port}", "--http-host=127.0.0.1", f"--http-management-port={free_port()}"]
        options += ["--import-realm", "--db=dev-mem", "--cache=local", "--log-level=WARN"]
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [home / "bin" / "kc.sh", "start-dev", *options],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **who,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.discovery()
            except OSError:
                time.sleep(0.2)
            else:
                return self
        text = (self.folder / "output").read_text("utf-8", "replace")[-4000:]
        self.stop()
        raise AssertionError(f"Keycloak {VERSION} did not start:\n{text}")

    def stop(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(60)
            self._process = None

    def discovery(self) -> dict[str, Any]:
        """Return what the provider publishes about itself."""
        with urllib.request.urlopen(f"{self.issuer}/.well-known/openid-configuration", timeout=30) as answer:
            return dict(json.load(answer))

    def sign_in(self, person: str, client: str = "crm-desk", browser: Browser | None = None, **wishes: str) -> Tokens:
        """Sign a person in with a browser, and again with the same one for a step-up (`acr_values`, `max_age`)."""
        browser = browser or Browser()
        verifier = secrets.token_urlsafe(32)
        query = {
            "client_id": client,
            "response_type": "code",
            "scope": "openid",
            "redirect_uri": REDIRECT,
            "state": "s",
            "code_challenge": verifier,
            "code_challenge_method": "plain",
            **wishes,
        }
        page, onward = browser.go(f"{self.issuer}/protocol/openid-connect/auth?{urllib.parse.urlencode(query)}")
        for _ in range(4):
            if onward:
                break
            form = {"username": person, "password": PASSWORD} if 'name="username"' in page else {"password": PASSWORD}
            page, onward = browser.fill_in(page, **form)
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(onward).query)["code"][0]
        return self.token(client, grant_type="authorization_code", code=code, redirect_uri=REDIRECT, code_verifier=verifier)

    def confirm_device(self, person: str, url: str) -> str:
        """Sign a person in at the page that a terminal named, and let the terminal in."""
        browser = Browser()
        page = browser.follow(url)
        for _ in range(4):
            if 'name="username"' in page:
                page = browser.fill_in_and_follow(page, username=person, password=PASSWORD)
            elif 'name="accept"' in page:
                page = browser.fill_in_and_follow(page, accept="Yes")
        return page

    def token(self, client: str, **form: str) -> Tokens:
        """Ask the token endpoint."""
        data = urllib.parse.urlencode({"client_id": client, **form}).encode()
        with urllib.request.urlopen(f"{self.issuer}/protocol/openid-connect/token", data, timeout=30) as answer:
            return Tokens(json.load(answer))

    def refreshed(self, tokens: Tokens, client: str = "crm-desk") -> Tokens:
        """Get fresh tokens of the same session."""
        return self.token(client, grant_type="refresh_token", refresh_token=tokens.refresh)

    def sign_out(self, tokens: Tokens, client: str = "crm-desk") -> None:
        """End the session at the provider, which tells the clients by the back channel."""
        data = urllib.parse.urlencode({"client_id": client, "refresh_token": tokens.refresh}).encode()
        urllib.request.urlopen(f"{self.issuer}/protocol/openid-connect/logout", data, timeout=30).close()

    def administer(self, method: str, path: str, body: object = None) -> Any:
        """Call the administration interface of the realm."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMINISTRATOR, "password": PASSWORD}
        data = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"{self.url}/realms/master/protocol/openid-connect/token", data, timeout=30) as answer:
            token = json.load(answer)["access_token"]
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/admin/realms/{REALM}{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def rotate_keys(self) -> None:
        """Sign with a new key from now on; the old one stays published."""
        config = {"priority": [str(1000 + time.time_ns() // 10**6 % 10**9)], "keySize": ["2048"]}
        kind = "org.keycloak.keys.KeyProvider"
        self.administer(
            "POST", "/components", {"name": "next", "providerId": "rsa-generated", "providerType": kind, "config": config}
        )

    def _unpack(self) -> Path:
        with zipfile.ZipFile(maven_archive("org.keycloak", "keycloak-quarkus-dist", VERSION)) as packed:
            packed.extractall(self.folder)
        home = self.folder / f"keycloak-{VERSION}"
        (home / "bin" / "kc.sh").chmod(0o755)
        imported = home / "data" / "import"
        imported.mkdir(parents=True)
        (imported / f"{REALM}.json").write_text(json.dumps(realm(self._logout_url)), "utf-8")
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        return home
