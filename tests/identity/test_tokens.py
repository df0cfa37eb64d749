"""Tokens: what is believed, what is refused and why, and what the cache may and may not remember."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from identity.kit import ED25519, ISSUER, NOW, PRIVATE, RSA, StaticKeys, claims, jwk, key_set, raw, reason, sign, sign_tool

from munjigi.adapters.identity.keys import ALGORITHMS, parse_key_set
from munjigi.adapters.identity.tokens import EMPLOYEE_TYPES, MAX_TOKEN_CHARS, TOOL_TYPES, JwtVerifier
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Unauthenticated
from munjigi.kernel.identity import SignIn

EXPIRES = NOW + 600 * SECOND


def employees(keys: StaticKeys | None = None, **options) -> JwtVerifier:
    return JwtVerifier(keys or StaticKeys(), issuer=ISSUER, types=EMPLOYEE_TYPES, **options)


@pytest.mark.parametrize("algorithm", sorted(PRIVATE))
def test_every_listed_algorithm_is_accepted_with_a_key_of_its_kind(algorithm):
    found = employees().verify(sign(algorithm=algorithm), NOW)
    assert found == (ISSUER, "cs.kim", "crm-desk", EXPIRES, NOW, algorithm, SignIn(), "")


def test_the_algorithms_are_the_listed_ones():
    assert {"EdDSA", "ES256", "ES384", "RS256", "PS256"} == ALGORITHMS


def test_the_period_is_half_open_and_looked_at_on_every_call():
    verifier, token = employees(), sign()
    assert reason(verifier.verify, token, NOW - 1) == "TOKEN_NOT_YET_VALID"
    assert verifier.verify(token, NOW).subject == "cs.kim"
    assert reason(verifier.verify, token, NOW - 1) == "TOKEN_NOT_YET_VALID"  # cached by now
    assert verifier.verify(token, EXPIRES - 1).subject == "cs.kim"
    assert reason(verifier.verify, token, EXPIRES) == "TOKEN_EXPIRED"
    assert reason(verifier.verify, token, EXPIRES) == "TOKEN_EXPIRED"


def test_skew_is_given_to_not_before_and_never_to_expiry():
    verifier, token = employees(skew=5 * SECOND), sign()
    assert verifier.verify(token, NOW - 5 * SECOND).subject == "cs.kim"
    assert reason(verifier.verify, token, NOW - 5 * SECOND - 1) == "TOKEN_NOT_YET_VALID"
    assert reason(verifier.verify, token, EXPIRES) == "TOKEN_EXPIRED"


def test_fractions_of_a_second_shorten_the_life():
    verifier, token = employees(), sign(claims(nbf=NOW / SECOND + 0.5, exp=NOW / SECOND + 2.9))
    assert reason(verifier.verify, token, NOW + SECOND - 1) == "TOKEN_NOT_YET_VALID"
    assert verifier.verify(token, NOW + SECOND).expires_at == NOW + 2 * SECOND


def forged(header: dict[str, object]) -> str:
    """Make a token whose HMAC secret is the public key, the classic confusion."""
    secret = ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    whole = raw(header, claims())
    return raw(header, claims(), hmac.digest(secret, whole.rpartition(".")[0].encode(), "sha256"))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: raw({"alg": "none", "typ": "at+jwt", "kid": "EdDSA"}, claims()), "TOKEN_ALGORITHM"),
        (lambda: raw({"alg": "None", "typ": "at+jwt", "kid": "EdDSA"}, claims()), "TOKEN_ALGORITHM"),
        (lambda: forged({"alg": "HS256", "typ": "at+jwt", "kid": "EdDSA"}), "TOKEN_ALGORITHM"),
        (lambda: forged({"alg": "HS256", "typ": "at+jwt", "kid": "RS256"}), "TOKEN_ALGORITHM"),
        (lambda: forged({"alg": "EdDSA", "typ": "at+jwt", "kid": "EdDSA"}), "TOKEN_SIGNATURE"),
        (lambda: sign(algorithm="ES256", key_id="ES384"), "TOKEN_ALGORITHM"),
        (lambda: sign(algorithm="ES256", key_id="EdDSA"), "TOKEN_ALGORITHM"),
        (lambda: sign(key_id="another"), "KEY_UNKNOWN"),
        (lambda: sign(claims(aud="another")), "TOKEN_AUDIENCE"),
        (lambda: sign(claims(aud=["a", "b"])), "TOKEN_AUDIENCE"),
        (lambda: sign(claims(aud=None)), "TOKEN_AUDIENCE"),
        (lambda: sign(claims(aud="munjigi2")), "TOKEN_AUDIENCE"),
        (lambda: sign(claims(iss="https://id.example.com")), "TOKEN_ISSUER"),
        (sign_tool, "TOKEN_TYPE"),
        (lambda: sign(typ="JWT"), "TOKEN_TYPE"),
        (lambda: sign(typ=None), "TOKEN_TYPE"),
        (lambda: sign(crit=["exp"]), "TOKEN_MALFORMED"),
        (lambda: sign(claims(exp=None)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(sub=None)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(sub="")), "TOKEN_MALFORMED"),
        (lambda: sign(claims(sub="a\x00b")), "TOKEN_MALFORMED"),
        (lambda: sign(claims(sub="김" * 43)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(exp="never")), "TOKEN_MALFORMED"),
        (lambda: sign(claims(exp=1e300)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(exp=-1)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(nbf=-1)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(iat=-1)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(auth_time=1 << 40)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(acr=2)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(acr="x" * 200)), "TOKEN_MALFORMED"),
        (lambda: sign(claims(sid="a\nb")), "TOKEN_MALFORMED"),
        (lambda: sign(claims(client_id="another")), "TOKEN_MALFORMED"),
        (lambda: sign() + "x" * MAX_TOKEN_CHARS, "TOKEN_MALFORMED"),
        (lambda: sign(claims(pad="x" * MAX_TOKEN_CHARS)), "TOKEN_MALFORMED"),
        (lambda: sign().rpartition(".")[0], "TOKEN_MALFORMED"),
        (lambda: sign() + ".x", "TOKEN_MALFORMED"),
        (lambda: sign() + "\n", "TOKEN_MALFORMED"),
        (lambda: "", "TOKEN_MALFORMED"),
        (lambda: "김.문.지", "TOKEN_MALFORMED"),
        (lambda: raw({"alg": "EdDSA", "typ": "at+jwt"}, claims()), "TOKEN_MALFORMED"),
        (lambda: raw([], claims()), "TOKEN_MALFORMED"),
    ],
)
def test_p3_a_token_with_one_thing_wrong_is_refused_for_that_reason(make, expected):
    assert reason(employees().verify, make(), NOW) == expected


def test_an_extra_member_that_names_the_key_is_not_followed():
    other = Ed25519PrivateKey.generate()
    inside = {"kty": "OKP", "crv": "Ed25519", "x": json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(other.public_key()))["x"]}
    token = jwt.encode(
        claims(), other, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": "EdDSA", "jwk": inside, "jku": "http://127.0.0.1:9/"}
    )
    assert reason(employees().verify, token, NOW) == "TOKEN_SIGNATURE"


def test_critical_extensions_are_refused_even_those_that_the_library_knows():
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": "EdDSA", "crit": ["b64"], "b64": True}  # RFC 7797
    signing = raw(header, claims()).rpartition(".")[0]
    token = raw(header, claims(), ED25519.sign(signing.encode()))
    assert reason(employees().verify, token, NOW) == "TOKEN_MALFORMED"
    del header["crit"], header["b64"]
    signing = raw(header, claims()).rpartition(".")[0]
    assert employees().verify(raw(header, claims(), ED25519.sign(signing.encode())), NOW).subject == "cs.kim"


def test_a_changed_body_breaks_the_signature():
    header, body, signature = sign().split(".")
    other = sign(claims(sub="dpo.yoon")).split(".")[1]
    assert reason(employees().verify, f"{header}.{other}.{signature}", NOW) == "TOKEN_SIGNATURE"
    assert employees().verify(f"{header}.{body}.{signature}", NOW).subject == "cs.kim"


def test_client_id_stands_in_for_azp_and_several_audiences_may_include_ours():
    token = sign(claims(azp=None, client_id="company-portal", aud=["account", "munjigi"]))
    assert employees().verify(token, NOW).client == "company-portal"


def test_how_and_when_the_employee_signed_in_is_the_tokens_word():
    second = NOW // SECOND
    token = sign(claims(acr="strong", auth_time=second - 90.5, iat=second - 3, sid="a26c964a"))
    found = employees().verify(token, NOW)
    assert found.sign_in == SignIn("strong", (second - 91) * SECOND, (second - 3) * SECOND)
    assert found.session == "a26c964a"


def test_a_tool_verifier_takes_tool_tokens_only():
    verifier = JwtVerifier(StaticKeys(), issuer=ISSUER, types=TOOL_TYPES)
    assert verifier.verify(sign_tool(), NOW).subject == "crm-desk"
    assert reason(verifier.verify, sign(), NOW) == "TOKEN_TYPE"


def test_a_cached_token_dies_with_its_key():
    keys = StaticKeys()
    verifier, token = employees(keys), sign()
    before = verifier.epoch
    assert verifier.verify(token, NOW).key_id == "EdDSA"
    keys.ring = parse_key_set(key_set("ES256"))
    assert verifier.epoch is not before
    assert reason(verifier.verify, token, NOW) == "KEY_UNKNOWN"
    assert verifier.verify(sign(algorithm="ES256"), NOW).key_id == "ES256"


def test_an_unknown_key_is_looked_for_and_found_after_rotation():
    class Rotating(StaticKeys):
        def miss(self, now):
            self.ring = parse_key_set(key_set())
            return super().miss(now)

    keys = Rotating(key_set("ES256"))
    assert employees(keys).verify(sign(), NOW).key_id == "EdDSA"
    assert keys.misses == 1


def test_the_cache_is_bounded_and_forgets_the_longest_unused():
    verifier = employees(capacity=3)
    tokens = [sign(claims(sub=f"user{number}")) for number in range(5)]
    for token in tokens[:3]:
        verifier.verify(token, NOW)
    verifier.verify(tokens[0], NOW)
    for token in tokens[3:]:
        verifier.verify(token, NOW)
    assert list(verifier._good) == [sha256(tokens[each].encode()).digest() for each in (0, 3, 4)]


def test_refused_tokens_are_not_cached():
    verifier = employees()
    for number in range(50):
        assert reason(verifier.verify, sign(claims(sub=f"u{number}", aud="another")), NOW) == "TOKEN_AUDIENCE"
    assert len(verifier._good) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3)
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["EdDSA", "none", "HS256", "RS256"]) | JSON,
        "kid": st.just("EdDSA") | JSON,
        "typ": st.just("at+jwt") | JSON,
    },
)
BODIES = st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "azp", "client_id", "x"]), JSON)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")) | st.builds(raw, HEADERS, BODIES, st.binary(max_size=70)))
@settings(max_examples=300, deadline=None)
def test_fuzz_only_our_errors_come_out(text):
    with pytest.raises(Unauthenticated):
        employees().verify(text, NOW)


@given(BODIES)
@settings(max_examples=200, deadline=None)
def test_fuzz_signed_bodies_are_claims_or_our_error(body):
    token = sign({**claims(), **body})
    try:
        found = employees().verify(token, NOW)
    except Unauthenticated:
        return
    else:
        assert found.issuer == ISSUER
        assert found.subject
        assert found.not_before <= NOW < found.expires_at


def test_deeply_nested_json_is_malformed():
    deep = base64.urlsafe_b64encode(b"[" * 3000).rstrip(b"=").decode()
    header = sign().split(".")[0]
    assert reason(employees().verify, f"{deep}.{deep}.", NOW) == "TOKEN_MALFORMED"
    assert reason(employees().verify, f"{header}.{deep}.AA", NOW) in {"TOKEN_MALFORMED", "TOKEN_SIGNATURE"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: sign(claims(aud="x")),
        lambda: sign(key_id="nobody"),
        lambda: raw({"alg": "none"}, claims()),
        lambda: sign()[:-4] + "AAAA",
    ],
)
def test_p5_no_part_of_a_token_is_in_an_error(make):
    token = make()
    with pytest.raises(Unauthenticated) as caught:
        employees().verify(token, NOW)
    text = caught.value.message + repr(caught.value.args) + caught.value.reason
    for part in (*token.split("."), "cs.kim", "nobody", "crm-desk", ISSUER):
        assert part == "" or part not in text
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "s"}, "KEY_SET_PRIVATE"),
        ({**jwk("EdDSA"), "d": "AAAA"}, "KEY_SET_PRIVATE"),
        ({**jwk("EdDSA"), "use": "enc"}, "KEY_SET_INVALID"),
        ({**jwk("EdDSA"), "key_ops": ["sign"]}, "KEY_SET_INVALID"),
        ({**jwk("EdDSA"), "alg": "HS256"}, "KEY_SET_INVALID"),
        ({**jwk("ES256"), "crv": "secp256k1"}, "KEY_SET_INVALID"),
        ({**jwk("EdDSA"), "x": "AAAA"}, "KEY_SET_INVALID"),
        ({**jwk("EdDSA"), "x": 7}, "KEY_SET_INVALID"),
        ({name: value for name, value in jwk("EdDSA").items() if name != "kid"}, "KEY_SET_INVALID"),
        ("text", "KEY_SET_INVALID"),
    ],
)
def test_p10_a_key_set_without_a_usable_public_key_is_refused(entry, expected):
    assert reason(parse_key_set, json.dumps({"keys": [entry]}).encode()) == expected


def test_weak_rsa_is_passed_over_and_strong_is_bound_to_its_named_algorithm():
    weak = {
        **jwt.get_algorithm_by_name("RS256").to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True),
        "kid": "weak",
    }
    ring = parse_key_set(json.dumps({"keys": [weak, {**jwk("RS256"), "alg": "PS256"}]}).encode())
    assert set(ring.keys) == {"RS256"}
    assert ring.keys["RS256"].algorithms == {"PS256"}
    assert RSA.key_size == 2048


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b"[" * 100_000,
        b" " * 300_000,
        key_set("EdDSA").replace(b"]", b"," + json.dumps(jwk("EdDSA")).encode() + b"]"),
    ],
)
def test_a_broken_key_set_is_our_error(content):
    assert reason(parse_key_set, content) == "KEY_SET_INVALID"


@given(
    st.binary()
    | JSON.map(lambda value: json.dumps({"keys": [value]}).encode())
    | st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops"]),
        JSON | st.sampled_from(["OKP", "EC", "RSA", "Ed25519", "P-256", "AQAB"]),
    ).map(lambda value: json.dumps({"keys": [value]}).encode())
)
@settings(max_examples=300, deadline=None)
def test_fuzz_key_sets_raise_only_our_errors(content):
    reason(parse_key_set, content)
