"""`munjigi login` by the device flow of a real provider, what it keeps, and how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import pytest
from signin.company import Company
from signin.keycloak import Keycloak

from munjigi.adapters.identity.authority import tool_files
from munjigi.adapters.identity.login_file import LoginFile

MUNJIGI = (sys.executable, "-m", "munjigi.cli.main")


class Terminal:
    """One person's terminal on a machine without a state folder."""

    def __init__(self, company: Company, home: Path) -> None:
        files = tool_files(company.state_dir, "munjigi-cli")
        self.home = home
        self.file = home / "state" / "munjigi" / "login.json"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("MUNJIGI_", "XDG_"))} | {
            "XDG_STATE_HOME": str(home / "state"),
            "MUNJIGI_OIDC_ISSUER": company.issuer,
            "MUNJIGI_GRPC_ADDRESS": company.daemon.grpc_address,
            "MUNJIGI_CA": str(files.authority),
            "MUNJIGI_CERT": str(files.certificate),
            "MUNJIGI_KEY": str(files.key),
            "MUNJIGI_TIMEOUT": "60",  # the machine may be busy
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*MUNJIGI, *arguments],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        done = subprocess.run(
            [*MUNJIGI, *arguments], cwd=self.home, env=self.environment | environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def terminal(company: Company, tmp_path: Path) -> Terminal:
    return Terminal(company, tmp_path)


def test_a_person_signs_in_with_a_browser_and_out_again(terminal: Terminal, keycloak: Keycloak) -> None:
    assert terminal.run("whoami")[0] == 1  # nobody is signed in
    login = terminal.start("login")
    assert login.stdout is not None
    address = login.stdout.readline().removeprefix("Open ").strip()
    code = login.stdout.readline().rpartition(" ")[2].strip(".\n")
    assert code in address
    keycloak.confirm_device("cs.lee", address)
    rest = login.communicate(timeout=60)[0]
    assert login.returncode == 0, rest
    assert "Signed in as cs.lee" in rest
    assert "eyJ" not in rest
    assert terminal.file.stat().st_mode & 0o777 == 0o600
    assert terminal.file.parent.stat().st_mode & 0o777 == 0o700

    code, text = terminal.run("whoami", "--output", "json")
    assert code == 0, text
    who = json.loads(text)
    assert (code, who["employee"], who["issuer"]) == (0, "cs.lee", keycloak.issuer)
    assert 0 < int(who["token_expires_at"]) - time.time_ns() < 601 * 10**9
    assert "cs_manager" in terminal.run("whoami")[1]

    # A token that has run out is refreshed, and what comes is kept.
    before = json.loads(terminal.file.read_text())
    terminal.file.write_text(json.dumps({**before, "expires_at": 1}))
    assert terminal.run("whoami")[0] == 0
    after = json.loads(terminal.file.read_text())
    assert after["access_token"] != before["access_token"]
    assert after["expires_at"] > time.time_ns()
    assert terminal.file.stat().st_mode & 0o777 == 0o600

    # MUNJIGI_TOKEN wins.
    other = keycloak.sign_in("dpo.yoon", "munjigi-cli").access
    assert json.loads(terminal.run("whoami", "--output", "json", MUNJIGI_TOKEN=other)[1])["employee"] == "dpo.yoon"

    code, text = terminal.run("logout")
    assert (code, terminal.file.exists()) == (0, False), text
    with pytest.raises(urllib.error.HTTPError) as refused:  # revoked at the provider, not only forgotten here
        keycloak.token("munjigi-cli", grant_type="refresh_token", refresh_token=after["refresh_token"])
    refused.value.close()
    assert terminal.run("logout") == (0, "Nobody is signed in here.\n")
    assert terminal.run("whoami")[0] == 1


def test_a_sign_in_that_the_provider_ended_says_to_sign_in_again(terminal: Terminal, keycloak: Keycloak) -> None:
    tokens = keycloak.sign_in("cs.kim", "munjigi-cli")
    content = {"issuer": keycloak.issuer, "client": "munjigi-cli", "authority": "", "subject": "cs.kim"}
    content |= {"access_token": tokens.access, "refresh_token": tokens.refresh, "expires_at": 1}
    terminal.file.parent.mkdir(mode=0o700, parents=True)
    terminal.file.touch(0o600)
    terminal.file.write_text(json.dumps(content))
    keycloak.sign_out(tokens, "munjigi-cli")
    code, text = terminal.run("whoami")
    assert code == 1
    assert "munjigi login" in text
    terminal.file.chmod(0o644)
    assert "chmod 600" in terminal.run("whoami")[1]


def test_a_provider_that_does_not_know_the_client_refuses(terminal: Terminal) -> None:
    code, text = terminal.run("login", "--client", "crm-desk")  # has no device authorization
    assert code == 1
    assert re.search(r"\((unauthorized_client|invalid_client|invalid_grant)\)", text), text
    code, text = terminal.run("login", "--issuer", "http://id.example.com/")
    assert code == 1
    assert "https" in text


def test_commands_at_once_refresh_once(tmp_path: Path) -> None:
    """The second one finds the first one's tokens under the lock: a refresh token is good once."""
    from munjigi.adapters.identity.device_flow import Tokens
    from munjigi.adapters.identity.login_file import Login

    class Flow:
        used: list[str] = []  # noqa: RUF012

        def refresh(self, token: str) -> Tokens:
            self.used.append(token)
            return Tokens(_unsigned(int(time.time()) + 600), "next", 600)

    file = LoginFile(tmp_path / "munjigi" / "login.json")
    file.write(Login("https://id.example.com", "cli", "", "cs.kim", "old", "first", 1))
    one = file.fresh(time.time_ns, lambda _: Flow())  # type: ignore[arg-type,return-value]
    two = file.fresh(time.time_ns, lambda _: Flow())  # type: ignore[arg-type,return-value]
    assert one == two
    assert Flow.used == ["first"]
    assert one is not None
    assert (one.refresh_token, one.subject) == ("next", "cs.kim")


def _unsigned(expires_at: int) -> str:
    import jwt

    return jwt.encode({"iss": "https://id.example.com", "sub": "cs.kim", "exp": expires_at}, None, algorithm="none")
