"""A logout token is one of the provider's, just issued, for a client of ours, and nothing else; it is taken once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity.kit import ISSUER, NOW, StaticKeys, claims, key_set, reason, sign

from munjigi.adapters.identity.logout import AHEAD, EVENT, FRESH, LogoutVerifier
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Unauthenticated
from munjigi.kernel.identity import LONGEST_TOKEN, SessionEnd

SECOND_OF_NOW = NOW // SECOND
CLIENTS = frozenset(("crm-desk", "crm-portal"))


def logout(typ: str = "logout+jwt", key_id: str | None = None, algorithm: str = "EdDSA", **changes) -> str:
    body = {
        "iss": ISSUER,
        "aud": "crm-desk",
        "iat": SECOND_OF_NOW,
        "exp": SECOND_OF_NOW + 60,
        "jti": "t-1",
        "sub": "cs.kim",
        "sid": "s-1",
        "events": {EVENT: {}},
        **changes,
    }
    kept = {name: value for name, value in body.items() if value is not None}
    return sign(kept, typ=typ, key_id=key_id, algorithm=algorithm)


def verifier(keys: StaticKeys | None = None) -> LogoutVerifier:
    return LogoutVerifier(keys or StaticKeys(), ISSUER)


@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "JWT"])
def test_a_good_token_says_what_it_ends(typ):
    found = verifier().verify(logout(typ), CLIENTS, NOW)
    assert found.end == SessionEnd(ISSUER, "cs.kim", "s-1", NOW, NOW + LONGEST_TOKEN + AHEAD)
    assert found.token_id == "t-1"


def test_a_session_or_a_subject_is_enough_and_one_of_several_audiences():
    assert verifier().verify(logout(sub=None), CLIENTS, NOW).end.session == "s-1"
    assert verifier().verify(logout(sid=None, aud=["other", "crm-portal"]), CLIENTS, NOW).end.subject == "cs.kim"


BAD = {
    "another issuer": {"iss": "https://other.example.com/"},
    "another client": {"aud": "payroll"},
    "no audience": {"aud": []},
    "no event": {"events": {}},
    "another event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "an event that is no object": {"events": {EVENT: True}},
    "a nonce": {"nonce": "n"},
    "no token id": {"jti": None},
    "an empty token id": {"jti": ""},
    "nobody": {"sub": None, "sid": None},
    "no time": {"iat": None},
    "an old one": {"iat": SECOND_OF_NOW - FRESH // SECOND},
    "one of tomorrow": {"iat": SECOND_OF_NOW + AHEAD // SECOND + 1},
    "expired": {"exp": SECOND_OF_NOW},
    "a long name": {"sid": "x" * 200},
    "a control character": {"sid": "a\nb"},
    "an access token": {"typ": "at+jwt"},
    "an algorithm of another key": {"key_id": "ES256"},
}


@pytest.mark.parametrize("case", BAD)
def test_p3_anything_else_ends_nothing(case):
    assert reason(verifier().verify, logout(**BAD[case]), CLIENTS, NOW) == "LOGOUT_TOKEN_INVALID"


def test_tokens_of_other_kinds_end_nothing():
    for token in (sign(), sign(claims(sid="s-1", iat=SECOND_OF_NOW), typ="JWT")):
        assert reason(verifier().verify, token, CLIENTS, NOW) == "LOGOUT_TOKEN_INVALID"
    header, body, signature = logout().split(".")
    other = logout(sid="s-2").split(".")[1]
    assert reason(verifier().verify, f"{header}.{other}.{signature}", CLIENTS, NOW) == "LOGOUT_TOKEN_INVALID"
    assert reason(verifier().verify, f"{header}.{body}", CLIENTS, NOW) == "TOKEN_MALFORMED"


def test_an_unknown_key_is_looked_for():
    keys = StaticKeys(key_set("ES256"))
    assert reason(verifier(keys).verify, logout(), CLIENTS, NOW) == "KEY_UNKNOWN"
    assert keys.misses == 1


def test_a_token_is_taken_once_and_only_when_its_session_was_ended():
    one = verifier()
    for _ in range(2):
        one.verify(logout(), CLIENTS, NOW)
    one.accepted("t-1")
    assert reason(one.verify, logout(), CLIENTS, NOW) == "LOGOUT_TOKEN_INVALID"
    assert one.verify(logout(jti="t-2"), CLIENTS, NOW).token_id == "t-2"


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_comes_is_refused_as_such(content):
    with pytest.raises(Unauthenticated):
        verifier().verify(content.decode("latin-1"), CLIENTS, NOW)
