"""What a supervisor hands to its workers; the one rule: they are set up as it is, wherever its settings came from."""

import pytest

from app.processes import environment_of
from app.settings import Settings
from app.supervisor import Times

GIVEN = {
    "database_url": "postgresql+asyncpg://stock:p%40ss;word@db.example:5432/stock?sslmode=require",
    "redis_url": "redis://:p%40ss@cache.example:6379/0",
    "port": 0,
    "workers": 3,
    "log_requests": False,
    "oidc_issuer": "https://id.example/realms/shop",
    "oidc_audience": "stockgate, and others",
    "oidc_keys_url": "https://id.example/keys",
    "allowed_origins": "https://shop.example,https://till.example",
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STOCKGATE_{name.upper()}", raising=False)
    return monkeypatch


def test_workers_have_the_settings_that_were_given_on_the_command_line(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("STOCKGATE_HOST", "::1")
    bare.setenv("STOCKGATE_PORT", "9000")
    bare.setenv("STOCKGATE_LOG_LEVEL", "debug")
    settings = Settings.model_validate({"host": "::1", "log_level": "debug", **GIVEN})
    for name, value in environment_of(settings).items():
        bare.setenv(name, value)
    assert Settings() == settings
    assert (settings.port, settings.log_requests) == (0, False)
    redis_url = Settings().redis_url
    assert redis_url is not None
    assert redis_url.get_secret_value() == GIVEN["redis_url"]


def test_what_is_unset_stays_unset(bare: pytest.MonkeyPatch) -> None:
    named = {name for name in environment_of(Settings(oidc_issuer=None)) if name.startswith("STOCKGATE_")}
    assert not any(name.startswith("STOCKGATE_OIDC") for name in named)


def test_the_rest_of_the_environment_is_passed_on(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("PGSSLROOTCERT", "ca.pem")
    assert environment_of(Settings())["PGSSLROOTCERT"] == "ca.pem"


@pytest.mark.parametrize(
    ("short_lives", "seconds"), [(0, 0.0), (1, 0.25), (2, 0.5), (3, 1.0), (6, 8.0), (7, 10.0), (5000, 10.0)]
)
def test_pauses_grow_up_to_a_limit(short_lives: int, seconds: float) -> None:
    assert Times().pause_after(short_lives) == seconds
