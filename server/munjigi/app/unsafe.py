"""Which settings are refused together, each with the fix (promise P10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from munjigi.adapters.notices.addresses import is_address, makes_addresses
from munjigi.adapters.state.address import Address
from munjigi.app.addresses import is_local, safe_url, safe_webhook, split_address
from munjigi.audit.law import law
from munjigi.kernel.errors import ConfigurationError
from munjigi.kernel.identity import DIRECTORY_ISSUER, EMBEDDED_ISSUER

if TYPE_CHECKING:
    from munjigi.app.config import Settings


def refuse_unsafe(settings: Settings) -> None:
    """Refuse combinations that would serve without protection.

    Raises `ConfigurationError`.
    """
    embedded = settings.identity == "embedded"
    local = is_local(settings.grpc_address)
    kept = law().rule("access", settings.retention_profile)
    archive = settings.archive_dir
    state = Address(settings.state_url, settings.state_authority).problem() if settings.state_url else None
    for unsafe, problem, fix in (
        (
            embedded and not local,
            "grpc_address is not loopback, and the embedded identity is for loopback only",
            "set MUNJIGI_IDENTITY=oidc with TLS, or a loopback address",
        ),
        (
            not settings.disk_watch_percent < settings.disk_degraded_percent < settings.disk_full_percent,
            "the disk's watermarks do not rise",
            "set MUNJIGI_DISK_WATCH_PERCENT < MUNJIGI_DISK_DEGRADED_PERCENT < MUNJIGI_DISK_FULL_PERCENT",
        ),
        (
            0 < settings.retention_years < kept.years,
            f"retention_years is below what the law asks for: {kept.asks} ({kept.article}, in force from {kept.in_force_from})",
            f"set MUNJIGI_RETENTION_YEARS to {kept.years} or more, or to 0 to keep everything",
        ),
        (
            archive is not None and not archive.is_dir(),
            "the folder that archive_dir names does not exist",
            "mount or make it, or leave MUNJIGI_ARCHIVE_DIR out",
        ),
        (
            archive is not None and archive.resolve().is_relative_to(settings.state_dir.resolve()),
            "archive_dir lies in the state folder, and would be lost with it",
            "set MUNJIGI_ARCHIVE_DIR to a folder on another disk",
        ),
        (state is not None, *(state or ("", ""))),
        (
            not settings.tls and not local,
            "grpc_address is not loopback and there is no TLS",
            "set MUNJIGI_TLS_CERTIFICATE, MUNJIGI_TLS_KEY and MUNJIGI_TLS_CLIENT_AUTHORITY",
        ),
        (
            settings.http_address.startswith("unix:") or (not is_local(settings.http_address) and not settings.metrics_networks),
            "http_address is not a loopback address",
            "let Prometheus scrape through a proxy with TLS, run its agent on this host, or set MUNJIGI_METRICS_NETWORKS",
        ),
        (
            any(network.prefixlen == 0 for network in settings.metrics_networks),
            "metrics_networks lets everybody read /metrics",
            "name the networks that Prometheus scrapes from",
        ),
        (
            bool(settings.scim_address) and (settings.scim_address.startswith("unix:") or not is_local(settings.scim_address)),
            "scim_address is not a loopback address",
            "put a proxy with TLS before it, and name that to the identity provider",
        ),
        (
            settings.tls_certificate is not None and (settings.tls_key is None or settings.tls_client_authority is None),
            "tls_certificate is set without tls_key and tls_client_authority",
            "set all three",
        ),
        (
            settings.tls and settings.front == "native",
            "the native front has no TLS",
            "set MUNJIGI_FRONT=grpcio, or put a proxy before a Unix socket",
        ),
        (
            bool(settings.stream_address) and (settings.tls_certificate is None or settings.front == "grpcio"),
            "stream_address is for TLS beside a native front",
            "set the three MUNJIGI_TLS_ settings; without a native front, leave it out: streams run on grpc_address",
        ),
        (
            settings.forwarded_certificate and (not settings.unix_socket or settings.tls),
            "forwarded_certificate needs a Unix socket that only the proxy reaches",
            "set MUNJIGI_GRPC_ADDRESS=unix:/run/munjigi/gateway.sock",
        ),
        (
            not embedded and not settings.oidc_issuer,
            "identity = oidc needs to know the provider",
            "set MUNJIGI_OIDC_ISSUER",
        ),
        (
            bool(settings.oidc_logout_address) and (embedded or not is_local(settings.oidc_logout_address)),
            "oidc_logout_address is for a provider, and not a loopback address without TLS",
            "set MUNJIGI_IDENTITY=oidc, and let the provider's calls come through a proxy with TLS",
        ),
        (
            not embedded and settings.oidc_issuer in (EMBEDDED_ISSUER, DIRECTORY_ISSUER),
            "oidc_issuer is the embedded issuer's name, or the directory's",
            "set the provider's",
        ),
        (
            not all(safe_url(url) for url in settings.elasticsearch_urls),
            "an address of elasticsearch_urls is neither https nor loopback",
            "give the cluster a certificate and name its authority in MUNJIGI_ELASTICSEARCH_AUTHORITY",
        ),
        *((True, problem, fix) for problem, fix in unsafe_notices(settings)),
        (
            settings.audit_search == "elasticsearch" and not settings.elasticsearch_urls,
            "audit_search = elasticsearch needs a cluster",
            "set MUNJIGI_ELASTICSEARCH_URLS",
        ),
        (
            not embedded and not settings.tls and not settings.forwarded_certificate,
            "identity = oidc needs tools with certificates",
            "set the three MUNJIGI_TLS_ settings, or MUNJIGI_FORWARDED_CERTIFICATE behind a proxy",
        ),
    ):
        if unsafe:
            raise ConfigurationError("SETTING_UNSAFE", f"Refusing to start: {problem}; {fix}.")


def unsafe_notices(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with how notices leave the house, each with its fix."""
    webhook, relay = settings.notice_webhook, settings.notice_smtp
    if webhook and not safe_webhook(webhook):
        yield (
            "notice_webhook is neither https nor loopback",
            "give the receiver a certificate and name its authority in MUNJIGI_NOTICE_AUTHORITY",
        )
    if webhook and settings.notice_webhook_secret is None:
        yield "notice_webhook has no secret, so that anybody could send notices in our name", "set MUNJIGI_NOTICE_WEBHOOK_SECRET"
    if relay and settings.notice_smtp_security == "plain" and not is_local(relay):
        yield (
            "notice_smtp is not loopback, and mail would go there in plain text",
            "set MUNJIGI_NOTICE_SMTP_SECURITY=starttls or tls",
        )
    if relay:
        split_address(relay)
        if not makes_addresses(settings.notice_address):
            yield "notice_address makes no addresses of accounts", "set MUNJIGI_NOTICE_ADDRESS={subject}@your.domain"
        if not is_address(settings.notice_sender):
            yield "mail needs an address that it comes from", "set MUNJIGI_NOTICE_SENDER=munjigi@your.domain"
    if any(not 0 < days <= 365 for days in settings.notice_days_before):
        yield "a number of notice_days_before is none of days ahead", "give numbers from 1 to 365"
