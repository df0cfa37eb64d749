"""A client certificate names its tool by its URIs, and by nothing else in it.

TLS has verified the certificate before it is read here. The URIs are taken from the certificate itself, because
gRPC's list of alternative names mixes DNS names and URIs without saying which is which.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509


@lru_cache(maxsize=4096)
def certificate_uris(pem: bytes) -> tuple[str, ...]:
    """Return the URIs among the alternative names of a PEM certificate; none when it has none or is not one."""
    try:
        names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return tuple(names.value.get_values_for_type(x509.UniformResourceIdentifier))
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()
