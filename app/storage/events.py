"""SQL of the event log: positions are dense and in commit order, because the head row hands them out last."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Integer, Select, Text, bindparam, func, insert, or_, select, update
from sqlalchemy.sql.base import Executable

from app.storage.event_codec import decode_event, encode_event
from app.storage.statements import Dialect, Row, Rows, Script, Statement, run, statement
from app.storage.tables import events, feed_head
from app.storage.times import from_microseconds
from domain.catalogue import LocationArchived, LocationUpserted
from domain.decider import Event
from domain.ports import RecordedEvent


@statement
def clock_and_head(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The database's time and the position of the newest event."""
    return select(sql.now().label("now"), feed_head.c.position)


@statement
def advance_head(sql: Dialect) -> Executable:
    """Take the next `count` positions; the row stays locked until the commit."""
    return update(feed_head).values(position=feed_head.c.position + bindparam("count")).returning(feed_head.c.position)


@statement
def append_events(sql: Dialect) -> Executable:
    """Append events at the positions taken."""
    rows = sql.rows(
        "rows", position=BigInteger, type=Text, schema_version=Integer, sku=Text, data=Text, recorded_at=BigInteger
    )
    columns = [column.name for column in events.c]
    return insert(events).from_select(columns, select(*(rows.c[column] for column in columns)))


@statement
def events_after(sql: Dialect) -> Select[*tuple[object, ...]]:
    """At most `limit` events after the position `after`, in order."""
    return (
        select(*events.c)
        .where(events.c.position > bindparam("after"))
        .order_by(events.c.position)
        .limit(bindparam("limit"))
    )


@statement
def kept_range(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The oldest position that is kept, and the head."""
    return select(func.min(events.c.position), select(feed_head.c.position).scalar_subquery())


def skus_changed(*, is_narrowed: bool) -> Statement:
    """At most `limit` SKUs behind `beyond` (and among `among`), in order, with an event after the position `after`."""

    def build(sql: Dialect) -> Select[*tuple[object, ...]]:
        among = select(sql.values("among", Text).c.value)
        return (
            select(events.c.sku)
            .distinct()
            .where(
                events.c.position > bindparam("after"),
                events.c.sku > bindparam("beyond"),
                *((events.c.sku.in_(among),) if is_narrowed else ()),
            )
            .order_by(events.c.sku)
            .limit(bindparam("limit"))
        )

    return Statement(f"skus_changed-{is_narrowed}", build)


@statement
def place_events_after(_: Dialect) -> Select[*tuple[object, ...]]:
    """Events of locations after the position `after`, in order."""
    return (
        select(*events.c)
        .where(
            events.c.position > bindparam("after"),
            events.c.sku.is_(None),
            or_(events.c.type == LocationUpserted.__name__, events.c.type == LocationArchived.__name__),
        )
        .order_by(events.c.position)
    )


@statement
def forget_events(sql: Dialect) -> Executable:
    """Delete events recorded before the time `before`, the oldest `limit` of them."""
    # Times grow with positions, so only the oldest rows are looked at: no scan of what is kept.
    oldest = (
        select(events.c.position, events.c.recorded_at)
        .order_by(events.c.position)
        .limit(bindparam("limit"))
        .subquery("oldest")
    )
    outdated = select(oldest.c.position).where(oldest.c.recorded_at < bindparam("before"))
    return events.delete().where(events.c.position.in_(outdated)).returning(events.c.position)


def append(log: Sequence[tuple[int, Event]], *, recorded_at_microseconds: int) -> Script[None]:
    """Append events at their positions."""
    rows: list[Row] = [(position, *encode_event(event), recorded_at_microseconds) for position, event in log]
    yield from run(append_events, rows=rows)


def recorded_events(rows: Rows) -> tuple[RecordedEvent, ...]:
    """Return the events that rows of the table hold."""
    return tuple(
        RecordedEvent(
            position=position,
            recorded_at=from_microseconds(recorded_at),
            event=decode_event(kind, version, data, position=position),
        )
        for position, kind, version, _, data, recorded_at in rows
    )
