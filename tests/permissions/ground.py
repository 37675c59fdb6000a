"""The ground that the matrix is run on: a shop of which the scoped callers see one channel and one location.

The one rule: all that they must never be told of has FOREIGN in its name.
"""

from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from domain.principals import EVERYTHING, Principal, Role, Scope
from resolvers import node_ids
from tests.permissions.promises import ELSEWHERE_CART, ELSEWHERE_ORDER, NO_CART, NO_ORDER, PAIR, Promises, lay_promises
from tests.resolvers.desk import Answer, Desk, counted, delta

OWN_DESK, OTHER_DESK, GONE_DESK, NO_DESK = "own-desk", "other-desk", "gone-desk", "no-desk"
OWN_DC, FOREIGN_DC, NO_DC = "OWN-DC", "FOREIGN-DC", "NOWHERE-DC"
OWN_CLOSED_DC, FOREIGN_CLOSED_DC = "OWN-CLOSED-DC", "FOREIGN-CLOSED-DC"
OWN_WEB, FOREIGN_WEB, NO_WEB = "OWN-WEB", "FOREIGN-WEB", "NOWHERE-WEB"
OWN_CLOSED_WEB, FOREIGN_CLOSED_WEB = "OWN-CLOSED-WEB", "FOREIGN-CLOSED-WEB"
MUG, JAR, NO_SKU = "MUG-01", "JAR-01", "NO-SUCH-01"
OWN_SALE, ELSEWHERE_SALE, OTHER_SALE, NO_SALE = "own-sale", "elsewhere-sale", "other-sale", "no-sale"
OPENING: Final = 100_000

