"""A local certificate authority, so that mTLS can be tried on one machine (`munjigi init --tls`).

The whole folder appears at once or not at all, and is never written over. ECDSA P-256; the authority lives
five years, what it signs 397 days. Not for production: its key lies unencrypted beside what it signs.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from munjigi.adapters.secrets import create_once, read_secret, sync_folder
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ConfigurationError
from munjigi.kernel.ids import ID

AUTHORITY_DAYS: Final = 5 * 365
LEAF_DAYS: Final = 397
_BACKDATED: Final = timedelta(minutes=5)  # for a peer whose clock is behind


class TlsFiles(NamedTuple):
    """Where the certificate of one party, its key, and the authority's certificate lie (PEM)."""

    certificate: Path
    key: Path
    authority: Path


def tool_uri(name: str) -> str:
    """Return the URI that names a tool in its certificate, the `certificate_uri` of tools.toml."""
    return f"spiffe://munjigi.local/tool/{name}"


def server_files(state_dir: Path) -> TlsFiles:
    """Return where the server's files lie."""
    return _files(state_dir / "tls", "server")


def tool_files(state_dir: Path, name: str) -> TlsFiles:
    """Return where a tool's files lie."""
    return _files(state_dir / "tls", f"tool-{name}")


def init_tls(state_dir: Path, tools: Iterable[str], *, now: int, hostname: str = "") -> TlsFiles:
    """Make the authority, the server's certificate (loopback names and `hostname`), and one for each tool.

    `now` is UTC nanoseconds. Returns the server's files.
    Raises `ConfigurationError` when the folder exists, cannot be written, or a name is not acceptable.
    """
    folder, names = state_dir / "tls", tuple(dict.fromkeys(tools))
    _refuse_names(names)
    if os.path.lexists(folder):
        raise _exists(folder)
    draft = state_dir / f".tls.{secrets.token_hex(8)}"
    try:
        draft.mkdir(mode=0o700, parents=True)
        authority = _Authority.make(now)
        create_once(draft / "ca.key", _pem(authority.key))
        create_once(draft / "ca.crt", authority.certificate.public_bytes(Encoding.PEM))
        _write(draft, "server", *authority.issue("munjigi", _server_names(hostname), ExtendedKeyUsageOID.SERVER_AUTH, now))
        for name in names:
            _write_tool(draft, authority, name, now)
        # An empty folder would be replaced by rename; it was refused above, and nobody else makes one here.
        draft.rename(folder)
        sync_folder(state_dir)
    except OSError as error:
        raise ConfigurationError(
            "TLS_UNWRITABLE", f"{folder} cannot be made ({error.strerror}); make the state folder writable for this user."
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return server_files(state_dir)


def add_tool(state_dir: Path, name: str, *, now: int) -> TlsFiles:
    """Make a certificate for one more tool, by the authority that `init_tls` made.

    Raises `ConfigurationError` when there is no authority, the tool has a certificate, or the name is not acceptable.
    """
    _refuse_names((name,))
    files = tool_files(state_dir, name)
    if os.path.lexists(files.key) or os.path.lexists(files.certificate):
        raise _exists(files.key)
    _write_tool(state_dir / "tls", _Authority.load(state_dir / "tls"), name, now)
    return files


# The URIs are taken from the certificate itself: gRPC's list of alternative names mixes DNS names and URIs
# without saying which is which.
@lru_cache(maxsize=4096)
def certificate_uris(pem: bytes) -> tuple[str, ...]:
    """Return the URIs among the alternative names of a PEM certificate that TLS has verified; none if it has none."""
    try:
        names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return tuple(names.value.get_values_for_type(x509.UniformResourceIdentifier))
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()


class _Authority:
    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.key = key
        self.certificate = certificate

    @classmethod
    def make(cls, now: int) -> _Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Munjigi local authority")
        builder = (
            _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        return cls(key, builder.sign(key, SHA256()))

    @classmethod
    def load(cls, folder: Path) -> _Authority:
        try:
            key = load_pem_private_key(read_secret(folder / "ca.key"), password=None)
            certificate = x509.load_pem_x509_certificate(read_secret(folder / "ca.crt"))
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigurationError(
                "TLS_AUTHORITY_INVALID", f"{folder} does not hold the local authority; remove it and run `munjigi init --tls`."
            )
        return cls(key, certificate)

    def issue(
        self, title: str, names: Sequence[x509.GeneralName], usage: x509.ObjectIdentifier, now: int
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_name(title), self.certificate.subject, key.public_key(), now, LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        return key, builder.sign(self.key, SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: int, days: int
) -> x509.CertificateBuilder:
    start = datetime.fromtimestamp(now // SECOND, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _BACKDATED)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _server_names(hostname: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    names += [x509.IPAddress(ip_address(address)) for address in ("127.0.0.1", "::1")]
    if hostname and hostname != "localhost":
        try:
            names.append(x509.DNSName(hostname))
        except ValueError:
            raise ConfigurationError(
                "TLS_HOSTNAME", "The host name must be ASCII; write an international one in its xn-- form."
            ) from None
    return names


def _refuse_names(names: Sequence[str]) -> None:
    if not all(ID.match(name) for name in names):
        raise ConfigurationError("TLS_TOOL_NAME", "A tool's name has 1 to 64 characters of A-Z a-z 0-9 . _ -.")


def _write_tool(folder: Path, authority: _Authority, name: str, now: int) -> None:
    uri = x509.UniformResourceIdentifier(tool_uri(name))
    _write(folder, f"tool-{name}", *authority.issue(name, [uri], ExtendedKeyUsageOID.CLIENT_AUTH, now))


def _write(folder: Path, stem: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    create_once(folder / f"{stem}.key", _pem(key))
    create_once(folder / f"{stem}.crt", certificate.public_bytes(Encoding.PEM))


def _files(folder: Path, stem: str) -> TlsFiles:
    return TlsFiles(folder / f"{stem}.crt", folder / f"{stem}.key", folder / "ca.crt")


def _name(title: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _exists(path: Path) -> ConfigurationError:
    return ConfigurationError("TLS_EXISTS", f"{path} exists and is not written over; move it away first.")
