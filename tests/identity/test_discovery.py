"""Discovery over real HTTP: only the issuer that was asked is believed, and only what it says in time."""

from __future__ import annotations

import json
import ssl
import time

import pytest
from identity.issuing import Issuer, run
from identity.kit import NOW, key_set, reason

from munjigi.adapters.identity.authority import init_tls, server_files
from munjigi.adapters.identity.discovery import Provider
from munjigi.adapters.identity.jwks import UrlKeys, key_source, published_by
from munjigi.kernel.clock import SECOND, SystemClock

WHERE = "/realms/staff/.well-known/openid-configuration"


def issuer_of(server: Issuer) -> str:
    return f"{server.scheme}://127.0.0.1:{server.server_port}/realms/staff"


def publish(server: Issuer, document: object = None, *, status: int = 200, **changes: object) -> None:
    """Answer with a document (a good one, with changes) and a key set."""
    base = issuer_of(server)
    good = {"issuer": base, "jwks_uri": f"{base}/certs", "token_endpoint": f"{base}/token", "scopes_supported": ["openid"]}
    content = json.dumps({**good, **changes} if document is None else document).encode()

    def answer(handler) -> None:
        if handler.path.startswith(WHERE):
            handler.send(content, status, **({"Location": base} if status in (301, 302, 307, 308) else {}))
        else:
            handler.send(key_set("EdDSA"))

    server.answer = answer


@pytest.fixture
def issuer():
    yield from run(Issuer())


def test_the_key_set_is_found_by_the_issuer_alone(issuer):
    publish(issuer)
    keys = key_source("", issuer=issuer_of(issuer), now=NOW)
    assert set(keys.ring.keys) == {"EdDSA"}
    assert issuer.asked == [WHERE, "/realms/staff/certs"]


def test_a_slash_at_the_end_of_the_issuer_is_part_of_its_name_and_not_of_the_path(issuer):
    base = issuer_of(issuer)
    publish(issuer, issuer=f"{base}/")
    assert Provider(f"{base}/").discover().jwks_uri == f"{base}/certs"
    assert reason(Provider(base).discover) == "DISCOVERY_ISSUER"
    assert issuer.asked == [WHERE, WHERE]


def test_a_key_set_that_moved_is_found_at_the_next_refresh(issuer):
    publish(issuer)
    keys = UrlKeys(published_by(Provider(issuer_of(issuer))))
    keys.fetch(NOW)
    publish(issuer, jwks_uri=f"{issuer_of(issuer)}/moved")
    keys.fetch(NOW + SECOND)
    assert issuer.asked[-1] == "/realms/staff/moved"


BAD = {
    "another issuer": ({"issuer": "https://id.example.com/realms/staff"}, "DISCOVERY_ISSUER"),
    "nearly the issuer": ({"issuer": "HTTP://127.0.0.1/realms/staff"}, "DISCOVERY_ISSUER"),
    "no issuer": ({"document": {"jwks_uri": "http://127.0.0.1/"}}, "DISCOVERY_INVALID"),
    "no key set": ({"document": {"issuer": "x"}}, "DISCOVERY_INVALID"),
    "a list": ({"document": []}, "DISCOVERY_INVALID"),
    "wrong kinds": ({"jwks_uri": 7}, "DISCOVERY_INVALID"),
    "too large": ({"padding": "x" * 300_000}, "DISCOVERY_INVALID"),
    "keys elsewhere over http": ({"jwks_uri": "http://id.example.com/keys"}, "PROVIDER_URL"),
    "keys by another scheme": ({"jwks_uri": "file:///etc/keys"}, "PROVIDER_URL"),
    "keys with a password": ({"jwks_uri": "https://a:b@id.example.com/"}, "PROVIDER_URL"),
    "a redirect": ({"status": 302}, "PROVIDER_UNREACHABLE"),
    "a lasting redirect": ({"status": 308}, "PROVIDER_UNREACHABLE"),
    "an error": ({"status": 500}, "PROVIDER_UNREACHABLE"),
}


@pytest.mark.parametrize("case", BAD)
def test_p3_a_bad_document_is_not_believed_and_the_keys_stay(issuer, case):
    publish(issuer)
    provider = Provider(issuer_of(issuer), seconds=2)
    keys = UrlKeys(published_by(provider))
    keys.fetch(NOW)
    ring = keys.ring
    changes, expected = BAD[case]
    publish(issuer, **changes)
    assert reason(keys.fetch, NOW + SECOND) == expected
    assert keys.ring is ring
    assert keys.problem


def test_a_silent_provider_is_given_up_in_time(issuer):
    issuer.answer = lambda handler: handler.server.release.wait(10)
    began = time.perf_counter()
    assert reason(Provider(issuer_of(issuer), seconds=0.3).discover) == "PROVIDER_UNREACHABLE"
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize(
    "issuer_name",
    [
        "http://id.example.com/",
        "id.example.com",
        "https://user:secret@id.example.com",
        "https://id.example.com/?a=b",
        "https://id.example.com/#a",
        "",
    ],
)
def test_p10_an_issuer_that_is_no_safe_address_is_refused(issuer_name):
    assert reason(Provider, issuer_name) == "PROVIDER_URL"


def test_an_https_issuer_cant_send_us_to_http(tmp_path):
    files = init_tls(tmp_path / "issuer", [], now=SystemClock().now())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    for server in run(Issuer(context)):
        provider = Provider(issuer_of(server), authority=server_files(tmp_path / "issuer").authority)
        publish(server, jwks_uri="http://127.0.0.1/certs")
        assert reason(provider.discover) == "PROVIDER_URL"
        publish(server)
        assert provider.discover().issuer == provider.issuer
        assert reason(Provider(issuer_of(server)).discover) == "PROVIDER_UNREACHABLE"  # not one of the system's authorities
