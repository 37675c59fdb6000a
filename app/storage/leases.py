"""SQL of leases: which process does what must be done in one place at a time.

The rule: a lease runs by the database's clock alone, and each new holding has a term of its own, which grows. A
transaction that begins with `fenced` is committed only while its term is in force: it holds the lease's row until then,
so that nobody takes the lease from under it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import BigInteger, Select, Text, bindparam, or_, select, update
from sqlalchemy.sql.base import Executable

from app.storage.statements import Dialect, Script, run, statement
from app.storage.tables import leases

Result = TypeVar("Result")
NOBODY = ""
NEVER = 0
MICROSECONDS_MAX = 60_000_000
"""For how long a lease may be taken. One that seems to run for longer was taken before the clock was set back, and is
free.
"""


class LeaseLost(Exception):
    """The lease has run out or is another's; what was begun under it is undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One holding of a lease. `microseconds` is for how long it was taken, and is renewed."""

    name: str
    term: int
    microseconds: int


@statement
def add_free_lease(sql: Dialect) -> Executable:
    """Add leases that nobody holds; those that are there stay as they are."""
    rows = sql.rows("rows", name=Text, holder=Text, term=BigInteger, expires_at=BigInteger)
    return sql.insert_ignoring(leases, [column.name for column in leases.c], rows)


@statement
def time_left(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Who holds the lease `name`, and for how many more microseconds."""
    return select(leases.c.holder, leases.c.expires_at - sql.now()).where(leases.c.name == bindparam("name"))


@statement
def take_lease(sql: Dialect) -> Executable:
    """Begin a new term of a lease that is free; whoever holds its row is waited for."""
    latest = sql.now() + bindparam("microseconds_max", MICROSECONDS_MAX, type_=BigInteger)
    return (
        update(leases)
        .where(
            leases.c.name == bindparam("lease"),
            or_(leases.c.expires_at <= sql.now(), leases.c.expires_at > latest),
        )
        .values(
            holder=bindparam("new_holder"),
            term=leases.c.term + 1,
            expires_at=sql.now() + bindparam("microseconds", type_=BigInteger),
        )
        .returning(leases.c.term)
    )


@statement
def renew_lease(sql: Dialect) -> Executable:
    """Let a term that is in force run on from now."""
    return (
        update(leases)
        .where(
            leases.c.name == bindparam("lease"),
            leases.c.term == bindparam("held_term"),
            leases.c.expires_at > sql.now(),
        )
        .values(expires_at=sql.now() + bindparam("microseconds", type_=BigInteger))
        .returning(leases.c.term)
    )


@statement
def end_lease(_: Dialect) -> Executable:
    """End a term, so that the next may begin at once."""
    return (
        update(leases)
        .where(leases.c.name == bindparam("lease"), leases.c.term == bindparam("held_term"))
        .values(expires_at=NEVER)
        .returning(leases.c.term)
    )


def holder_now(name: str) -> Script[str | None]:
    """Return who holds the lease; None when it is free."""
    rows = yield from run(time_left, name=name)
    return next((holder for holder, left in rows if 0 < left <= MICROSECONDS_MAX), None)


def take(name: str, *, holder: str, microseconds: int) -> Script[Lease | None]:
    """Take the lease for so long, MICROSECONDS_MAX at the most; return None when it is another's."""
    yield from run(add_free_lease, rows=[(name, NOBODY, 0, NEVER)])
    rows = yield from run(take_lease, lease=name, new_holder=holder, microseconds=microseconds)
    return Lease(name=name, term=rows[0][0], microseconds=microseconds) if rows else None


def renew(lease: Lease) -> Script[bool]:
    """Let the lease run on from now; return whether it was in force."""
    rows = yield from run(renew_lease, lease=lease.name, held_term=lease.term, microseconds=lease.microseconds)
    return bool(rows)


def give_back(lease: Lease) -> Script[bool]:
    """End the term; return whether it was still the last one."""
    rows = yield from run(end_lease, lease=lease.name, held_term=lease.term)
    return bool(rows)


def fenced(lease: Lease, script: Callable[[], Script[Result]]) -> Script[Result]:
    """Run a script in a transaction that is committed only while the lease is ours. Raises LeaseLost."""
    if not (yield from renew(lease)):
        raise LeaseLost(lease.name)
    return (yield from script())
