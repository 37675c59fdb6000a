"""What the writer would have in memory; the one rule: nothing that a command's selectors do not ask for.

The relations that a database joins (which locations serve what, what is pre-allocated, what is part of how many
bundles) are derived from the facts.
"""

from datetime import datetime

from domain.allocation_commands import Allocation, OrderKey
from domain.levels import LevelKey
from domain.promises import Line, units_by_level
from domain.reservation_commands import Reservation
from domain.state import Selectors, State


def relate(state: State) -> None:
    """Derive the locations that serve an item's channels, pools and the uses of components from what is there."""
    channels: set[str | None] = {None, *state.channels}
    skus = {sku for sku, _ in state.levels}
    state.places_served = {
        (sku, channel): frozenset(
            code
            for one, code in state.levels
            if one == sku and (channel is None or channel in state.channels_served.get(code, frozenset()))
        )
        for sku in skus
        for channel in channels
    }
    state.pools = {}
    for (sku, channel), listing in state.listings.items():
        if listing.pool:
            state.pools.setdefault(sku, {})[channel] = listing.pool
    state.bundle_uses = {}
    for known in state.items.values():
        for component in () if known.composition is None else known.composition.components:
            state.bundle_uses[component.sku] = state.bundle_uses.get(component.sku, 0) + 1


def sourced_of(state: State, seen: Selectors) -> frozenset[tuple[str, str | None]]:
    """Return what is sourced once it is known which items of a claim are bundles: of those the leaves as well."""
    return seen.sourced | {(leaf, channel) for sku, channel in seen.claimed for leaf in leaves_in(state, sku)}


def leaves_in(state: State, sku: str) -> list[str]:
    """Return what a bundle is made of in the end; nothing of what is none."""
    known = state.items.get(sku)
    return [] if known is None or known.composition is None else [part.sku for part in known.composition.leaves]


def visible_part(state: State, seen: Selectors, *, lapsed_at: datetime | None = None) -> State:
    """Return what the writer would load for these selectors, and nothing else.

    With `lapsed_at` it also loads the reservations that have lapsed by then and hold units of the command's items, as
    it does for a claim that was short.
    """
    reservations = reservations_seen(state, seen, lapsed_at=lapsed_at)
    allocations = {key: one for key, one in state.allocations.items() if key[1] in seen.orders}
    sourced = sourced_of(state, seen)
    documents = _levels_of_documents(state, seen, reservations=reservations, allocations=allocations)
    places = frozenset(place for key in sourced for place in state.places_served.get(key, frozenset()))
    named = {(leaf, code) for sku, code in seen.levels if seen.claimed for leaf in leaves_in(state, sku)}
    levels = seen.levels | named | documents | {level for key in sourced for level in _levels_of(state, key)}
    locations = seen.locations | places
    channels = seen.channels | {one.channel for one in reservations.values() if one.channel is not None}
    api_keys = {key_id: state.api_keys[key_id] for key_id in seen.api_keys & state.api_keys.keys()}
    accounts = seen.accounts | {key.account for key in api_keys.values()}
    return State(
        accounts={code: state.accounts[code] for code in accounts & state.accounts.keys()},
        api_keys=api_keys,
        items={sku: state.items[sku] for sku in seen.skus & state.items.keys()},
        locations={code: state.locations[code] for code in locations & state.locations.keys()},
        channels={code: state.channels[code] for code in channels & state.channels.keys()},
        channels_served={code: state.channels_served[code] for code in seen.locations & state.channels_served.keys()},
        levels={key: state.levels[key] for key in levels & state.levels.keys()},
        ended_versions={key: state.ended_versions[key] for key in seen.levels & state.ended_versions.keys()},
        level_counts_by_item={
            sku: state.level_counts_by_item[sku]
            for sku in seen.level_counts_of_items & state.level_counts_by_item.keys()
        },
        level_counts_by_location={
            code: state.level_counts_by_location[code]
            for code in seen.level_counts_of_locations & state.level_counts_by_location.keys()
        },
        listings={key: state.listings[key] for key in seen.listings & state.listings.keys()},
        reservations=reservations,
        allocations=allocations,
        pools={sku: state.pools[sku] for sku, channel in sourced if channel is not None and sku in state.pools},
        places_served={key: state.places_served[key] for key in sourced & state.places_served.keys()},
        bundle_uses={sku: state.bundle_uses[sku] for sku in seen.bundle_uses & state.bundle_uses.keys()},
    )


def reservations_seen(state: State, seen: Selectors, *, lapsed_at: datetime | None) -> dict[str, Reservation]:
    """Return the reservations that are named, and those that have lapsed and hold units of the same items."""
    named = {code: state.reservations[code] for code in seen.reservations & state.reservations.keys()}
    if lapsed_at is None:
        return named
    skus = seen.skus | {sku for one in named.values() for sku, _ in units_by_level(one.lines)}
    skus |= {sku for sku, _ in sourced_of(state, seen)}
    return {
        code: one
        for code, one in state.reservations.items()
        if code in named or (one.has_lapsed(lapsed_at) and any(sku in skus for sku, _ in units_by_level(one.lines)))
    }


def _levels_of_documents(
    state: State,
    seen: Selectors,
    *,
    reservations: dict[str, Reservation],
    allocations: dict[OrderKey, Allocation],
) -> frozenset[LevelKey]:
    lines: list[Line] = [line for one in reservations.values() for line in one.holding]
    lines += [line for one in allocations.values() for line in one.lines]
    new = {
        (sku, place)
        for code, place in seen.new_places
        if code in reservations
        for sku, _ in units_by_level(reservations[code].holding)
    }
    return frozenset(units_by_level(lines)) | new


def _levels_of(state: State, key: tuple[str, str | None]) -> frozenset[LevelKey]:
    return frozenset((key[0], code) for code in state.places_served.get(key, ()))
