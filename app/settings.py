"""Settings: environment variables `STOCKGATE_…`, read once; the one rule: every limit of the process is named here."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SQLITE_PREFIX = "sqlite+aiosqlite:///"


class Settings(BaseSettings):
    """How this process runs. Each field is the environment variable `STOCKGATE_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="STOCKGATE_", frozen=True, extra="forbid")

    database_url: str = Field(
        default=f"{SQLITE_PREFIX}.stockgate/stockgate.sqlite3",
        description="Where the truth is kept: `sqlite+aiosqlite:///path` (a relative path starts where you stand).",
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on; loopback only.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    environment: str = Field(
        default="development",
        pattern="^(development|production)$",
        description="`development` serves GraphiQL at /graphql; `production` does not.",
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
    read_connections: int = Field(default=2, ge=1, le=64, description="How many reads may run side by side.")
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
    keep_alive_ms: int = Field(default=10_000, ge=1, description="How often an idle event stream shows that it lives.")
    body_bytes_max: int = Field(default=1_000_000, ge=1, description="The largest request body that is read.")
    shutdown_deadline_ms: int = Field(
        default=5000, ge=1, description="How long a stopping process finishes what it has begun."
    )

    @field_validator("database_url")
    @classmethod
    def _names_a_known_database(cls, url: str) -> str:
        if not url.startswith(SQLITE_PREFIX) or url == SQLITE_PREFIX:
            raise ValueError(f"must look like {SQLITE_PREFIX}path/to/file.sqlite3")
        return url

    @property
    def sqlite_path(self) -> Path:
        """The file behind the database URL."""
        return Path(self.database_url.removeprefix(SQLITE_PREFIX))
