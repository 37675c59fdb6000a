"""SQL of bundles: what they are made of, found by bundle and by part; the one rule: the rows say what the items say."""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Boolean, Integer, Select, Text, delete, exists, func, insert, select, true
from sqlalchemy.sql.base import Executable

from app.storage.statements import Dialect, Row, Script, run, run_if_any, statement
from app.storage.tables import bundle_parts, items
from domain.compositions import Composition

parts = items.alias("parts")
bundles = items.alias("bundles")


@statement
def forget_parts(sql: Dialect) -> Executable:
    """Forget what the items `skus` are made of."""
    wanted = sql.values("skus", Text)
    of_these = select(items.c.id).where(items.c.sku.in_(select(wanted.c.value)))
    return delete(bundle_parts).where(bundle_parts.c.bundle_item_id.in_(of_these))


@statement
def put_parts(sql: Dialect) -> Executable:
    """Keep what bundles are made of."""
    rows = sql.rows("rows", bundle=Text, part=Text, quantity=Integer, is_direct=Boolean)
    joined = rows.join(bundles, bundles.c.sku == rows.c.bundle).join(parts, parts.c.sku == rows.c.part)
    return insert(bundle_parts).from_select(
        ["bundle_item_id", "part_item_id", "quantity", "is_direct"],
        select(bundles.c.id, parts.c.id, rows.c.quantity, rows.c.is_direct).select_from(joined),
    )


@statement
def bundle_uses_by_sku(sql: Dialect) -> Select[*tuple[object, ...]]:
    """How many bundles name each of the items `skus` as a component; items of none are left out."""
    wanted = sql.values("skus", Text)
    used = wanted.join(items, items.c.sku == wanted.c.value).join(
        bundle_parts, bundle_parts.c.part_item_id == items.c.id
    )
    return select(items.c.sku, func.count()).select_from(used).where(bundle_parts.c.is_direct).group_by(items.c.sku)


@statement
def bundles_by_part(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The SKUs of the bundles that take each of the items `skus` from stock, behind the item's SKU."""
    wanted = sql.values("skus", Text)
    made_of = (
        wanted.join(parts, parts.c.sku == wanted.c.value)
        .join(bundle_parts, bundle_parts.c.part_item_id == parts.c.id)
        .join(bundles, bundles.c.id == bundle_parts.c.bundle_item_id)
    )
    return select(parts.c.sku, bundles.c.sku.label("bundle")).select_from(made_of).where(bundle_parts.c.quantity > 0)


@statement
def any_bundle(_: Dialect) -> Select[*tuple[object, ...]]:
    """Whether there is a bundle."""
    return select(exists(select(bundle_parts.c.bundle_item_id).where(true())))


def write_parts(made_of: Mapping[str, Composition | None]) -> Script[None]:
    """Keep what these items are made of now, in place of what was kept; None for what is no bundle any more."""
    if made_of:
        yield from run(forget_parts, skus=list(made_of))
        yield from run_if_any(put_parts, rows=list(_rows(made_of.items())))


def _rows(made_of: Iterable[tuple[str, Composition | None]]) -> Iterator[Row]:
    for sku, composition in made_of:
        if composition is not None:
            named = {one.sku for one in composition.components}
            taken = {one.sku: one.quantity for one in composition.leaves}
            yield from ((sku, part, taken.get(part, 0), part in named) for part in sorted(named | taken.keys()))
