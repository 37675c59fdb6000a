"""SQL of the audit: each check is a statement whose rows are differences; no rows is what must be.

However many there are, their number and the first of them is all that is brought here.
"""

from collections.abc import Iterator

from sqlalchemy import (
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
)

from app.storage.promises import IS_ACTIVE
from app.storage.statements import Dialect, Row, Rows, Script, Statement, run, statement
from app.storage.tables import (
    COUNTERS,
    adjustments,
    allocations,
    bundle_parts,
    events,
    feed_head,
    holds,
    idempotency_keys,
    items,
    locations,
    movements,
    postings,
    reservations,
    shipments,
    stock_levels,
)


@statement
def table_sizes(_: Dialect) -> Select[*tuple[object, ...]]:
    """How many rows there are of what is compared."""
    return select(
        *(
            select(func.count()).select_from(table).scalar_subquery()
            for table in (stock_levels, movements, adjustments, idempotency_keys, events)
        )
    )


@statement
def levels_unlike_ledger(_: Dialect) -> Select[*tuple[object, ...]]:
    """Levels with a counter that is not the sum of its movements."""
    sums = (
        select(
            movements.c.item_id,
            movements.c.location_id,
            *(
                func.sum(case((movements.c.bucket == counter.upper(), movements.c.delta), else_=0)).label(counter)
                for counter in COUNTERS
            ),
        )
        .group_by(movements.c.item_id, movements.c.location_id)
        .subquery("sums")
    )
    of_same_level = and_(sums.c.item_id == stock_levels.c.item_id, sums.c.location_id == stock_levels.c.location_id)
    return (
        select(items.c.sku, locations.c.code)
        .select_from(
            stock_levels.outerjoin(sums, of_same_level)
            .join(items, items.c.id == stock_levels.c.item_id)
            .join(locations, locations.c.id == stock_levels.c.location_id)
        )
        .where(or_(*(stock_levels.c[counter] != func.coalesce(sums.c[counter], 0) for counter in COUNTERS)))
    )


@statement
def movements_without_level(_: Dialect) -> Select[*tuple[object, ...]]:
    """Movements of a level that does not exist."""
    of_same_level = and_(
        stock_levels.c.item_id == movements.c.item_id, stock_levels.c.location_id == movements.c.location_id
    )
    return (
        select(movements.c.id)
        .select_from(movements.outerjoin(stock_levels, of_same_level))
        .where(stock_levels.c.item_id.is_(None))
    )


@statement
def balances_off(_: Dialect) -> Select[*tuple[object, ...]]:
    """Movements whose balance is not the sum of all movements of the counter up to them."""
    running = select(
        movements.c.id,
        movements.c.balance_after,
        func.sum(movements.c.delta)
        .over(
            partition_by=(movements.c.item_id, movements.c.location_id, movements.c.bucket),
            order_by=movements.c.id,
            rows=(None, 0),
        )
        .label("summed"),
    ).subquery("running")
    return select(running.c.id).where(running.c.balance_after != running.c.summed)


@statement
def movements_without_cause(_: Dialect) -> Select[*tuple[object, ...]]:
    """Movements of which there is neither the adjustment nor the posting."""
    return (
        select(movements.c.id)
        .select_from(
            movements.outerjoin(adjustments, adjustments.c.id == movements.c.adjustment_id).outerjoin(
                postings, postings.c.id == movements.c.adjustment_id
            )
        )
        .where(adjustments.c.id.is_(None), postings.c.id.is_(None))
    )


@statement
def postings_without_document(_: Dialect) -> Select[*tuple[object, ...]]:
    """Postings of which there is neither the reservation nor the order's allocation."""
    return (
        select(postings.c.id)
        .select_from(
            postings.outerjoin(reservations, reservations.c.id == postings.c.document_id).outerjoin(
                allocations, allocations.c.id == postings.c.document_id
            )
        )
        .where(reservations.c.id.is_(None), allocations.c.id.is_(None))
    )


