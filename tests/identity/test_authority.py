"""The local certificate authority, tried on a real gRPC server with TLS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from identity.kit import reason

from munjigi.adapters.identity.authority import add_tool, certificate_uris, init_tls, server_files, tool_files, tool_uri
from munjigi.kernel.clock import SystemClock

NOW = SystemClock().now()  # TLS compares with the machine's clock


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    init_tls(folder, ["crm-desk", "fraud-console"], now=NOW)
    return folder


@contextmanager
def serving(state):
    """Run a server that requires client certificates and answers with their URIs."""

    def answer(request, context):
        return "|".join(certificate_uris(context.auth_context()["x509_pem_cert"][0])).encode()

    files = server_files(state)
    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.method_handlers_generic_handler("t.T", {"Who": grpc.unary_unary_rpc_method_handler(answer)})
    server.add_generic_rpc_handlers((handler,))
    pair = (files.key.read_bytes(), files.certificate.read_bytes())
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([pair], files.authority.read_bytes(), require_client_auth=True)
    )
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait(5)


def ask(port, trusted, files=None, host="127.0.0.1"):
    pair = (files.key.read_bytes(), files.certificate.read_bytes()) if files else (None, None)
    with grpc.secure_channel(f"{host}:{port}", grpc.ssl_channel_credentials(trusted.read_bytes(), *pair)) as channel:
        return channel.unary_unary("/t.T/Who")(b"", timeout=5).decode()


def test_a_tool_with_a_certificate_is_named_by_its_uri(state):
    with serving(state) as port:
        files = tool_files(state, "crm-desk")
        assert ask(port, files.authority, files) == tool_uri("crm-desk") == "spiffe://munjigi.local/tool/crm-desk"
        assert ask(port, files.authority, files, host="localhost") == tool_uri("crm-desk")


def test_p3_a_certificate_of_another_authority_is_refused(state, tmp_path):
    init_tls(tmp_path, ["crm-desk"], now=NOW)
    with serving(state) as port:
        trusted = server_files(state).authority
        for files in (tool_files(tmp_path, "crm-desk"), None, server_files(state)):
            with pytest.raises(grpc.RpcError) as caught:
                ask(port, trusted, files)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.RpcError):
            ask(port, server_files(tmp_path).authority, tool_files(state, "crm-desk"))


def test_the_files_are_for_their_owner_only(state):
    assert (state / "tls").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (state / "tls").iterdir()} == {0o600}
    assert sorted(path.name for path in (state / "tls").iterdir()) == [
        "ca.crt",
        "ca.key",
        "server.crt",
        "server.key",
        "tool-crm-desk.crt",
        "tool-crm-desk.key",
        "tool-fraud-console.crt",
        "tool-fraud-console.key",
    ]
    assert [path.name for path in state.iterdir()] == ["tls"]


def test_nothing_is_written_over(state, tmp_path):
    before = (state / "tls" / "ca.key").read_bytes()
    assert reason(init_tls, state, [], now=NOW) == "TLS_EXISTS"
    assert (state / "tls" / "ca.key").read_bytes() == before
    assert reason(add_tool, state, "crm-desk", now=NOW) == "TLS_EXISTS"
    (tmp_path / "tls").mkdir()
    assert reason(init_tls, tmp_path, [], now=NOW) == "TLS_EXISTS"


def test_one_more_tool_is_signed_by_the_same_authority(state, tmp_path):
    init_tls(tmp_path, [], now=NOW)
    files = add_tool(tmp_path, "campaign-tool", now=NOW)
    with serving(tmp_path) as port:
        assert ask(port, files.authority, files) == tool_uri("campaign-tool")


def test_the_authority_signs_no_further_authority_and_lives_five_years(state):
    authority = x509.load_pem_x509_certificate(server_files(state).authority.read_bytes())
    server = x509.load_pem_x509_certificate(server_files(state).certificate.read_bytes())
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        ca=True, path_length=0
    )
    assert not server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (authority.not_valid_after_utc - authority.not_valid_before_utc).days == 5 * 365
    assert (server.not_valid_after_utc - server.not_valid_before_utc).days == 397
    server.verify_directly_issued_by(authority)


def test_a_host_name_is_added(tmp_path):
    files = init_tls(tmp_path, [], now=NOW, hostname="gateway.example.com")
    names = x509.load_pem_x509_certificate(files.certificate.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost", "gateway.example.com"]
    assert [str(address) for address in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert certificate_uris(files.certificate.read_bytes()) == ()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "x" * 65, "김"])
def test_bad_names_make_nothing(tmp_path, name):
    assert reason(init_tls, tmp_path, ["crm-desk", name], now=NOW) == "TLS_TOOL_NAME"
    assert list(tmp_path.iterdir()) == []
    assert reason(add_tool, tmp_path, name, now=NOW) == "TLS_TOOL_NAME"


def test_a_failed_attempt_leaves_nothing(tmp_path):
    assert reason(init_tls, tmp_path, ["crm-desk"], now=NOW, hostname="문지기") == "TLS_HOSTNAME"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    assert reason(init_tls, tmp_path / "file", [], now=NOW) == "TLS_UNWRITABLE"


def test_without_an_authority_no_tool_is_added(tmp_path):
    assert reason(add_tool, tmp_path, "crm-desk", now=NOW) == "KEY_FILE_MISSING"
    init_tls(tmp_path, [], now=NOW)
    (tmp_path / "tls" / "ca.key").write_bytes(b"no key")
    assert reason(add_tool, tmp_path, "crm-desk", now=NOW) == "TLS_AUTHORITY_INVALID"


@given(st.binary(max_size=300))
def test_fuzz_what_is_no_certificate_names_nothing(data):
    assert certificate_uris(data) == ()
    assert certificate_uris(b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n") == ()
