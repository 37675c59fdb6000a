"""SQL of the event log: positions are dense and in commit order, because the head row hands them out last."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Integer, Select, Text, bindparam, case, func, insert, select, update
from sqlalchemy.sql.base import Executable

from app.storage.event_codec import decode_event, encode_event
from app.storage.statements import Call, Dialect, Row, Rows, plain_insert, statement
from app.storage.tables import events, feed_head
from app.storage.times import from_microseconds
from domain.catalogue import LocationArchived, LocationUpserted
from domain.decider import Event
from domain.ports import ChangedSince, RecordedEvent

POSITION_BEYOND_ALL = 2**62


@statement
def clock_and_head(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The database's time and the position of the newest event."""
    return select(sql.now().label("now"), feed_head.c.position)


@statement
def advance_head(sql: Dialect) -> Executable:
    """Take the next `taken` positions; the row stays locked until the commit."""
    return update(feed_head).values(position=feed_head.c.position + bindparam("taken")).returning(feed_head.c.position)


@plain_insert
def append_events(sql: Dialect) -> Executable:
    """Append events at the positions taken, `back` of each before the head."""
    rows = sql.rows(
        "rows", back=BigInteger, type=Text, schema_version=Integer, sku=Text, data=Text, recorded_at=BigInteger
    )
    columns = [column.name for column in events.c]
    position = (sql.head_taken() - rows.c.back).label("position")
    return insert(events).from_select(columns, select(position, *(rows.c[column] for column in columns[1:])))


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


@statement
def subjects_between(_: Dialect) -> Select[*tuple[object, ...]]:
    """What events after `after` up to `upto` are about: each SKU once, and the events of no item whole."""
    is_of_no_item = events.c.sku.is_(None)
    return (
        select(
            events.c.sku,
            case((is_of_no_item, events.c.position)).label("position"),
            case((is_of_no_item, events.c.type)).label("type"),
            case((is_of_no_item, events.c.schema_version)).label("schema_version"),
            case((is_of_no_item, events.c.data)).label("data"),
        )
        .distinct()
        .where(events.c.position > bindparam("after"), events.c.position <= bindparam("upto"))
    )


@statement
def forget_events(_: Dialect) -> Executable:
    """Delete events recorded before the time `before`, among the oldest `limit`; never one behind a newer one.

    What is kept stays dense, even where a clock stepped back: only the oldest rows are looked at, and of them only
    those in front of the first that is to stay.
    """
    oldest = (
        select(events.c.position, events.c.recorded_at)
        .order_by(events.c.position)
        .limit(bindparam("limit"))
        .subquery("oldest")
    )
    first_to_stay = (
        select(func.coalesce(func.min(oldest.c.position), POSITION_BEYOND_ALL))
        .where(oldest.c.recorded_at >= bindparam("before"))
        .scalar_subquery()
    )
    outdated = select(oldest.c.position).where(oldest.c.position < first_to_stay)
    return events.delete().where(events.c.position.in_(outdated)).returning(events.c.position)


def calls_to_append(log: Sequence[Event], *, recorded_at_microseconds: int) -> tuple[Call | None, Call | None]:
    """Return the calls that take the log's next positions and append events there, in their order."""
    if not log:
        return None, None
    last = len(log) - 1
    rows: list[Row] = [
        (last - place, *encode_event(event), recorded_at_microseconds) for place, event in enumerate(log)
    ]
    return Call(advance_head, {"taken": len(log)}), Call(append_events, {"rows": rows})


def changed_since(rows: Rows, *, end: int) -> ChangedSince:
    """Return what rows of `subjects_between` are about."""
    others = (decode_event(kind, version, data, position=at) for sku, at, kind, version, data in rows if sku is None)
    locations = {e.location.code for e in others if isinstance(e, LocationUpserted | LocationArchived)}
    skus = sorted(row[0] for row in rows if row[0] is not None)
    return ChangedSince(end=end, skus=tuple(skus), locations=tuple(sorted(locations)))


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