@statement
def adjustments_without_key(_: Dialect) -> Select[*tuple[object, ...]]:
    """Adjustments that are not kept under their key."""
    of_same_key = and_(
        idempotency_keys.c.account_id == adjustments.c.account_id,
        idempotency_keys.c.key == adjustments.c.idempotency_key,
        idempotency_keys.c.adjustment_id == adjustments.c.id,
    )
    return (
        select(adjustments.c.id)
        .select_from(adjustments.outerjoin(idempotency_keys, of_same_key))
        .where(idempotency_keys.c.key.is_(None))
    )


@statement
def keys_without_adjustment(_: Dialect) -> Select[*tuple[object, ...]]:
    """Keys that stand for an adjustment that does not exist."""
    return (
        select(idempotency_keys.c.account_id, idempotency_keys.c.key)
        .select_from(idempotency_keys.outerjoin(adjustments, adjustments.c.id == idempotency_keys.c.adjustment_id))
        .where(idempotency_keys.c.adjustment_id.is_not(None), adjustments.c.id.is_(None))
    )


@statement
def keys_without_document(_: Dialect) -> Select[*tuple[object, ...]]:
    """Keys that stand for a document that does not exist."""
    named = idempotency_keys.c.document_id
    return (
        select(idempotency_keys.c.account_id, idempotency_keys.c.key)
        .select_from(
            idempotency_keys.outerjoin(reservations, reservations.c.id == named)
            .outerjoin(allocations, allocations.c.id == named)
            .outerjoin(shipments, shipments.c.id == named)
        )
        .where(named.is_not(None), reservations.c.id.is_(None), allocations.c.id.is_(None), shipments.c.id.is_(None))
    )


@statement
def promises_unlike_holds(_: Dialect) -> Select[*tuple[object, ...]]:
    """Levels whose RESERVED or ALLOCATED is not the sum of what is held there; also those that there are not."""
    counted = select(
        stock_levels.c.item_id, stock_levels.c.location_id, stock_levels.c.reserved, stock_levels.c.allocated
    )
    reserved, allocated = (
        case((holds.c.kind == kind, -holds.c.quantity), else_=literal_column("0", Integer))
        for kind in ("RESERVATION", "ALLOCATION")
    )
    held = select(holds.c.item_id, holds.c.location_id, reserved, allocated)
    both = union_all(counted, held).subquery("both")
    return (
        select(items.c.sku, locations.c.code)
        .select_from(
            both.join(items, items.c.id == both.c.item_id).join(locations, locations.c.id == both.c.location_id)
        )
        .group_by(items.c.sku, locations.c.code)
        .having(or_(func.sum(both.c.reserved) != 0, func.sum(both.c.allocated) != 0))
    )


