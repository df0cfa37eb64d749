"""The realm that Keycloak imports: two tools with tokens of RFC 9068, one that signs plain `JWT`, a terminal, and sample people.

Subjects are the sample company's names, since a realm may choose its users' ids. Nobody here is a real person.
"""

from __future__ import annotations

from typing import Any

REALM = "sample"
PASSWORD = "only-for-tests"
PEOPLE = ("cs.kim", "cs.lee", "dpo.yoon", "new.oh")
REDIRECT = "http://127.0.0.1:1/callback"  # nothing listens: tests read the code out of the redirect


def realm(logout_url: str = "") -> dict[str, Any]:
    """Return the realm's import file. `logout_url` is where back-channel logouts of `crm-desk` go."""
    return {
        "realm": REALM,
        "enabled": True,
        "sslRequired": "none",
        "accessTokenLifespan": 600,
        "roles": {"realm": [{"name": "cs_agent"}, {"name": "cs_manager"}, {"name": "realm-admin-of-everything"}]},
        "groups": [{"name": "cs_manager"}, {"name": "customer-service"}],
        "users": [_person(name) for name in PEOPLE],
        "clients": [
            _client("crm-desk", backchannel_logout_url=logout_url),
            _client("legacy-desk", rfc9068=False),
            _client("elsewhere", audience="payroll"),
            _client("munjigi-cli", device=True),
        ],
        "browserFlow": "levels",
        "authenticationFlows": _levels(),
        "authenticatorConfig": [
            {"alias": "level 1", "config": {"loa-condition-level": "1", "loa-max-age": "36000"}},
            {"alias": "level 2", "config": {"loa-condition-level": "2", "loa-max-age": "0"}},
        ],
        "attributes": {"acr.loa.map": '{"plain": 1, "strong": 2}'},
    }


def _person(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "username": name,
        "enabled": True,
        "emailVerified": True,
        "email": f"{name}@example.com",
        "firstName": name.partition(".")[2],
        "lastName": "Sample",
        "credentials": [{"type": "password", "value": PASSWORD}],
    }


def _client(
    name: str, *, audience: str = "munjigi", rfc9068: bool = True, device: bool = False, backchannel_logout_url: str = ""
) -> dict[str, Any]:
    attributes = {
        "access.token.header.type.rfc9068": str(rfc9068).lower(),
        "oauth2.device.authorization.grant.enabled": str(device).lower(),
        "acr.loa.map": '{"plain": "1", "strong": "2"}',
    }
    if backchannel_logout_url:
        attributes |= {"backchannel.logout.url": backchannel_logout_url, "backchannel.logout.session.required": "true"}
    return {
        "clientId": name,
        "enabled": True,
        "publicClient": True,
        "standardFlowEnabled": True,
        "directAccessGrantsEnabled": True,
        "redirectUris": [REDIRECT],
        "attributes": attributes,
        "protocolMappers": [
            _mapper("audience", "oidc-audience-mapper", {"included.custom.audience": audience}),
            _mapper(
                "groups",
                "oidc-group-membership-mapper",
                {"claim.name": "groups", "full.path": "false", "id.token.claim": "true"},
            ),
        ],
    }


def _mapper(name: str, kind: str, config: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": {"access.token.claim": "true", **config},
    }


def _levels() -> list[dict[str, Any]]:
    """Return a browser flow with two levels of sign-in: both ask for the password, which is all that these tests need."""
    return [
        _flow("levels", [_step("auth-cookie", "ALTERNATIVE", 10), _step("levels forms", "ALTERNATIVE", 20, flow=True)], top=True),
        _flow(
            "levels forms",
            [_step("levels plain", "CONDITIONAL", 10, flow=True), _step("levels strong", "CONDITIONAL", 20, flow=True)],
        ),
        *(
            _flow(
                f"levels {name}",
                [
                    _step("conditional-level-of-authentication", "REQUIRED", 10, config=f"level {number}"),
                    _step("auth-username-password-form" if number == 1 else "auth-password-form", "REQUIRED", 20),
                ],
            )
            for number, name in ((1, "plain"), (2, "strong"))
        ),
    ]


def _flow(alias: str, steps: list[dict[str, Any]], *, top: bool = False) -> dict[str, Any]:
    return {
        "alias": alias,
        "providerId": "basic-flow",
        "topLevel": top,
        "builtIn": False,
        "authenticationExecutions": steps,
    }


def _step(name: str, requirement: str, priority: int, *, flow: bool = False, config: str = "") -> dict[str, Any]:
    step: dict[str, Any] = {"requirement": requirement, "priority": priority, "authenticatorFlow": flow}
    step["flowAlias" if flow else "authenticator"] = name
    if config:
        step["authenticatorConfig"] = config
    return step
