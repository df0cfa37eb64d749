"""A tool shows its certificate, and talks to nobody whose certificate its authority did not sign."""

from __future__ import annotations

import datetime as dt
import ipaddress
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from doubles.wire import Wire
from munjigi_client import TLS, Client, Unavailable
from munjigi_client._proto.munjigi.v1 import decision_service_pb2_grpc as rpc

ASK = {"purpose": "inquiry", "member_ids": ["1000001"]}
NOW = dt.datetime.now(dt.UTC)


class Authority:
    """A certificate authority of one test."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
        self.certificate = self._sign(self.name, self.key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        folder.mkdir()
        (folder / "ca.pem").write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *names: x509.GeneralName) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), x509.SubjectAlternativeName(names))
        encoding = serialization.Encoding.PEM
        pem = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / f"{name}.key").write_bytes(pem)
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(encoding))
        return pem, certificate.public_bytes(encoding)

    def _sign(self, subject, public_key, extension) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
        builder = builder.not_valid_before(NOW - dt.timedelta(hours=1)).not_valid_after(NOW + dt.timedelta(hours=1))
        return builder.sign(self.key, hashes.SHA256())


def test_mutual_tls_and_its_refusals(tmp_path) -> None:
    ours, foreign = Authority(tmp_path / "ours"), Authority(tmp_path / "foreign")
    pair = ours.issue("server", x509.DNSName("gateway.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    uri = "spiffe://munjigi.local/tool/crm-desk"
    for authority in (ours, foreign):
        authority.issue("tool", x509.UniformResourceIdentifier(uri))
    seen = []
    wire = Wire()
    answer = wire.on_check
    wire.on_check = lambda request, context: (seen.extend(context.peer_identities() or ()), answer(request, context))[1]
    server = grpc.server(ThreadPoolExecutor(2))
    rpc.add_DecisionServiceServicer_to_server(wire, server)
    root = (tmp_path / "ours" / "ca.pem").read_bytes()
    credentials = grpc.ssl_server_credentials([pair], root_certificates=root, require_client_auth=True)
    target = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    server.start()

    def files(authority: str, tool: str, name: str = "") -> TLS:
        folder = tmp_path / tool
        return TLS(tmp_path / authority / "ca.pem", folder / "tool.pem", folder / "tool.key", name)

    try:
        for name in ("", "gateway.test"):
            with Client(target, tls=files("ours", "ours", name), timeout=5) as client:
                assert client.check("crm.member", **ASK).allowed
        assert uri.encode() in seen
        refused = (files("foreign", "ours"), files("ours", "foreign"), files("ours", "ours", "other.test"))
        for tls in (*refused, TLS(tmp_path / "ours" / "ca.pem")):
            with Client(target, tls=tls, timeout=2) as client, pytest.raises(Unavailable):
                client.check("crm.member", **ASK)
        assert len(wire.checks) == 2
    finally:
        server.stop(0).wait()