ONE_OF_EACH: Final = Scope(channels=frozenset({OWN_WEB}), locations=frozenset({OWN_DC}))
WITH_CLOSED: Final = Scope(channels=frozenset({OWN_WEB, OWN_CLOSED_WEB}), locations=frozenset({OWN_DC, OWN_CLOSED_DC}))
NUMBERS: Final = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the seed made that has no name of our choosing."""

    before_sales: str
    own_sale: str
    elsewhere_sale: str
    other_sale: str
    own_key: str
    other_key: str
    revoked_key: str
    promises: Promises


def caller(role: Role, scope: Scope = EVERYTHING, *, account: str = OWN_DESK) -> Principal:
    """Return a caller with this role and scope."""
    return Principal(account=account, name=f"{account}/{role.lower()}", role=role, scope=scope)


def seated(desk: Desk, principal: Principal) -> Desk:
    """Return the desk of another caller at the same gateway."""
    return replace(desk, principal=principal)


def fresh(prefix: str) -> str:
    """Return a name that nobody has used."""
    return f"{prefix}-{next(NUMBERS)}"


async def lay_ground(desk: Desk) -> Ground:
    """Bring in the shop. MUG lies at OWN_DC and FOREIGN_DC, which both serve and are listed on both channels."""
    own = seated(desk, caller(Role.ADMIN))
    other = seated(desk, caller(Role.ADMIN, account=OTHER_DESK))
    await _places(own)
    await _items(own)
    for code in (OWN_CLOSED_WEB, FOREIGN_CLOSED_WEB):
        await own.accepted("channelArchive", "ChannelArchiveInput", {"channelId": code})
    for code in (OWN_CLOSED_DC, FOREIGN_CLOSED_DC):
        await own.accepted("inventoryDeactivate", "InventoryDeactivateInput", {"sku": MUG, "locationId": code})
        await own.accepted("locationArchive", "LocationArchiveInput", {"locationId": code})
    await own.accepted("itemArchive", "ItemArchiveInput", {"sku": JAR})
    before_sales = await own.position()
    sales = [
        await _sale(own, OWN_SALE, OWN_DC, FOREIGN_DC),
        await _sale(own, ELSEWHERE_SALE, FOREIGN_DC),
        await _sale(other, OTHER_SALE, FOREIGN_DC),
    ]
    keys = [await _account(own, code) for code in (OWN_DESK, OTHER_DESK, GONE_DESK)]
    revoked = await _key(own, OWN_DESK)
    await own.accepted("apiKeyRevoke", "ApiKeyRevokeInput", {"apiKeyId": revoked})
    await own.accepted("accountArchive", "AccountArchiveInput", {"accountId": GONE_DESK})
    own_sale, elsewhere_sale, other_sale = sales
    return Ground(
        before_sales=before_sales,
        own_sale=own_sale,
        elsewhere_sale=elsewhere_sale,
        other_sale=other_sale,
        own_key=keys[0],
        other_key=keys[1],
        revoked_key=revoked,
        promises=await lay_promises(own),
    )


async def _places(desk: Desk) -> None:
    for code in (OWN_WEB, FOREIGN_WEB, OWN_CLOSED_WEB, FOREIGN_CLOSED_WEB):
        await desk.accepted("channelUpsert", "ChannelUpsertInput", {"code": code, "name": f"{code} shop"})
    serves = [OWN_WEB, FOREIGN_WEB, OWN_CLOSED_WEB, FOREIGN_CLOSED_WEB]
    for code in (OWN_DC, FOREIGN_DC, OWN_CLOSED_DC, FOREIGN_CLOSED_DC):
        fields = {"code": code, "name": f"{code} depot", "countryCode": "DE", "region": "north", "channelIds": serves}
        await desk.accepted("locationUpsert", "LocationUpsertInput", fields)


async def _items(desk: Desk) -> None:
    fields = {
        "name": "Mug",
        "productCode": "MUG",
        "attributes": [{"name": "size", "value": "XL"}],
        "identifiers": [{"scheme": "GTIN", "value": "4006381333931"}],
    }
    await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": MUG, **fields})
    await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": JAR, **fields})
    await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": PAIR})
    made_of = [{"sku": MUG, "quantity": 2}]
    await desk.accepted("bundleUpsert", "BundleUpsertInput", {"sku": PAIR, "components": made_of})
    for code in (OWN_CLOSED_DC, FOREIGN_CLOSED_DC):
        await desk.accepted("inventoryActivate", "InventoryActivateInput", {"sku": MUG, "locationId": code})
    quantities = [counted(OWN_DC, OPENING), counted(FOREIGN_DC, OPENING)]
    payload = await desk.count("userErrors { code }", sku=MUG, quantities=quantities, idempotencyKey="opening")
    assert payload == {"userErrors": []}
    listings = [
        {"sku": MUG, "channelId": code, "externalKey": f"{code}-key"}
        for code in (OWN_WEB, FOREIGN_WEB, OWN_CLOSED_WEB, FOREIGN_CLOSED_WEB)
    ]
    document = (
        "mutation($inputs: [ListingUpsertInput!]!) { listingUpsertBulk(inputs: $inputs) { userErrors { code } } }"
    )
    assert await desk.ask(document, inputs=listings) == {"listingUpsertBulk": {"userErrors": []}}


async def _sale(desk: Desk, key: str, *locations: str) -> str:
    payload = await desk.adjust(
        "adjustment { id } userErrors { code }",
        sku=MUG,
        adjustments=[delta(code, -1) for code in locations],
        idempotencyKey=key,
        sourceChannelId=OWN_WEB if key == OWN_SALE else FOREIGN_WEB,
        referenceDocumentUri="https://shop.example/orders/1",
        correlationId="trace-1",
    )
    id: str = payload["adjustment"]["id"]
    return id


async def _account(desk: Desk, code: str) -> str:
    fields = {"code": code, "role": "PARTNER", "name": f"{code} people"}
    await desk.accepted("accountCreate", "AccountCreateInput", fields)
    scope = {"channelIds": [FOREIGN_WEB, OWN_WEB], "locationIds": [FOREIGN_DC, OWN_DC]}
    await desk.accepted("accountUpdate", "AccountUpdateInput", {"accountId": code, **scope})
    return await _key(desk, code)


async def _key(desk: Desk, account: str) -> str:
    fields = {
        "accountId": account,
        "name": "till 1",
        "expiresAt": "2090-01-01T00:00:00Z",
        "channelIds": [FOREIGN_WEB],
        "locationIds": [FOREIGN_DC],
    }
    payload: Answer = await desk.change("apiKeyCreate", "ApiKeyCreateInput", "apiKey { keyId }", fields)
    key_id: str = payload["apiKey"]["keyId"]
    return key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """One kind of thing that is asked for by name: what lies outside the caller's scope, and what is not there."""

    type_name: str
    foreign: tuple[str, ...]
    missing: str
    closed: tuple[str, ...]
    """Archived things that lie within the scope of a caller with WITH_CLOSED."""


