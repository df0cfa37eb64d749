"""Every setting, and where it comes from; `unsafe.py` says which of them don't go together (promise P10).

Options of `munjigi serve` win over environment variables (`MUNJIGI_...`), those over the TOML file named
by `--config` or `MUNJIGI_CONFIG`, those over the defaults, which are the embedded installation.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from munjigi.app.files import packaged_policies
from munjigi.app.setting import Networks, Setting, plain, read_text, read_value, setting, settings_of
from munjigi.app.unsafe import refuse_unsafe
from munjigi.kernel.errors import ConfigurationError
from munjigi.kernel.identity import EMBEDDED_ISSUER

PREFIX: Final = "MUNJIGI_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The daemon's settings."""

    state_dir: Path = setting(Path("var"), description="State folder: keys, journals, state, index. Made with mode 0700.")
    state_url: str = setting(
        "",
        description="PostgreSQL database with the state (people, grants, requests): `postgresql://USER@HOST:PORT/DATABASE`, without "
        "the password. Default: a file of the state folder.",
    )
    state_authority: Path | None = setting(
        None, description="Authority of that database's certificate (PEM), and the only one trusted. Needed beyond this machine."
    )
    state_password_file: Path | None = setting(
        None,
        description="File (mode 0600) with the password of `state_url`; read anew for each connection. "
        "Default: the variable MUNJIGI_STATE_PASSWORD.",
    )
    policy_home: Path | None = setting(
        None, description="Folder with the policy files. Default: `./policies` where there is one, else the packaged sample."
    )
    policy_source: Literal["files", "git"] = setting(
        "files", description="`git` loads only a clean committed revision of a work tree; use it in production."
    )
    policy_watch_seconds: float = setting(
        1.0, ge=0, le=3600, description="How often the policy home is looked at; 0 reloads only on request. Seconds."
    )
    grpc_address: str = setting("127.0.0.1:7443", description="gRPC listener: `host:port`, or `unix:/path` for the native front.")
    stream_address: str = setting(
        "",
        description="Listener of CheckStream with TLS, beside a native front behind a proxy: `host:port`. The `tls_` settings are its.",
    )
    http_address: str = setting("127.0.0.1:9464", description="HTTP listener of /metrics, /healthz and /readyz: `host:port`.")
    metrics_networks: Networks = setting(
        Networks(),
        description="Networks that may read /metrics, by the address that connects: a list such as `['10.0.5.0/24']`, in the variable a JSON "
        "list. This machine always may. With any, `http_address` may be another than loopback; it has no TLS.",
    )
    workers: int = setting(
        1,
        ge=1,
        le=64,
        description="Gateway workers, each with a journal of its own. They share the TCP ports; on a Unix socket each further one has "
        "its own, `.1`, `.2` and so on added to the name.",
    )
    front: Literal["auto", "native", "grpcio"] = setting(
        "auto", description="gRPC server. `auto`: native without TLS where its wheel exists, else grpcio."
    )
    forwarded_certificate: bool = setting(
        False,
        description="Trust `x-forwarded-client-cert` on the gRPC listener, then a Unix socket that only a proxy reaches.",
    )
    tls_certificate: Path | None = setting(
        None, description="Server certificate chain (PEM). Turns TLS with client certificates on."
    )
    tls_key: Path | None = setting(None, description="Server key (PEM, mode 0600).")
    tls_client_authority: Path | None = setting(None, description="Authority of the tools' client certificates (PEM).")
    identity: Literal["embedded", "oidc"] = setting(
        "embedded", description="Who signs employees' tokens: the local issuer (loopback only), or an OpenID provider."
    )
    oidc_issuer: str = setting(
        "", description="`iss` of employees' tokens, with identity = oidc: the provider's address, exactly as it names itself."
    )
    oidc_audience: str = setting("munjigi", description="`aud` of employees' tokens.")
    oidc_keys: str = setting(
        "", description="The provider's key set: an https address, or a file. Default: discovered at the issuer."
    )
    oidc_logout_address: str = setting(
        "",
        description="HTTP listener of `/oidc/backchannel-logout`, for the provider through a proxy with TLS: `host:port`, loopback. "
        "Default: not served.",
    )
    oidc_authority: Path | None = setting(
        None, description="Authority of the provider's https addresses (PEM), where it is not a public one."
    )
    oidc_token_types: tuple[str, ...] = setting(
        ("at+jwt",), description="Accepted `typ` of employees' tokens; some providers sign access tokens as `JWT`."
    )
    member_key: Path | None = setting(
        None, description="Key of member references (32 bytes, mode 0600). Default: keys/member.key of the state folder."
    )
    denial_records_per_second: int = setting(
        500,
        ge=0,
        le=1_000_000,
        description="Denials of one tool for one reason that get a record each; those beyond are counted and share one. 0: all get one. 1/s.",
    )
    commit_mode: Literal["auto", "loop", "mixed", "thread"] = setting(
        "auto",
        description="Where the journal is synced: on the event loop, in a thread, there only what several wait for (mixed), "
        "or by the measured time of a sync.",
    )
    segment_mebibytes: int = setting(64, ge=1, le=1024, description="Size at which a journal segment is closed. MiB.")
    retention_years: int = setting(
        0,
        ge=0,
        le=100,
        description="Calendar years after which records of the journal are removed, never fewer than `retention_profile` asks for; "
        "0 keeps all.",
    )
    retention_profile: Literal["ordinary", "large"] = setting(
        "large",
        description="What the law asks to be kept: `large` from 50,000 data subjects on, or with unique identification or sensitive "
        "data; else `ordinary`.",
    )
    archive_dir: Path | None = setting(
        None,
        description="Folder that closed segments of the journal are copied to, outside the state folder: mounted storage. Nothing is "
        "removed that is not in it.",
    )
    disk_watch_percent: float = setting(
        70, gt=0, lt=100, description="Use of the state folder's disk that is worth a warning. %."
    )
    disk_degraded_percent: float = setting(85, gt=0, lt=100, description="Use of the disk at which health says degraded. %.")
    disk_full_percent: float = setting(
        95, gt=0, lt=100, description="Use of the disk from which on no access is given; revocations go on. %."
    )
    disk_reserve_mebibytes: int = setting(
        64, ge=0, le=65536, description="Room kept back on the disk for changes that take access away, and their records. MiB."
    )
    witnesses: tuple[str, ...] = setting(
        (), description="Witnesses that co-sign the seal's checkpoints, each as `VERIFICATION_KEY URL`."
    )
    witness_authority: Path | None = setting(
        None, description="Authority of the witnesses' https addresses (PEM), where it is not a public one."
    )
    elasticsearch_urls: tuple[str, ...] = setting(
        (),
        description="Nodes of the Elasticsearch cluster that records are shipped to, each an address; none: nothing is shipped.",
    )
    elasticsearch_authority: Path | None = setting(
        None, description="Authority of the cluster's https addresses (PEM), and the only one trusted. Default: the system's."
    )
    elasticsearch_credentials: Path | None = setting(
        None,
        description="File (mode 0600) with `name:password` or an encoded API key; read anew when replaced. "
        "Default: the variable MUNJIGI_ELASTICSEARCH_AUTHORIZATION.",
    )
    elasticsearch_reader: Path | None = setting(
        None,
        description="File (mode 0600) as above, of the account that searches and may only read. "
        "Default: the variable MUNJIGI_ELASTICSEARCH_READER_AUTHORIZATION.",
    )
    audit_search: Literal["auto", "sqlite", "elasticsearch"] = setting(
        "auto",
        description="Where the trail is searched. `auto`: in Elasticsearch where records are shipped there and a reader is named, "
        "or its accounts are switched off; else in a file of the state folder.",
    )
    elasticsearch_prefix: str = setting(
        "munjigi-audit",
        pattern=r"^[a-z][a-z0-9-]{0,63}$",
        description="Beginning of the index names; the record's date follows.",
    )
    elasticsearch_rollover: Literal["day", "month"] = setting(
        "day",
        description="How much goes into one index: the records of a day or of a month (UTC). Never change it for a cluster in use.",
    )
    lease_seconds: float = setting(
        3.0,
        ge=0.5,
        le=60,
        description="How long a worker may answer without the state store. So long a revocation waits for a worker that hangs. Seconds.",
    )
    notice_webhook: str = setting(
        "",
        description="Address of the control center's webhook, or of whatever passes notices on: all are posted there, signed. Empty: none.",
    )
    notice_webhook_secret: Path | None = setting(
        None,
        description="File (mode 0600) with the webhook's secret, `whsec_...`, one a line; the first two while one is replaced.",
    )
    notice_smtp: str = setting("", description="SMTP relay that notices are mailed through, `host:port`. Empty: no mail.")
    notice_smtp_security: Literal["starttls", "tls", "plain"] = setting(
        "starttls",
        description="How the relay is spoken to: `starttls` (port 587), `tls` from the first byte (465), `plain` on loopback only.",
    )
    notice_smtp_credentials: Path | None = setting(
        None, description="File (mode 0600) with `name:password` for the relay; read anew for each connection."
    )
    notice_sender: str = setting("", description="Address that mail comes from.")
    notice_address: str = setting(
        "",
        description="Address of an employee: `{subject}@example.com`, or `{subject}` where accounts are addresses. Munjigi keeps no addresses.",
    )
    notice_authority: Path | None = setting(
        None, description="Authority of the webhook's and the relay's certificates (PEM), where it is not a public one."
    )
    notice_language: Literal["ko", "en", "both"] = setting("both", description="Language of notices.")
    notice_days_before: tuple[int, ...] = setting(
        (14, 3), description="How long before a grant ends, or a requirement lapses, its holder is told. Days."
    )
    notice_escalate_days: int = setting(
        2,
        ge=0,
        le=365,
        description="Undecided for so long, a request is taken to the deciders' managers; twice as long, to the privacy office. 0: never. Days.",
    )
    notice_give_up_days: int = setting(
        7, ge=1, le=365, description="How long a notice is tried again before it is put aside (`munjigi notices list`). Days."
    )
    reviews: Literal["auto", "scheduled", "called"] = setting(
        "auto",
        description="`scheduled`: reviews are planned, reminded of and applied when reviews.toml says; `called`: only when somebody asks. "
        "`auto`: scheduled, but called with the embedded identity, whose company is a sample.",
    )
    scim_address: str = setting(
        "",
        description="HTTP listener of SCIM 2.0 for the identity provider: `host:port` on loopback, behind a proxy with TLS. None: off.",
    )
    scim_token_file: Path | None = setting(
        None,
        description="File (mode 0600) with the bearer token that the identity provider presents. Default: the variable MUNJIGI_SCIM_TOKEN.",
    )
    scim_account: Literal["userName", "externalId"] = setting(
        "userName", description="Which SCIM attribute is the subject of employees' tokens."
    )
    sample: bool = setting(True, description="Run the sample member database (PostgreSQL) with the embedded identity.")
    drain_seconds: float = setting(10.0, ge=0, le=300, description="How long calls under way are waited for at a stop. Seconds.")
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", description="Least severe log line that is written."
    )
    log_format: Literal["auto", "text", "json"] = setting("auto", description="`auto`: text on a terminal, JSON lines elsewhere.")

    def home(self) -> Path:
        """Return the policy home that applies."""
        if self.policy_home is not None:
            return self.policy_home
        local = Path("policies")
        if (local / "policy.csv").is_file():
            return local
        return packaged_policies()

    @property
    def watermarks(self) -> tuple[float, float, float]:
        """Return the disk's watermarks as shares, rising."""
        return self.disk_watch_percent / 100, self.disk_degraded_percent / 100, self.disk_full_percent / 100

    @property
    def scheduled_reviews(self) -> bool:
        """Tell whether reviews begin and go on by themselves."""
        return self.reviews == "scheduled" or (self.reviews == "auto" and self.identity != "embedded")

    @property
    def issuer(self) -> str:
        """Return whose employees sign in here: `iss` of their tokens."""
        return EMBEDDED_ISSUER if self.identity == "embedded" else self.oidc_issuer

    @property
    def tls(self) -> bool:
        """Tell whether the listener of `grpc_address` speaks TLS."""
        return self.tls_certificate is not None and not self.stream_address

    @property
    def share_ports(self) -> bool:
        """Tell whether several processes listen on each TCP port."""
        return self.workers > 1

    def address_of(self, slot: int) -> str:
        """Return where the worker of a slot listens for gRPC."""
        return f"{self.grpc_address}.{slot}" if self.unix_socket and slot else self.grpc_address

    @property
    def unix_socket(self) -> bool:
        """Tell whether the gRPC listener is a Unix socket."""
        return self.grpc_address.startswith("unix:")


