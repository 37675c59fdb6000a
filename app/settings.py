"""Settings: environment variables `STOCKGATE_…`, read once; the one rule: every limit of the process is named here."""

import re
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from strawberry.http.websocket_origin import normalize_allowed_origins

SQLITE_PREFIX = "sqlite+aiosqlite:///"
POSTGRES_PREFIX = "postgresql+asyncpg://"
NO_ORIGINS = "none"
LOOPBACK_ADDRESSES = ("127.0.0.1", "::1", "localhost")
REDIS_SCHEMES = ("redis", "rediss")
REDIS_TLS_OPTIONS = {"ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
PORT = re.compile(r":([^:\]]*)$")
PORT_MAX = 65_535
REDIS_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
POINTS_MAX = 1_000_000_000
"""So many points, in millionths, are whole numbers in every arithmetic that reckons with them, Redis's included."""


class Settings(BaseSettings):
    """How this process runs. Each field is the environment variable `STOCKGATE_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="STOCKGATE_", frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str = Field(
        default=f"{SQLITE_PREFIX}.stockgate/stockgate.sqlite3",
        description="Where the truth is kept: `sqlite+aiosqlite:///path` (a relative path starts where you stand), or "
        "`postgresql+asyncpg://user:password@host:5432/name`, which many gateway processes may share.",
        repr=False,  # it may hold a password
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="The Redis that gateways on one database share, never the truth: "
        "`redis://user:password@host:6379/0`, or `rediss://` for TLS; unset, each goes by itself.",
    )
    redis_prefix: str = Field(
        default="stockgate",
        description="What its keys and channels begin with there, where several groups of gateways share one Redis.",
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on; without keys a loopback address.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="How many processes serve on the port; more than one needs PostgreSQL.",
    )
    environment: str = Field(
        default="development",
        pattern="^(development|production)$",
        description="`development` serves GraphiQL at /graphql; `production` does not.",
    )
    log_format: str = Field(
        default="auto",
        pattern="^(auto|console|json)$",
        description="`json` or `console` lines on standard error; `auto` is json in production, console elsewhere.",
    )
    log_level: str = Field(
        default="info",
        pattern="^(debug|info|warning|error|critical)$",
        description="The least that is logged: `debug`, `info`, `warning`, `error` or `critical`.",
    )
    log_requests: bool = Field(default=True, description="Whether each request is a line of the log, at `info`.")
    oidc_issuer: str | None = Field(
        default=None,
        description="The identity provider whose bearer tokens are taken besides API keys, as their `iss` claim names "
        "it; unset takes none.",
    )
    oidc_audience: str | None = Field(
        default=None, description="What the tokens' `aud` claim must name; required with an issuer."
    )
    oidc_keys_url: str | None = Field(
        default=None, description="Where the issuer publishes its keys (JWKS); required with an issuer."
    )
    oidc_account_claim: str = Field(
        default="stockgate_account", description="The claim that names the account a token speaks for."
    )
    oidc_channels_claim: str = Field(
        default="stockgate_channels", description="The claim that narrows which channels a token sees, a list of codes."
    )
    oidc_locations_claim: str = Field(
        default="stockgate_locations",
        description="The claim that narrows which locations a token sees, a list of codes.",
    )
    trusted_documents: str = Field(
        default="off",
        pattern="^(off|storefront|all)$",
        description="Who may run registered documents only (`stockgate documents register`): `off` (nobody is bound to "
        "them), `storefront` (callers of that role) or `all`.",
    )
    persisted_get_max_age_seconds: int = Field(
        default=0,
        ge=0,
        le=86_400,
        description="How long caches may hold the answer to a GET of a persisted query; 0 lets them hold none.",
    )
    persisted_get_is_public: bool = Field(
        default=False,
        description="Whether shared caches (a CDN) may hold such answers to credentials of the role `STOREFRONT` too, "
        "for each credential apart; answers to all other credentials stay private.",
    )
    batch_rows_max: int = Field(
        default=2000, ge=1, le=100_000, description="How many rows one write transaction touches at most."
    )
    queue_commands_max: int = Field(
        default=10_000, ge=250, description="How many commands may wait for the writer; more are refused (OVERLOADED)."
    )
    queue_deadline_ms: int = Field(
        default=5000, ge=1, description="How long a command may wait for its batch before it is dropped (UNAVAILABLE)."
    )
    commit_deadline_ms: int = Field(
        default=10_000, ge=1, description="How long a batch may take before its callers are told UNAVAILABLE."
    )
    lock_timeout_ms: int = Field(
        default=2000, ge=1, description="How long the database may keep a statement waiting for a lock."
    )
    read_deadline_ms: int = Field(
        default=5000, ge=1, description="How long a read may take before its caller is told UNAVAILABLE."
    )
    read_connections: int = Field(
        default=2, ge=1, le=64, description="How many reads may run side by side; as many again on a replica."
    )
    read_database_url: str | None = Field(
        default=None,
        description="A replica of the PostgreSQL database (`postgresql+asyncpg://…`), asked first by queries for "
        "availability and lists; unset asks the database itself.",
    )
    read_staleness_ms_max: int = Field(
        default=1000,
        ge=100,
        le=60_000,
        description="How stale an answer from the replica may be: it holds all that was acknowledged so long before "
        "the question. Where that is not certain, the database itself is asked.",
    )
    feed_poll_ms: int = Field(
        default=1000, ge=1, description="How often the event feed looks for events that nobody told it of."
    )
    feed_events_kept: int = Field(
        default=4096,
        ge=1,
        description="How many recent events are held in memory; a live subscriber further behind is closed.",
    )
    feed_page_events: int = Field(
        default=500, ge=1, le=10_000, description="How many events one read of the log fetches at most."
    )
    event_retention_days: int = Field(
        default=30, ge=1, le=36_500, description="How long events can be replayed; the ledger itself is kept for ever."
    )
    subscriptions_per_socket_max: int = Field(
        default=100, ge=1, description="How many operations one WebSocket may run at once."
    )
    send_deadline_ms: int = Field(
        default=10_000, ge=1, description="How long a subscriber may leave a message unread before it is closed."
    )
    linger_ms: int = Field(
        default=60_000,
        ge=1,
        description="How long a subscriber that was closed for not reading is left to take what it had been sent.",
    )
    keep_alive_ms: int = Field(default=10_000, ge=1, description="How often an idle event stream shows that it lives.")
    body_bytes_max: int = Field(default=1_000_000, ge=1, description="The largest request body that is read.")
    body_deadline_ms: int = Field(default=10_000, ge=1, description="How long a request's body may take to arrive.")
    head_bytes_max: int = Field(
        default=32_768, ge=1024, description="The longest line and headers of a request that are read (431)."
    )
    head_deadline_ms: int = Field(
        default=10_000, ge=1, description="How long a connection may take to send the head of a request."
    )
    connections_max: int = Field(
        default=2000, ge=1, description="How many connections are held at once; more are refused (503)."
    )
    get_queries: str = Field(
        default="development",
        pattern="^(on|off|development)$",
        description="Whether queries may be asked, and subscriptions followed, by GET: `on`, `off`, or `development` "
        "(only there).",
    )
    allowed_origins: str = Field(
        default="none",
        description="The web sites whose pages may call the gateway besides its own, as origins "
        "(`https://shop.example`) separated by commas, or `none`.",
    )
    credential_check_ms: int = Field(
        default=15_000,
        ge=1,
        le=60_000,
        description="How often a live WebSocket or event stream is checked for whether its credential is in force.",
    )
    document_characters_max: int = Field(
        default=32_000, ge=1, description="The longest GraphQL document (TOKEN_LIMIT_EXCEEDED)."
    )
    document_tokens_max: int = Field(
        default=1000, ge=1, description="How many tokens a document may hold, comments included (TOKEN_LIMIT_EXCEEDED)."
    )
    document_depth_max: int = Field(
        default=12,
        ge=1,
        description="How deep the fields of a document may nest, introspection aside (DEPTH_LIMIT_EXCEEDED).",
    )
    document_aliases_max: int = Field(
        default=15,
        ge=0,
        description="How many aliases an operation may hold, fragments expanded (ALIAS_LIMIT_EXCEEDED).",
    )
    document_directives_max: int = Field(
        default=50,
        ge=0,
        description="How many directives an operation may hold, fragments expanded (DIRECTIVE_LIMIT_EXCEEDED).",
    )
    document_root_fields_max: int = Field(
        default=20,
        ge=1,
        description="How many root fields an operation may ask for, fragments expanded (ROOT_FIELD_LIMIT_EXCEEDED).",
    )
    answered_errors_max: int = Field(
        default=9, ge=1, description="How many errors one request is answered with at the most."
    )
    cost_points_max: int = Field(
        default=200_000,
        ge=1,
        le=POINTS_MAX,
        description="How many cost points a caller may spend at once: the size of its bucket (COST_LIMIT_EXCEEDED).",
    )
    cost_points_per_second: int = Field(
        default=500_000,
        ge=1,
        le=POINTS_MAX,
        description="How many cost points flow back into each caller's bucket (THROTTLED).",
    )
    shutdown_deadline_ms: int = Field(
        default=5000, ge=1, description="How long a stopping process finishes what it has begun."
    )

    @field_validator("database_url")
    @classmethod
    def _names_a_known_database(cls, url: str) -> str:
        names_file = url.startswith(SQLITE_PREFIX) and url != SQLITE_PREFIX
        if not names_file and not _is_postgres_url(url):
            raise ValueError(f"write {SQLITE_PREFIX}path/to/file.sqlite3 or {POSTGRES_PREFIX}user:password@host/name")
        return url

    @field_validator("redis_url")
    @classmethod
    def _names_one_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_redis_url(url.get_secret_value()):
            raise ValueError(
                "write redis://host:6379 or rediss://host:6379, with user:password@ and /database as needed"
            )
        return url

    @field_validator("redis_prefix")
    @classmethod
    def _can_begin_a_key(cls, prefix: str) -> str:
        if not REDIS_PREFIX.fullmatch(prefix):
            raise ValueError("write 1 to 64 letters, digits or any of _ . : -")
        return prefix

    @field_validator("read_database_url")
    @classmethod
    def _names_a_replica(cls, url: str | None) -> str | None:
        if url is not None and not _is_postgres_url(url):
            raise ValueError(f"write {POSTGRES_PREFIX}user:password@host/name, or leave it unset")
        return url

    @field_validator("allowed_origins")
    @classmethod
    def _names_exact_origins(cls, origins: str) -> str:
        if "*" in _origins_of(origins):
            raise ValueError("write each origin; `*` would let every web site in")
        return origins

    @model_validator(mode="after")
    def _says_for_whom_tokens_are(self) -> Self:
        if self.oidc_issuer is not None and not (self.oidc_audience and self.oidc_keys_url):
            raise ValueError("STOCKGATE_OIDC_ISSUER needs STOCKGATE_OIDC_AUDIENCE and STOCKGATE_OIDC_KEYS_URL")
        return self

    @model_validator(mode="after")
    def _has_a_replica_of_postgres_only(self) -> Self:
        if self.read_database_url is not None and self.is_sqlite:
            raise ValueError("STOCKGATE_READ_DATABASE_URL names a replica of PostgreSQL, and SQLite has none; unset it")
        return self

    @property
    def origins(self) -> frozenset[str]:
        """The origins besides our own, in the form in which browsers send them."""
        return _origins_of(self.allowed_origins)

    @property
    def answers_get(self) -> bool:
        """Whether GET is answered at all."""
        return self.get_queries in ("on", self.environment)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the gateway."""
        return self.host in LOOPBACK_ADDRESSES

    @property
    def is_sqlite(self) -> bool:
        """Whether the truth is kept in a file, by one process."""
        return self.database_url.startswith(SQLITE_PREFIX)

    @property
    def database_name(self) -> str:
        """What people may be shown of the database: its file, or its address without user and password."""
        return str(self.sqlite_path) if self.is_sqlite else _address_of(self.database_url)

    @property
    def read_database_name(self) -> str:
        """What people may be shown of the replica: its address without user and password."""
        return _address_of(self.read_database_url or "")

    @property
    def sqlite_path(self) -> Path:
        """The file behind the database URL."""
        return Path(self.database_url.removeprefix(SQLITE_PREFIX))


def _is_postgres_url(url: str) -> bool:
    """Return whether the URL may name a database: on one or several hosts, with ports that are numbers, if any."""
    if not url.startswith(POSTGRES_PREFIX) or url == POSTGRES_PREFIX:
        return False
    hosts = urlsplit(url).netloc.rpartition("@")[2]
    ports = (PORT.search(host) for host in hosts.split(","))
    return all(port is None or (port[1].isdecimal() and int(port[1]) <= PORT_MAX) for port in ports)


def _is_redis_url(url: str) -> bool:
    """Return whether the URL names one server; of the client's options only those of TLS may stand in it."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:  # a port that is no number, an address that is none, an option without a value
        return False
    database = parts.path.removeprefix("/")
    names_tls = {name for name, _ in options} <= (REDIS_TLS_OPTIONS if parts.scheme == "rediss" else set())
    return parts.scheme in REDIS_SCHEMES and has_host and (not database or database.isdecimal()) and names_tls


def _address_of(url: str) -> str:
    address = urlsplit(url)
    return f"postgresql://{address.netloc.rpartition('@')[2]}{address.path}"


def _origins_of(text: str) -> frozenset[str]:
    return normalize_allowed_origins([] if text == NO_ORIGINS else text.split(","))
