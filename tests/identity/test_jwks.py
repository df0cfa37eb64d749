"""Key sets from files and over real HTTP and HTTPS: rotation, and everything a bad issuer can do."""

from __future__ import annotations

import json
import ssl
import threading
import time

import pytest
from identity.issuing import Handler, Issuer, run
from identity.kit import ISSUER, NOW, jwk, key_set, reason, sign

from munjigi.adapters.identity.authority import init_tls, server_files
from munjigi.adapters.identity.jwks import DROP_AFTER, FileKeys, UrlKeys, key_source, published_at
from munjigi.adapters.identity.tokens import EMPLOYEE_TYPES, JwtVerifier
from munjigi.kernel.clock import SECOND, SystemClock
from munjigi.kernel.errors import Unavailable


@pytest.fixture
def issuer():
    yield from run(Issuer())


@pytest.fixture
def tls_issuer(tmp_path):
    files = init_tls(tmp_path / "issuer", [], now=SystemClock().now())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    yield from run(Issuer(context))


def test_keys_are_fetched_and_an_unchanged_set_keeps_the_ring(issuer):
    keys = UrlKeys(published_at(issuer.url))
    assert keys.ring.keys == {}
    keys.fetch(NOW)
    ring = keys.ring
    assert set(ring.keys) == {"EdDSA"}
    assert keys.problem == ""
    assert issuer.asked == ["/keys?tenant=1"]
    keys.fetch(NOW)
    assert keys.ring is ring


def test_an_unknown_key_is_refused_at_once_and_found_on_a_retry(issuer):
    keys = UrlKeys(published_at(issuer.url))
    keys.fetch(NOW)
    verifier = JwtVerifier(keys, issuer=ISSUER, types=EMPLOYEE_TYPES)
    old, new = sign(), sign(algorithm="ES256")
    assert verifier.verify(old, NOW).key_id == "EdDSA"
    refused = threading.Event()  # the answer comes after the refusal, however busy the machine is
    issuer.answer = lambda handler: refused.wait(5) and handler.send(key_set("ES256"))
    later = NOW + 60 * SECOND
    assert reason(verifier.verify, new, later) == "KEY_UNKNOWN"
    refused.set()
    keys.join(5)
    assert verifier.verify(new, later).key_id == "ES256"
    assert reason(verifier.verify, old, later) == "KEY_UNKNOWN"  # rotated out, cache and all
    assert len(issuer.asked) == 2


def test_unknown_keys_refetch_at_most_once_a_minute(issuer):
    keys = UrlKeys(published_at(issuer.url))
    keys.fetch(NOW)
    for second in range(60):  # the first finds a key that is new right after the start, none of the others asks
        keys.miss(NOW + second * SECOND)
        keys.join(5)
    assert len(issuer.asked) == 2
    for _ in range(10):
        keys.miss(NOW + 60 * SECOND)
        keys.join(5)
    assert len(issuer.asked) == 3


def test_a_call_never_waits_for_the_issuer(issuer):
    keys = UrlKeys(published_at(issuer.url))
    keys.fetch(NOW)
    issuer.answer = lambda handler: (issuer.release.wait(10), handler.send(key_set("ES256")))
    began = time.perf_counter()
    keys.miss(NOW + 60 * SECOND)
    keys.miss(NOW + 130 * SECOND)  # one is under way: no second one
    assert time.perf_counter() - began < 1
    assert set(keys.ring.keys) == {"EdDSA"}
    issuer.release.set()
    keys.join(5)
    assert set(keys.ring.keys) == {"ES256"}
    assert len(issuer.asked) == 2


def test_https_with_a_known_authority_is_taken_and_an_unknown_one_is_not(tls_issuer, tmp_path):
    authority = server_files(tmp_path / "issuer").authority
    keys = UrlKeys(published_at(tls_issuer.url, authority=authority))
    keys.fetch(NOW)
    assert set(keys.ring.keys) == {"EdDSA"}
    strict = UrlKeys(published_at(tls_issuer.url))
    assert reason(strict.fetch, NOW) == "PROVIDER_UNREACHABLE"
    assert strict.ring.keys == {}
    wrong_name = UrlKeys(published_at(tls_issuer.url.replace("127.0.0.1", "127.0.0.2"), authority=authority))
    assert reason(wrong_name.fetch, NOW) == "PROVIDER_UNREACHABLE"