@statement
def holds_unlike_documents(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Where documents hold other units than they say themselves: active reservations, and orders until they ship.

    What a document that is over still holds is among them.
    """
    found = select(
        holds.c.document_id, holds.c.kind, items.c.sku, locations.c.code.label("location"), holds.c.quantity
    ).select_from(
        holds.outerjoin(items, items.c.id == holds.c.item_id).outerjoin(
            locations, locations.c.id == holds.c.location_id
        )
    )
    both = union_all(found, *_holds_said(sql)).subquery("both")
    key = (both.c.document_id, both.c.kind, both.c.sku, both.c.location)
    return select(*key).group_by(*key).having(func.sum(both.c.quantity) != 0)


def _holds_said(sql: Dialect) -> Iterator[Select[*tuple[object, ...]]]:
    """Yield what documents say that they hold, as negative numbers; of bundles the parts that they had on their day."""
    for table, kind, holds_now in (
        (reservations, "RESERVATION", IS_ACTIVE),
        (allocations, "ALLOCATION", true()),
    ):
        said = sql.objects_of(table.c.data, "lines", "holds", sku=Text, location=Text, quantity=Integer, parts=Text)
        held = said.fields
        part = sql.objects_of(held["parts"], sku=Text, quantity=Integer)
        has_parts = func.coalesce(held["parts"], "[]") != "[]"
        for sources, sku, quantity, condition in (
            (said.sources, held["sku"], held["quantity"], not_(has_parts)),
            ((*said.sources, *part.sources), part.fields["sku"], held["quantity"] * part.fields["quantity"], has_parts),
        ):
            yield (
                select(
                    table.c.id.label("document_id"),
                    literal_column(f"'{kind}'", Text).label("kind"),
                    sku.label("sku"),
                    held["location"].label("location"),
                    (-quantity).label("quantity"),
                )
                .select_from(table, *sources)
                .where(holds_now, condition)
            )


@statement
def parts_unlike_compositions(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Bundles and parts of which `bundle_parts` says something else than the bundle itself."""
    part = items.alias("part")
    nothing = literal_column("0", Integer)
    found = select(
        items.c.sku.label("bundle"),
        part.c.sku.label("part"),
        bundle_parts.c.quantity,
        case((bundle_parts.c.is_direct, 1), else_=0).label("direct"),
    ).select_from(
        bundle_parts.join(items, items.c.id == bundle_parts.c.bundle_item_id).join(
            part, part.c.id == bundle_parts.c.part_item_id
        )
    )
    leaves = sql.objects_of(items.c.composition, "leaves", sku=Text, quantity=Integer)
    named = sql.objects_of(items.c.composition, "components", sku=Text)
    taken = select(items.c.sku, leaves.fields["sku"].label("part"), -leaves.fields["quantity"], nothing).select_from(
        items, *leaves.sources
    )
    direct = select(items.c.sku, named.fields["sku"].label("part"), nothing, literal_column("-1", Integer)).select_from(
        items, *named.sources
    )
    both = union_all(found, taken, direct).subquery("both")
    key = (both.c.bundle, both.c.part)
    return select(*key).group_by(*key).having(or_(func.sum(both.c.quantity) != 0, func.sum(both.c.direct) != 0))


@statement
def positions_off(_: Dialect) -> Select[*tuple[object, ...]]:
    """The log's (first, last, count, head) if positions are not dense up to the head."""
    first, last, count = func.min(events.c.position), func.max(events.c.position), func.count()
    head = select(feed_head.c.position).scalar_subquery()
    return (
        select(first, last, count, head)
        .select_from(events)
        .having(and_(count > 0, or_(last != head, last - first + 1 != count)))
    )


CHECKS: tuple[tuple[str, Statement], ...] = (
    ("every counter is the sum of its movements", levels_unlike_ledger),
    ("every movement belongs to a level", movements_without_level),
    ("every movement's balance is the sum up to it", balances_off),
    ("every movement belongs to an adjustment or a posting", movements_without_cause),
    ("every posting belongs to a document", postings_without_document),
    ("every adjustment is kept under its key", adjustments_without_key),
    ("every key stands for an adjustment that exists", keys_without_adjustment),
    ("every key stands for a document that exists", keys_without_document),
    ("RESERVED and ALLOCATED are the sum of what is held", promises_unlike_holds),
    ("what is held is what active reservations and open orders say", holds_unlike_documents),
    ("what bundles are found by is what they are made of", parts_unlike_compositions),
    ("positions are dense up to the head", positions_off),
)


Found = tuple[str, int, Rows]
"""What must hold, how often it does not, and the first cases."""


def check_everything(*, examples_max: int) -> Script[tuple[Row, list[Found]]]:
    """Return the sizes of what was compared and what each check found."""
    sizes = yield from run(table_sizes)
    findings: list[Found] = []
    for rule, which in CHECKS:
        rows = yield from run(_counted(which), limit=examples_max)
        findings.append((rule, rows[0][0] if rows else 0, [row[1:] for row in rows]))
    return sizes[0], findings


def _counted(which: Statement) -> Statement:
    """Return the statement that finds the first of a check's differences, each behind the number of all."""

    def build(sql: Dialect) -> Select[*tuple[object, ...]]:
        found = which.build(sql).subquery("found")  # type: ignore[attr-defined]  # every check selects
        return select(func.count().over().label("differences"), *found.c).limit(bindparam("limit"))

    return Statement(name=f"{which.name}_counted", build=build)
