"""Gateways with one seeded fault each, to show that the fault tests find it: `python mutants.py MUTANT serve …`.

The rule: a mutant changes one thing that the ledger rests on and nothing else, and fails to start if that is not there.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg

from app import cli, ledger_batch, ledger_rows, ledger_working
from app.ledger_requests import Request
from app.storage import ledger, postgres
from app.storage.postgres import BEGIN_WRITING, CompiledStep, PostgresDialect, PostgresSessions
from app.storage.postgres_database import PostgresDatabase
from app.storage.statements import Rows, Script, Statement, Step, run_if_any

LOCK: Final = " FOR UPDATE OF stock_levels"
LATE_SECONDS: Final = 0.3
BATCHES_A_ROLLBACK: Final = 10
TORN_SECONDS: Final = 0.1


def sound() -> None:
    """Change nothing: what is found with it is found on the product."""


def locks_nothing() -> None:
    """Read levels without locking them."""
    compiled = PostgresDialect.compile

    def compile(self: PostgresDialect, *which: Statement) -> CompiledStep:
        step = compiled(self, *which)
        if any(one.name == "levels_for_update" for one in which) and LOCK not in step.text:
            raise AssertionError(step.text)
        return dataclasses.replace(step, text=step.text.replace(LOCK, ""))

    _patch(PostgresDialect, "compile", compile)


def reads_keys_before_the_lock() -> None:
    """Look keys up before levels are locked, so that a waiter does not see what the holder kept."""
    load = ledger_working.load

    def load_with_early_keys(requests: list[Request]) -> Script[ledger_working.Working]:
        keys = sorted({request.key for request in requests if request.key is not None})
        rows = yield from run_if_any(ledger.keys_used, keys=keys)
        working = yield from load(requests)
        working.known_keys = {(row[0], row[1]): ledger_working.KnownKey(*row[2:]) for row in rows}
        return working

    _patch(ledger_batch, "load", load_with_early_keys)


def acknowledges_before_the_commit() -> None:
    """Answer when a batch is decided; its commit comes a little later."""
    write = PostgresDatabase.write

    async def write_behind(self: PostgresDatabase, script: Any, *, keeps: Callable[[Any], bool]) -> Any:
        decided = asyncio.get_running_loop().create_future()

        def tell(result: Any) -> bool:
            if not decided.done():
                decided.set_result(result)
            return keeps(result)

        task = asyncio.ensure_future(write(self, script, keeps=tell))
        await asyncio.wait({task, decided}, return_when=asyncio.FIRST_COMPLETED)
        if decided.done():
            task.add_done_callback(_forget_failure)
            return decided.result()
        return task.result()

    execute = asyncpg.Connection.execute

    async def execute_late(self: asyncpg.Connection, query: str, *arguments: object, **more: Any) -> Any:
        if query == postgres.COMMIT:
            await asyncio.sleep(LATE_SECONDS)
        return await execute(self, query, *arguments, **more)

    _patch(PostgresDatabase, "write", write_behind)
    _patch(asyncpg.Connection, "execute", execute_late)


def rolls_back_after_the_answer() -> None:
    """Answer everything as kept, and of every few batches keep none."""
    write = PostgresDatabase.write
    kept = itertools.count(1)

    async def write_some(self: PostgresDatabase, script: Any, *, keeps: Callable[[Any], bool]) -> Any:
        return await write(self, script, keeps=lambda result: keeps(result) and next(kept) % BATCHES_A_ROLLBACK != 0)

    _patch(PostgresDatabase, "write", write_some)


def forgets_keys() -> None:
    """Keep what was done, but not under which key."""
    _patch(ledger_rows, "_call_to_add_keys", lambda _: None)


def tears_transactions() -> None:
    """Commit levels before their ledger rows."""
    take = PostgresSessions._take

    async def take_in_two(self: PostgresSessions, connection: postgres.Connection, step: Step) -> list[Rows]:
        names = [call.statement.name for call in step]
        if "put_levels" not in names or len(names) == 1:
            return await take(self, connection, step)
        behind = names.index("put_levels") + 1
        rows = await take(self, connection, step[:behind])
        await connection.execute(postgres.COMMIT)
        await asyncio.sleep(TORN_SECONDS)
        await connection.execute(BEGIN_WRITING)
        return rows + await take(self, connection, step[behind:])

    _patch(PostgresSessions, "_take", take_in_two)


MUTANTS: Final[Mapping[str, Callable[[], None]]] = {
    mutate.__name__: mutate
    for mutate in (
        sound,
        locks_nothing,
        reads_keys_before_the_lock,
        acknowledges_before_the_commit,
        rolls_back_after_the_answer,
        forgets_keys,
        tears_transactions,
    )
}


def command(mutant: str, *arguments: str) -> list[str]:
    """Return the command line of a mutant's `stockgate`."""
    return [sys.executable, str(Path(__file__).resolve()), mutant, *arguments]


def _patch(owner: Any, name: str, value: object) -> None:
    if not hasattr(owner, name):
        raise AttributeError(f"there is no {name} to change in {owner}")
    setattr(owner, name, value)


def _forget_failure(task: "asyncio.Future[Any]") -> None:
    with contextlib.suppress(BaseException):  # nobody is left to be told
        task.result()


if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    cli.main()