def variants(ground: Ground) -> dict[str, Variants]:
    """Return the codes or keys of each kind of thing."""
    pair = node_ids.pair_key
    level, listing = node_ids.LEVEL, node_ids.LISTING
    adjustments = tuple(_key_of(one) for one in (ground.elsewhere_sale, ground.other_sale))
    return {
        node_ids.LOCATION: Variants(
            type_name=node_ids.LOCATION,
            foreign=(FOREIGN_DC, FOREIGN_CLOSED_DC),
            missing=NO_DC,
            closed=(OWN_CLOSED_DC,),
        ),
        node_ids.CHANNEL: Variants(
            type_name=node_ids.CHANNEL,
            foreign=(FOREIGN_WEB, FOREIGN_CLOSED_WEB),
            missing=NO_WEB,
            closed=(OWN_CLOSED_WEB,),
        ),
        level: Variants(
            type_name=level,
            foreign=(pair(MUG, FOREIGN_DC), pair(MUG, FOREIGN_CLOSED_DC)),
            missing=pair(MUG, NO_DC),
            closed=(pair(MUG, OWN_CLOSED_DC), pair(JAR, OWN_DC)),
        ),
        listing: Variants(
            type_name=listing,
            foreign=(pair(MUG, FOREIGN_WEB), pair(MUG, FOREIGN_CLOSED_WEB)),
            missing=pair(MUG, NO_WEB),
            closed=(pair(MUG, OWN_CLOSED_WEB), pair(JAR, OWN_WEB)),
        ),
        node_ids.ITEM: Variants(type_name=node_ids.ITEM, foreign=(), missing=NO_SKU, closed=(JAR,)),
        node_ids.ADJUSTMENT: Variants(
            type_name=node_ids.ADJUSTMENT, foreign=adjustments, missing="0" * len(adjustments[0]), closed=()
        ),
        node_ids.ACCOUNT: Variants(
            type_name=node_ids.ACCOUNT, foreign=(OTHER_DESK, GONE_DESK), missing=NO_DESK, closed=(GONE_DESK,)
        ),
        node_ids.API_KEY: Variants(
            type_name=node_ids.API_KEY,
            foreign=(ground.other_key, ground.revoked_key),
            missing="0" * len(ground.own_key),
            closed=(),
        ),
        **_documents(ground.promises),
        "idempotencyKey": Variants(
            type_name="idempotencyKey", foreign=(ELSEWHERE_SALE, OTHER_SALE), missing=NO_SALE, closed=()
        ),
    }


def _documents(made: Promises) -> dict[str, Variants]:
    """Return the plain ids of each kind of document, and the names that others gave theirs."""
    foreign = {
        node_ids.RESERVATION: (made.foreign_reservations, "0" * 32),
        node_ids.ALLOCATION: (made.foreign_allocations, "0" * 32),
        node_ids.SHIPMENT: (made.foreign_shipments, "0" * 32),
        node_ids.CONFLICT: ((made.foreign_conflict,), "0" * 32),
        "externalReference": ((ELSEWHERE_CART,), NO_CART),
        "orderId": ((ELSEWHERE_ORDER,), NO_ORDER),
    }
    return {
        kind: Variants(type_name=kind, foreign=ids, missing=missing, closed=())
        for kind, (ids, missing) in foreign.items()
    }


def _key_of(id: str) -> str:
    return node_ids.code_from(id, type_name=node_ids.ADJUSTMENT)
