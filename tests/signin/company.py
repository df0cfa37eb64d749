"""The sample company with a real provider: tools with certificates, employees with Keycloak's tokens."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
from e2e_asking import question
from running import ROOT, Daemon, Stubs
from signin.keycloak import Keycloak

from munjigi.adapters.identity.authority import init_tls, server_files, tool_files
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import GrantEdit, PersonEdit
from munjigi.grants.sample import sample_company
from munjigi.kernel.identity import EmployeeKey
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

TOOLS = ("crm-desk", "munjigi-cli")


class Company:
    """A daemon with `identity = oidc` that is told the issuer and nothing else of the provider."""

    def __init__(self, folder: Path, keycloak: Keycloak, logout_port: int, *, now: int) -> None:
        self.issuer = keycloak.issuer
        self.logout_url = f"http://127.0.0.1:{logout_port}/oidc/backchannel-logout"
        self.policy_home = folder / "policies"
        shutil.copytree(ROOT / "policies", self.policy_home)
        shutil.rmtree(self.policy_home / "tests")
        catalog = self.policy_home / "catalog.toml"
        asking = catalog.read_text("utf-8").replace(
            "[classes.location]", '[classes.location]\nsign_in = {acr = ["strong"], max_age_seconds = 900}'
        )
        catalog.write_text(asking, "utf-8")
        self.state_dir = folder / "var"
        self.state_dir.mkdir(mode=0o700)
        init_tls(self.state_dir, TOOLS, now=now)
        files = server_files(self.state_dir)
        self.daemon = Daemon(
            self.state_dir,
            policy_home=self.policy_home,
            MUNJIGI_IDENTITY="oidc",
            MUNJIGI_WORKERS="2",
            MUNJIGI_OIDC_ISSUER=keycloak.issuer,
            MUNJIGI_OIDC_LOGOUT_ADDRESS=f"127.0.0.1:{logout_port}",
            MUNJIGI_TLS_CERTIFICATE=str(files.certificate),
            MUNJIGI_TLS_KEY=str(files.key),
            MUNJIGI_TLS_CLIENT_AUTHORITY=str(files.authority),
        )
        self.seed(now)

    def seed(self, now: int) -> None:
        """Register the sample people under the provider's issuer, with what they hold under the embedded one."""
        with closing(SqliteStateStore(self.state_dir / "state.sqlite")) as store:
            store.migrate()
            edits = [self._here(edit) for edit in sample_company(now)]
            store.apply(edits, at=now, actor="tests", request_id="company")

    def _here(self, edit: Any) -> Any:
        if isinstance(edit, PersonEdit):
            accounts = tuple(EmployeeKey(self.issuer, account.subject) for account in edit.person.accounts)
            return edit._replace(person=_with(edit.person, accounts=accounts))
        assert isinstance(edit, GrantEdit)
        return edit._replace(grant=_with(edit.grant, employee=EmployeeKey(self.issuer, edit.grant.employee.subject)))

    def channel(self, tool: str = "crm-desk") -> grpc.Channel:
        files = tool_files(self.state_dir, tool)
        credentials = grpc.ssl_channel_credentials(
            files.authority.read_bytes(), files.key.read_bytes(), files.certificate.read_bytes()
        )
        return grpc.secure_channel(self.daemon.grpc_address, credentials)

    def check(self, token: str, tool: str = "crm-desk", **changes: Any) -> pb.CheckResponse:
        with self.channel(tool) as over:
            return Stubs(over).decision.Check(question(**changes), metadata=(("authorization", f"Bearer {token}"),), timeout=30)


def _with(value: Any, **changes: Any) -> Any:
    import dataclasses

    return dataclasses.replace(value, **changes)
