"""How a tool proves itself: by certificate over mutual TLS, or by a proxy's word on a socket that only it reaches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from e2e_asking import question, reason_of
from running import Daemon, Stubs, free_port, serving

from munjigi.adapters.identity.authority import TlsFiles, init_tls, server_files, tool_files, tool_uri
from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    state_dir = tmp_path_factory.mktemp("tls") / "var"
    state_dir.mkdir(mode=0o700)
    init_tls(state_dir, ["crm-desk", "munjigi-cli", "shadow-it"], now=time.time_ns())
    files = server_files(state_dir)
    daemon = Daemon(
        state_dir,
        MUNJIGI_TLS_CERTIFICATE=str(files.certificate),
        MUNJIGI_TLS_KEY=str(files.key),
        MUNJIGI_TLS_CLIENT_AUTHORITY=str(files.authority),
    )
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.stop() == 0


def channel(daemon: Daemon, server_authority: Path, client: TlsFiles | None) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(
        server_authority.read_bytes(),
        client.key.read_bytes() if client else None,
        client.certificate.read_bytes() if client else None,
    )
    return grpc.secure_channel(daemon.grpc_address, credentials)


def ask(over: grpc.Channel, *metadata: tuple[str, str]) -> pb.CheckResponse:
    with over:
        return Stubs(over).decision.Check(question(), metadata=metadata, timeout=30)


def bearer(daemon: Daemon, tool: str = "crm-desk") -> tuple[str, str]:
    return "authorization", f"Bearer {mint_employee(daemon.state_dir, 'cs.kim', tool)}"


def test_a_certificate_names_the_tool(tls: Daemon) -> None:
    desk = tool_files(tls.state_dir, "crm-desk")
    assert ask(channel(tls, desk.authority, desk), bearer(tls)).decision == pb.DECISION_ALLOW


def test_a_stolen_employee_token_is_useless_to_another_tool(tls: Daemon) -> None:
    cli = tool_files(tls.state_dir, "munjigi-cli")
    with pytest.raises(grpc.RpcError) as refused:
        ask(channel(tls, cli.authority, cli), bearer(tls, "crm-desk"))
    assert reason_of(refused.value) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_OTHER_TOOL")


def test_an_unlisted_tool_is_refused_whatever_its_certificate(tls: Daemon) -> None:
    shadow = tool_files(tls.state_dir, "shadow-it")
    with pytest.raises(grpc.RpcError) as refused:
        ask(channel(tls, shadow.authority, shadow), bearer(tls, "shadow-it"))
    assert reason_of(refused.value) == (grpc.StatusCode.UNAUTHENTICATED, "TOOL_UNKNOWN")


def test_certificate_and_tool_token_must_agree(tls: Daemon) -> None:
    desk = tool_files(tls.state_dir, "crm-desk")
    other = ("munjigi-tool-token", mint_tool(tls.state_dir, "munjigi-cli"))
    with pytest.raises(grpc.RpcError) as refused:
        ask(channel(tls, desk.authority, desk), bearer(tls), other)
    assert reason_of(refused.value) == (grpc.StatusCode.UNAUTHENTICATED, "TOOL_MISMATCH")


def test_a_certificate_of_another_authority_or_none_does_not_connect(tls: Daemon, tmp_path: Path) -> None:
    init_tls(tmp_path, ["crm-desk"], now=time.time_ns())
    ours = server_files(tls.state_dir).authority
    for client in (tool_files(tmp_path, "crm-desk"), None):
        with pytest.raises(grpc.RpcError) as refused:
            ask(channel(tls, ours, client), bearer(tls))
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_a_forwarded_certificate_is_refused_where_tls_ends_here(tls: Daemon) -> None:
    desk = tool_files(tls.state_dir, "crm-desk")
    with pytest.raises(grpc.RpcError) as refused:
        ask(channel(tls, desk.authority, desk), bearer(tls), ("x-forwarded-client-cert", f"URI={tool_uri('crm-desk')}"))
    assert reason_of(refused.value) == (grpc.StatusCode.UNAUTHENTICATED, "XFCC_NOT_TRUSTED")


def test_the_native_front_is_refused_with_tls(tls: Daemon, tmp_path: Path) -> None:
    environment = {name: value for name, value in tls.environment.items() if "TLS" in name}
    native = Daemon(tmp_path / "var", MUNJIGI_FRONT="native", **environment)
    native.launch()
    native.wait_for("MUNJIGI_FRONT=grpcio")
    assert native.process is not None
    assert native.process.wait(10) == 1


def test_streams_beside_a_native_front_have_a_listener_with_tls(tmp_path: Path) -> None:
    state_dir = tmp_path / "var"
    state_dir.mkdir(mode=0o700)
    init_tls(state_dir, ["crm-desk"], now=time.time_ns())
    files, desk = server_files(state_dir), tool_files(state_dir, "crm-desk")
    address = f"127.0.0.1:{free_port()}"
    tls = {
        "MUNJIGI_TLS_CERTIFICATE": str(files.certificate),
        "MUNJIGI_TLS_KEY": str(files.key),
        "MUNJIGI_TLS_CLIENT_AUTHORITY": str(files.authority),
    }
    with serving(state_dir, MUNJIGI_FRONT="native", MUNJIGI_STREAM_ADDRESS=address, **tls) as daemon:
        credentials = grpc.ssl_channel_credentials(
            desk.authority.read_bytes(), desk.key.read_bytes(), desk.certificate.read_bytes()
        )
        message = pb.CheckStreamRequest(id="1", check=question())
        with grpc.secure_channel(address, credentials) as over:
            call = Stubs(over).decision.CheckStream(iter([message]), metadata=(bearer(daemon),), timeout=30)
            assert next(call).response.decision == pb.DECISION_ALLOW
            with pytest.raises(grpc.RpcError) as refused:  # everything else is the native front's
                Stubs(over).decision.Check(question(), metadata=(bearer(daemon),), timeout=30)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
        with daemon.channel() as over:  # the same call by the native front, without the certificate
            with pytest.raises(grpc.RpcError) as refused:
                next(Stubs(over).decision.CheckStream(iter([message]), metadata=(bearer(daemon),), timeout=30))
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert ask(daemon.channel(), *daemon.credentials("cs.kim")).decision == pb.DECISION_ALLOW


@pytest.mark.parametrize("given", [{}, {"MUNJIGI_FRONT": "grpcio"}])
def test_a_stream_listener_without_tls_or_native_front_is_refused(tmp_path: Path, given: dict[str, str]) -> None:
    daemon = Daemon(tmp_path / "var", MUNJIGI_STREAM_ADDRESS=f"127.0.0.1:{free_port()}", **given)
    daemon.launch()
    daemon.wait_for("leave it out")
    assert daemon.process is not None
    assert daemon.process.wait(30) == 1


@pytest.fixture(scope="module", params=["native", "grpcio"])
def behind_proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp(f"proxied-{request.param}")
    (folder / "s").mkdir(mode=0o700)
    daemon = Daemon(
        folder / "var",
        MUNJIGI_FRONT=request.param,
        MUNJIGI_GRPC_ADDRESS=f"unix:{folder / 's' / 'g'}",
        MUNJIGI_FORWARDED_CERTIFICATE="true",
    )
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.stop() == 0


def test_behind_a_proxy_exactly_one_element_with_one_uri_names_the_tool(behind_proxy: Daemon) -> None:
    uri = tool_uri("crm-desk")
    good = f'By=spiffe://gateway;Hash={"a" * 64};Subject="CN=desk, O=x";URI={uri}'
    assert ask(behind_proxy.channel(), bearer(behind_proxy), ("x-forwarded-client-cert", good)).decision == pb.DECISION_ALLOW
    for forged, reason in (
        (f"URI={uri},URI={uri}", "XFCC_ELEMENTS"),
        (f"URI={uri};URI={uri}", "XFCC_URI"),
        ("Subject=CN", "XFCC_URI"),
        ("Hash=aa", "XFCC_URI"),
        ("", "XFCC_MALFORMED"),
        ("URI=spiffe://munjigi.local/tool/shadow-it", "TOOL_UNKNOWN"),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            ask(behind_proxy.channel(), bearer(behind_proxy), ("x-forwarded-client-cert", forged))
        assert reason_of(refused.value) == (grpc.StatusCode.UNAUTHENTICATED, reason), forged
    with pytest.raises(grpc.RpcError) as refused:
        ask(behind_proxy.channel(), bearer(behind_proxy))
    assert reason_of(refused.value) == (grpc.StatusCode.UNAUTHENTICATED, "XFCC_MISSING")
    for twice in (("x-forwarded-client-cert", good), ("x-forwarded-client-cert", f"URI={tool_uri('munjigi-cli')}")):
        with pytest.raises(grpc.RpcError) as refused:
            ask(behind_proxy.channel(), bearer(behind_proxy), ("x-forwarded-client-cert", good), twice)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_the_server_behind_the_native_front_has_streams_only_and_a_private_socket(tmp_path: Path) -> None:
    """A call that was handed on arrives from a local socket and would look like a local peer."""
    with serving(tmp_path / "var", MUNJIGI_FRONT="native", TMPDIR=str(tmp_path)):
        (fallback,) = tmp_path.glob("munjigi-*/*.sock")
        assert fallback.parent.stat().st_mode & 0o777 == 0o700
        with grpc.insecure_channel(f"unix:{fallback}") as over, pytest.raises(grpc.RpcError) as refused:
            Stubs(over).decision.Check(
                question(), metadata=[("x-forwarded-client-cert", f"URI={tool_uri('crm-desk')}")], timeout=30
            )
        assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_p10_a_socket_that_others_reach_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(mode=0o755)
    daemon = Daemon(tmp_path / "var", MUNJIGI_GRPC_ADDRESS=f"unix:{tmp_path / 's' / 'g'}", MUNJIGI_FORWARDED_CERTIFICATE="true")
    daemon.launch()
    daemon.wait_for("install -d -m 700")
    assert daemon.process is not None
    assert daemon.process.wait(10) == 1