def drip(handler: Handler) -> None:
    """Send a byte now and then: no single read times out."""
    handler.send_response(200)
    handler.end_headers()
    for byte in key_set("ES256"):
        if handler.server.release.wait(0.05):
            return
        handler.wfile.write(bytes([byte]))


def drip_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not handler.server.release.wait(0.05):
        handler.wfile.write(b"x")


BAD_ANSWERS = {
    "redirect": (lambda handler: handler.send(b"", 302, Location=handler.server.url), "PROVIDER_UNREACHABLE"),
    "permanent redirect": (
        lambda handler: handler.send(key_set("ES256"), 308, Location=handler.server.url),
        "PROVIDER_UNREACHABLE",
    ),
    "error": (lambda handler: handler.send(key_set("ES256"), 500), "PROVIDER_UNREACHABLE"),
    "no content": (lambda handler: handler.send(b"", 204), "PROVIDER_UNREACHABLE"),
    "oversize": (lambda handler: handler.send(key_set("ES256") + b" " * 300_000), "KEY_SET_INVALID"),
    "oversize said": (lambda handler: handler.send(b"", length=10**12), "PROVIDER_UNREACHABLE"),
    "truncated": (lambda handler: handler.send(key_set("ES256"), length=100_000), "PROVIDER_UNREACHABLE"),
    "silent": (lambda handler: handler.server.release.wait(10), "PROVIDER_UNREACHABLE"),
    "dripping": (drip, "PROVIDER_UNREACHABLE"),
    "dripping headers": (drip_headers, "PROVIDER_UNREACHABLE"),
    "not HTTP": (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"), "PROVIDER_UNREACHABLE"),
    "html": (lambda handler: handler.send(b"<html>"), "KEY_SET_INVALID"),
    "private key": (lambda handler: handler.send(json.dumps({"keys": [{**jwk("ES256"), "d": "x"}]}).encode()), "KEY_SET_PRIVATE"),
    "shared secret": (lambda handler: handler.send(b'{"keys":[{"kty":"oct","k":"eA","kid":"EdDSA"}]}'), "KEY_SET_PRIVATE"),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_p3_a_bad_answer_changes_no_key_and_is_told(issuer, case):
    keys = UrlKeys(published_at(issuer.url, seconds=0.4))
    keys.fetch(NOW)
    ring = keys.ring
    issuer.answer, expected = BAD_ANSWERS[case]
    began = time.perf_counter()
    assert reason(keys.fetch, NOW) == expected
    assert time.perf_counter() - began < 3
    assert keys.ring is ring
    assert keys.problem != ""
    assert issuer.asked == ["/keys?tenant=1"] * 2  # nothing was followed
    issuer.answer = lambda handler: handler.send(key_set("ES256"))
    keys.fetch(NOW)
    assert keys.problem == ""


def test_a_dripping_tls_issuer_is_cut_too(tls_issuer, tmp_path):
    tls_issuer.answer = drip
    keys = UrlKeys(published_at(tls_issuer.url, authority=server_files(tmp_path / "issuer").authority, seconds=0.5))
    began = time.perf_counter()
    assert reason(keys.fetch, NOW) == "PROVIDER_UNREACHABLE"
    assert time.perf_counter() - began < 3


def test_keys_are_confirmed_every_ten_minutes_and_dropped_after_a_day_without(issuer):
    keys = UrlKeys(published_at(issuer.url))
    keys.fetch(NOW)
    keys.poll(NOW + 599 * SECOND)
    assert len(issuer.asked) == 1
    keys.poll(NOW + 600 * SECOND)
    keys.join(5)
    assert len(issuer.asked) == 2
    confirmed = NOW + 600 * SECOND
    issuer.answer = lambda handler: handler.send(b"", 503)
    keys.poll(confirmed + DROP_AFTER - 1)
    keys.join(5)
    assert set(keys.ring.keys) == {"EdDSA"}
    keys.poll(confirmed + DROP_AFTER)
    assert keys.ring.keys == {}
    issuer.answer = lambda handler: handler.send(key_set("EdDSA"))
    keys.poll(confirmed + DROP_AFTER + 60 * SECOND)
    keys.join(5)
    assert set(keys.ring.keys) == {"EdDSA"}


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/keys",
        "http://10.0.0.1/keys",
        "ftp://127.0.0.1/",
        "https://",
        "https://user:secret@id.example.com/",
        "https://id.example.com:x/",
        "http://127.0.0.1.example.com/",
        "https://id.example.com/\n",
        "http://[::1",
    ],
)
def test_p10_only_https_or_loopback_is_taken(url):
    assert reason(published_at, url) == "PROVIDER_URL"


