"""`stockgate keys`: accounts and API keys from the command line, for the first key and for those who have a shell.

The rule: it goes through the ledger like every other change, so a running gateway follows within a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from app.cli_common import console, fail, on_database, open_existing, read_settings
from app.settings import Settings
from domain.account_records import Account, ApiKey
from domain.accounts import AccountCreate, ApiKeyCreate, ApiKeyRevoke, ApiKeyRotate
from domain.decider import Command
from domain.ports import InfrastructureError, Reads
from domain.principals import LOCAL_PRINCIPAL, Role, Scope
from domain.rejections import Refused, RejectionCode
from resolvers.context import Services

app = typer.Typer(help="API keys: create, list, rotate and revoke them.", no_args_is_help=True)
Result = TypeVar("Result")

ACCOUNTS_SHOWN_MAX = 1000
COLUMNS = ("account", "role", "key", "name", "sees", "created", "state")
WIDTH_MAX = 1_000_000
"""In characters: wider than any table of keys, so that nothing is cut."""


@app.command("create")
def create(
    account: Annotated[str, typer.Option(help="The account's code; it is created if there is none.")],
    role: Annotated[Role | None, typer.Option(help="What a new account may do.", case_sensitive=False)] = None,
    name: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="A channel the key may see; repeat for more.")] = None,
    location: Annotated[list[str] | None, typer.Option(help="A location the key may see; repeat for more.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="How long the key works; else for ever.")] = None,
) -> None:
    """Create a key and print its token, this once, on standard output. The first key closes an open gateway."""
    scope = Scope(channels=frozenset(channel) if channel else None, locations=frozenset(location) if location else None)

    async def run(services: Services) -> str:
        (known,) = await services.reads.accounts([account])
        if known is None and role is None:
            fail(f"there is no account {account}; say with --role what a new one may do")
        commands: list[Command] = []
        if known is None and role is not None:
            commands.append(AccountCreate(code=account, name=None, role=role, scope=Scope()))
        elif known is not None and role not in (None, known.role):
            fail(f"the account {account} has the role {known.role}; leave --role out, or use another account")
        made = services.new_credential()
        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        command = ApiKeyCreate(
            account=account, key_id=made.key_id, digest=made.digest, name=name, scope=scope, expires_at=expires_at
        )
        await _execute(services, *commands, command)
        return made.token

    _show_token(_with_gateway(run))


@app.command("list")
def list_keys() -> None:
    """List accounts and their keys; secrets are not kept, so none are shown."""

    async def run(services: Services) -> list[tuple[Account, tuple[ApiKey, ...]]]:
        accounts = await _all_accounts(services.reads)
        keys = await services.reads.api_keys_of([one.code for one in accounts])
        return list(zip(accounts, keys, strict=True))

    now = datetime.now(UTC)
    rows = [row for account, keys in _with_gateway(run) for row in _rows(account, keys, now=now)]
    print_keys(Console(), rows)


@app.command("rotate")
def rotate(
    key: Annotated[str, typer.Argument(help="The public part of the key, as `stockgate keys list` shows it.")],
    overlap_hours: Annotated[float, typer.Option(min=0, max=2160, help="How long the old key goes on working.")] = 24,
) -> None:
    """Replace a key by a new one that sees the same, and print the new token, this once."""

    async def run(services: Services) -> str:
        made = services.new_credential()
        overlap = timedelta(hours=overlap_hours)
        command = ApiKeyRotate(old_key_id=key, key_id=made.key_id, digest=made.digest, overlap=overlap)
        await _execute(services, command)
        return made.token

    _show_token(_with_gateway(run))


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The public part of the key, as `stockgate keys list` shows it.")],
) -> None:
    """Take a key away now; open subscriptions end within a minute."""

    async def run(services: Services) -> None:
        await _execute(services, ApiKeyRevoke(key_id=key))

    _with_gateway(run)
    console.print(f"The key {escape(key)} opens nothing any more.")


def print_keys(output: Console, rows: Sequence[tuple[str, ...]]) -> None:
    """Print the table: whole for a program that reads it, and without `created` where a terminal is too narrow."""
    whole = output.options.update(width=WIDTH_MAX)
    table = _table(rows, columns=COLUMNS)
    if not output.is_terminal:
        output.width = WIDTH_MAX
        output.print(table)
    elif output.measure(table, options=whole).maximum <= output.width:
        output.print(table)
    else:
        output.print(_table(rows, columns=[name for name in COLUMNS if name != "created"]))


def has_keys(settings: Settings) -> bool:
    """Return whether there has ever been a key in this database."""
    from app.reads import DatabaseReads  # noqa: PLC0415  # a second of imports that --help should not pay for

    deadline_seconds = settings.read_deadline_ms / 1000
    return on_database(settings, lambda found: DatabaseReads(found, deadline_seconds=deadline_seconds).has_api_keys())


def _with_gateway(work: Callable[[Services], Awaitable[Result]]) -> Result:
    from app.bootstrap import open_gateway  # noqa: PLC0415  # as above

    settings = read_settings()
    open_existing(settings)

    async def run() -> Result:
        async with open_gateway(settings) as gateway:
            return await work(gateway.services)

    try:
        return asyncio.run(run())
    except InfrastructureError as error:
        fail(str(error).rstrip("."))


async def _execute(services: Services, *commands: Command) -> None:
    outcomes = await services.ledger.execute_together(commands, by=LOCAL_PRINCIPAL)
    refused = [one for outcome in outcomes if isinstance(outcome, Refused) for one in outcome.rejections]
    messages = [one.message for one in refused if one.code is not RejectionCode.BULK_REFUSED]
    if messages:
        fail(" ".join(messages).rstrip("."))


async def _all_accounts(reads: Reads) -> list[Account]:
    return await reads.account_page(after=None, limit=ACCOUNTS_SHOWN_MAX)


def _show_token(token: str) -> None:
    console.print("This is the only time that the token is shown; keep it where secrets are kept.")
    typer.echo(token)


def _rows(account: Account, keys: tuple[ApiKey, ...], *, now: datetime) -> Iterator[tuple[str, ...]]:
    if not keys:
        yield escape(account.code), account.role, "–", "", escape(_seen(account.scope)), "", "no keys"
    for key in keys:
        seen = _seen(account.scope.narrowed(key.scope))
        created = key.created_at.strftime("%Y-%m-%d")
        name = escape(key.name or "")
        yield escape(account.code), account.role, key.id, name, escape(seen), created, _state(key, now)


def _table(rows: Sequence[tuple[str, ...]], *, columns: Sequence[str]) -> Table:
    table = Table(*(Column(name, no_wrap=name == "key") for name in columns))
    for row in rows:
        table.add_row(*(cell for name, cell in zip(COLUMNS, row, strict=True) if name in columns))
    return table


def _seen(scope: Scope) -> str:
    parts = [
        f"{what}: {', '.join(sorted(codes)) or 'none'}"
        for what, codes in (("channels", scope.channels), ("locations", scope.locations))
        if codes is not None
    ]
    return "; ".join(parts) or "everything"


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "[red]revoked[/red]"
    if not key.opens(at=now):
        return "[red]expired[/red]"
    if key.replaced_by is not None:
        return f"[yellow]replaced, until {key.expires_at:%Y-%m-%d %H:%M}[/yellow]"
    return "[green]works[/green]" if key.expires_at is None else f"[green]works until {key.expires_at:%Y-%m-%d}[/green]"