SETTINGS: Final[dict[str, Setting]] = settings_of(Settings)


def load_settings(options: dict[str, Any] | None = None, config: Path | None = None) -> Settings:
    """Load the settings and refuse what is unsafe.

    Raises `ConfigurationError` that names the setting and the fix.
    """
    path = config or (Path(os.environ[PREFIX + "CONFIG"]) if os.environ.get(PREFIX + "CONFIG") else None)
    given: dict[str, Any] = _read(path) if path is not None else {}
    options = {name: value for name, value in (options or {}).items() if value is not None}
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for name, one in SETTINGS.items():
        text = os.environ.get(PREFIX + name.upper())
        try:
            if name in options:
                values[name] = read_value(one, options[name])
            elif text is not None:
                values[name] = read_text(one, text)
            elif name in given:
                values[name] = read_value(one, given[name])
        except ValueError as error:
            wrong.append(f"`{name}` ({PREFIX}{name.upper()}): {error}. {one.description}")
    unknown = [name for name in {**given, **options} if name not in SETTINGS]
    wrong += [f"`{name}` is no setting; `munjigi config schema` lists them" for name in unknown]
    if wrong:
        raise ConfigurationError("SETTING_INVALID", "Refusing to start: " + "; ".join(wrong))
    settings = Settings(**values)
    refuse_unsafe(settings)
    return settings


def as_plain(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON has them."""
    return {name: plain(getattr(settings, name)) for name in SETTINGS}


def to_json(settings: Settings) -> bytes:
    """Write settings for another process of the daemon."""
    return msgspec.json.encode(as_plain(settings))


def from_json(content: bytes) -> Settings:
    """Read what `to_json` wrote."""
    return Settings(**{name: read_value(SETTINGS[name], value) for name, value in msgspec.json.decode(content).items()})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            "CONFIG_UNREADABLE", f"The configuration file {path} cannot be read ({error.strerror}); name another with --config."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError("CONFIG_MALFORMED", f"The configuration file {path} is not TOML: {error}.") from None