def test_an_issuer_that_is_away_does_not_hinder_the_start(issuer):
    issuer.answer = lambda handler: handler.send(b"", 503)
    keys = key_source(issuer.url, now=NOW)
    assert isinstance(keys, UrlKeys)
    assert keys.ring.keys == {}
    verifier = JwtVerifier(keys, issuer=ISSUER, types=EMPLOYEE_TYPES)
    assert reason(verifier.verify, sign(), NOW) == "KEY_UNKNOWN"
    issuer.answer = lambda handler: handler.send(key_set("EdDSA"))
    reason(verifier.verify, sign(), NOW + 60 * SECOND)
    keys.join(5)
    assert verifier.verify(sign(), NOW + 60 * SECOND).subject == "cs.kim"


def test_p10_what_is_no_key_set_hinders_the_start(issuer, tmp_path):
    issuer.answer = lambda handler: handler.send(b"<html>")
    assert reason(key_source, issuer.url, now=NOW) == "KEY_SET_INVALID"
    assert reason(key_source, str(tmp_path / "missing.json")) == "KEY_SET_UNREADABLE"
    assert reason(published_at, "https://127.0.0.1/", authority=tmp_path / "missing.pem") == "PROVIDER_AUTHORITY"


def test_a_closed_port_is_unavailable(issuer):
    url = issuer.url
    issuer.shutdown()
    issuer.server_close()
    with pytest.raises(Unavailable):
        UrlKeys(published_at(url)).fetch(NOW)


def test_a_file_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(key_set("EdDSA"))
    path.chmod(0o600)
    keys = FileKeys(path)
    verifier = JwtVerifier(keys, issuer=ISSUER, types=EMPLOYEE_TYPES)
    assert verifier.verify(sign(), NOW).key_id == "EdDSA"
    path.write_bytes(key_set("ES256"))
    assert reason(verifier.verify, sign(algorithm="ES256"), NOW) == "KEY_UNKNOWN"  # looked a moment ago
    assert verifier.verify(sign(algorithm="ES256"), NOW + SECOND).key_id == "ES256"
    assert reason(verifier.verify, sign(), NOW + SECOND) == "KEY_UNKNOWN"


def test_a_timer_finds_a_withdrawn_key_without_a_new_token(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(key_set("EdDSA"))
    path.chmod(0o600)
    verifier = JwtVerifier(FileKeys(path), issuer=ISSUER, types=EMPLOYEE_TYPES)
    verifier.verify(sign(), NOW)
    path.write_bytes(key_set("ES256"))
    verifier.poll(NOW + SECOND)
    assert reason(verifier.verify, sign(), NOW + SECOND) == "KEY_UNKNOWN"


def test_a_broken_file_keeps_the_last_good_keys_and_is_told(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(key_set("EdDSA"))
    path.chmod(0o600)
    keys = FileKeys(path)
    ring, now = keys.ring, NOW
    for damage in (lambda: path.write_bytes(b"{"), lambda: path.chmod(0o666), path.unlink):
        damage()
        now += SECOND
        keys.poll(now)
        assert keys.ring is ring
        assert keys.problem != ""
    path.write_bytes(key_set("ES256"))
    path.chmod(0o600)
    keys.poll(now + SECOND)
    assert keys.problem == ""
    assert set(keys.ring.keys) == {"ES256"}


def test_p10_a_key_set_that_others_can_write_is_refused(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(key_set())
    path.chmod(0o662)
    assert reason(FileKeys, path) == "KEY_SET_EXPOSED"
