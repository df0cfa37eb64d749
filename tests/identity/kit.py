"""Real keys and tokens for the identity tests. Times start at a fixed moment; nothing here sleeps."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from munjigi.adapters.identity.keys import KeyRing, parse_key_set
from munjigi.adapters.identity.tokens import EMPLOYEE_TYPES, TOOL_TYPES, JwtVerifier
from munjigi.audit.records import SignInRecord
from munjigi.decision.grant_table import GrantTable
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import MunjigiError
from munjigi.policy.types import Tool
from munjigi.rpc.authentication import Authenticator, ListenerTrust
from munjigi.rpc.credentials import credentials_of
from munjigi.rpc.failures import Failures

NOW = 1_800_000_000 * SECOND
ISSUER = "https://id.example.com/"
EMBEDDED = ListenerTrust(tool_tokens=True)
BEHIND_PROXY = ListenerTrust(forwarded_certificate=True)
MTLS = ListenerTrust()
NONE_ENDED = GrantTable.build((), (), 0)
PEER = "ipv4:192.0.2.7:40000"

ED25519 = Ed25519PrivateKey.generate()
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
PRIVATE: dict[str, Any] = {"EdDSA": ED25519, "ES256": P256, "ES384": P384, "RS256": RSA, "PS256": RSA}


def jwk(name: str, key_id: str | None = None) -> dict[str, Any]:
    public = PRIVATE[name].public_key()
    entry: dict[str, Any] = jwt.get_algorithm_by_name(name).to_jwk(public, as_dict=True)
    return {**entry, "kid": key_id or name}


def key_set(*names: str) -> bytes:
    return json.dumps({"keys": [jwk(name) for name in names or tuple(PRIVATE)]}).encode()


class StaticKeys:
    """A source whose ring the test changes."""

    def __init__(self, content: bytes | None = None) -> None:
        self.ring = parse_key_set(content or key_set())
        self.misses = 0

    def miss(self, now: int) -> KeyRing:
        self.misses += 1
        return self.ring

    def poll(self, now: int) -> None: ...


def claims(**changes: Any) -> dict[str, Any]:
    base = {
        "iss": ISSUER,
        "sub": "cs.kim",
        "aud": "munjigi",
        "azp": "crm-desk",
        "nbf": NOW // SECOND,
        "exp": NOW // SECOND + 600,
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def sign(body: dict[str, Any] | None = None, *, algorithm: str = "EdDSA", key_id: str | None = None, **header: Any) -> str:
    headers = {"typ": "at+jwt", "kid": key_id or algorithm, **header}
    # PyJWS, because jwt.encode refuses to sign the odd bodies that an issuer's defect could produce.
    return jwt.PyJWS().encode(json.dumps(claims() if body is None else body).encode(), PRIVATE[algorithm], algorithm, headers)


def sign_tool(subject: str = "crm-desk", **changes: Any) -> str:
    return sign(claims(sub=subject, azp=None, **changes), typ="munjigi-tool+jwt")


def raw(header: object, body: object, signature: bytes = b"") -> str:
    """Make a compact token of anything, signed by nobody."""
    parts = (json.dumps(header).encode(), json.dumps(body).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def tool(name: str, *, sign_in_clients: frozenset[str] = frozenset()) -> Tool:
    nothing: frozenset[str] = frozenset()
    return Tool(
        name=name,
        title=name,
        certificate_uri=f"spiffe://munjigi.local/tool/{name}",
        token_subject=name,
        purposes=nothing,
        actions=nothing,
        sign_in_clients=sign_in_clients,
        asserts_origin=False,
        confirm="required",
        checks_per_second=0,
        max_subjects=0,
    )


TOOLS = {
    "crm-desk": tool("crm-desk", sign_in_clients=frozenset({"company-portal"})),
    "fraud-console": tool("fraud-console"),
}


def admit(
    authenticator: Authenticator,
    metadata: Any,
    peer: str,
    uris: Any,
    trust: ListenerTrust,
    tools: Any,
    now: int,
    sessions: Any = NONE_ENDED,
) -> Any:
    """Do what the fronts and the pipeline do with a call's metadata; of the session's pause speaks `test_idle_sessions.py`."""
    pairs = metadata.items() if isinstance(metadata, dict) else metadata
    found = authenticator.admit(credentials_of(pairs, peer, uris, trust).presented, peer, uris, trust, tools, sessions, now)
    return found._replace(sign_in=found.sign_in._replace(pause=0))


class Desk:
    """An authenticator with its keys and the records that it wrote at once."""

    def __init__(self, keys: StaticKeys | None = None, limit: int = 1_000_000, capacity: int = 10_000) -> None:
        self.keys = keys or StaticKeys()
        self.records: list[SignInRecord] = []
        self.failures = Failures(limit=limit)
        self.authenticator = Authenticator(
            JwtVerifier(self.keys, issuer=ISSUER, types=EMPLOYEE_TYPES),
            JwtVerifier(self.keys, issuer=ISSUER, types=TOOL_TYPES),
            self.failures,
            self.records.append,
            capacity=capacity,
        )

    def ask(
        self,
        metadata: Any,
        uris: Any = None,
        trust: ListenerTrust = EMBEDDED,
        now: int = NOW,
        peer: str = PEER,
        tools: Any = TOOLS,
        sessions: Any = NONE_ENDED,
    ):
        return admit(self.authenticator, metadata, peer, uris, trust, tools, now, sessions)


def bearer(token: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {token}")


def tool_header(token: str) -> tuple[str, str]:
    return ("munjigi-tool-token", token)


def reason(call: Any, *arguments: Any, **named: Any) -> str:
    """Return the reason of the error that the call must raise."""
    with pytest.raises(MunjigiError) as caught:
        call(*arguments, **named)
    return caught.value.reason
