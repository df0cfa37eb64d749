"""The embedded issuer: its tokens are those that our verifiers take, and nothing else is."""

from __future__ import annotations

import json

import jwt
import pytest
from identity.kit import EMBEDDED, NOW, PEER, TOOLS, admit, reason

from munjigi.adapters.identity.jwks import FileKeys
from munjigi.adapters.identity.local_issuer import (
    LocalIssuer,
    ensure_issuer,
    issuer_key_path,
    mint_employee,
    mint_tool,
)
from munjigi.adapters.identity.tokens import EMPLOYEE_TYPES, TOOL_TYPES, JwtVerifier
from munjigi.kernel.clock import SECOND
from munjigi.kernel.identity import EMBEDDED_ISSUER, Caller, EmployeeKey, SignIn
from munjigi.rpc.authentication import Authenticator
from munjigi.rpc.failures import Failures


def test_a_minted_pair_of_tokens_makes_a_caller(tmp_path):
    keys = FileKeys(ensure_issuer(tmp_path))
    employees = JwtVerifier(keys, issuer=EMBEDDED_ISSUER, types=EMPLOYEE_TYPES)
    tools = JwtVerifier(keys, issuer=EMBEDDED_ISSUER, types=TOOL_TYPES)
    employee = mint_employee(tmp_path, "cs.kim", "crm-desk", now=NOW)
    tool = mint_tool(tmp_path, "crm-desk", now=NOW)
    metadata = {"authorization": f"Bearer {employee}", "munjigi-tool-token": tool}
    found = admit(Authenticator(employees, tools, Failures(), print), metadata, PEER, None, EMBEDDED, TOOLS, NOW)
    assert found == Caller(EmployeeKey(EMBEDDED_ISSUER, "cs.kim"), "crm-desk", "192.0.2.7", SignIn("", NOW, NOW))
    assert reason(employees.verify, tool, NOW) == "TOKEN_TYPE"
    assert reason(tools.verify, employee, NOW) == "TOKEN_TYPE"


def test_a_token_says_who_for_whom_and_for_how_long(tmp_path):
    ensure_issuer(tmp_path)
    token = mint_employee(tmp_path, "cs.kim", "munjigi-cli", now=NOW)
    header, body = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    assert (header["alg"], header["typ"]) == ("EdDSA", "at+jwt")
    assert {name: body[name] for name in ("iss", "sub", "aud", "azp")} == {
        "iss": "urn:munjigi:embedded",
        "sub": "cs.kim",
        "aud": "munjigi",
        "azp": "munjigi-cli",
    }
    assert body["iat"] == body["nbf"] == NOW // SECOND
    assert body["exp"] == NOW // SECOND + 600
    assert (
        body["jti"]
        != jwt.decode(mint_employee(tmp_path, "cs.kim", "munjigi-cli", now=NOW), options={"verify_signature": False})["jti"]
    )


def test_tokens_without_a_given_time_are_good_now(tmp_path):
    from munjigi.kernel.clock import SystemClock

    keys = FileKeys(ensure_issuer(tmp_path))
    now = SystemClock().now()
    assert (
        JwtVerifier(keys, issuer=EMBEDDED_ISSUER, types=EMPLOYEE_TYPES).verify(mint_employee(tmp_path, "a", "b"), now).subject
        == "a"
    )
    assert JwtVerifier(keys, issuer=EMBEDDED_ISSUER, types=TOOL_TYPES).verify(mint_tool(tmp_path, "a"), now).subject == "a"


@pytest.mark.parametrize("seconds", [0, -1, 601])
def test_an_employee_token_lives_ten_minutes_at_most(tmp_path, seconds):
    ensure_issuer(tmp_path)
    assert reason(mint_employee, tmp_path, "cs.kim", "crm-desk", seconds=seconds) == "TOKEN_LIFETIME"


@pytest.mark.parametrize("seconds", [0, 12 * 3600 + 1])
def test_a_tool_token_lives_half_a_day_at_most(tmp_path, seconds):
    ensure_issuer(tmp_path)
    assert reason(mint_tool, tmp_path, "crm-desk", seconds=seconds) == "TOKEN_LIFETIME"


def test_the_key_is_made_once_and_its_set_is_published_again_when_lost(tmp_path):
    path = ensure_issuer(tmp_path)
    private, public = issuer_key_path(tmp_path).read_bytes(), path.read_bytes()
    assert issuer_key_path(tmp_path).stat().st_mode & 0o777 == 0o600
    path.unlink()
    assert ensure_issuer(tmp_path).read_bytes() == public
    path.write_bytes(b"{}")
    assert ensure_issuer(tmp_path).read_bytes() == public
    assert issuer_key_path(tmp_path).read_bytes() == private
    assert set(json.loads(public)["keys"][0]) == {"kty", "crv", "x", "kid", "alg", "use"}


def test_the_published_key_is_read_as_the_thumbprint_of_rfc_8037():
    # RFC 8037 appendix A.3.
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from munjigi.adapters.identity.keys import public_jwk

    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "="))
    assert public_jwk(key)["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_p10_no_key_says_how_to_get_one(tmp_path):
    assert reason(LocalIssuer, tmp_path) == "ISSUER_KEY_MISSING"


def test_p10_a_readable_or_broken_key_is_refused(tmp_path):
    ensure_issuer(tmp_path)
    issuer_key_path(tmp_path).chmod(0o644)
    assert reason(LocalIssuer, tmp_path) == reason(ensure_issuer, tmp_path) == "KEY_FILE_EXPOSED"
    issuer_key_path(tmp_path).chmod(0o600)
    issuer_key_path(tmp_path).write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    assert reason(LocalIssuer, tmp_path) == reason(ensure_issuer, tmp_path) == "ISSUER_KEY_INVALID"
