"""Every change as a way into the data; the one rule: what a change consumes is made for it, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.permissions.entries import (
    ACCOUNT,
    API_KEY,
    CHANNEL,
    FRESH,
    ITEM,
    LOCATION,
    Entry,
    Probe,
    Values,
)
from tests.permissions.ground import MUG, NO_SKU, OWN_DC, OWN_DESK, OWN_WEB, Ground, fresh
from tests.resolvers.desk import Desk, counted, delta


def changes(ground: Ground) -> list[Entry]:
    """Return every mutation."""
    return [*_stock_changes(), *_catalogue_changes(), *_account_changes(ground), *_imports()]


def mutation(field_name: str, kind: str, own: Values, probes: Mapping[str, str], **more: Any) -> Entry:
    """Return the entry of a change; each probe is (input type and field @ place in the input) with its kind."""
    name = more.pop("name", field_name)
    argument = more.pop("argument", "input")
    return Entry(
        name=name,
        field=f"Mutation.{field_name}",
        declared=f"${argument}: {kind}",
        arguments=f"{argument}: ${argument}",
        own={argument: own if argument == "input" else [own]},
        probes=tuple(
            Probe(
                coordinate=one.partition(" @ ")[0],
                place=(f"{argument}." if argument == "input" else f"{argument}.0.") + one.partition(" @ ")[2],
                kind=named,
            )
            for one, named in probes.items()
        ),
        **more,
    )


def _stock_changes() -> list[Entry]:
    def common(kind: str) -> dict[str, str]:
        return {f"{kind}.sku @ sku": ITEM, f"{kind}.sourceChannelId @ sourceChannelId": CHANNEL}

    named = {"sku": MUG, "idempotencyKey": FRESH, "sourceChannelId": OWN_WEB}
    adjust = {**named, "adjustments": [delta(OWN_DC, -1)]}
    adjust_probes = {
        **common("InventoryAdjustmentInput"),
        "LocationAdjustmentInput.locationId @ adjustments.0.locationId": LOCATION,
    }
    level = {"sku": MUG, "locationId": OWN_DC}
    moves = [{"locationId": OWN_DC, "quantity": 1, "fromPart": "AVAILABLE", "toPart": "DAMAGED"}]
    return [
        mutation("inventoryAdjust", "InventoryAdjustmentInput!", adjust, adjust_probes),
        mutation("inventoryAdjustBulk", "[InventoryAdjustmentInput!]!", adjust, adjust_probes, argument="inputs"),
        mutation(
            "inventorySet",
            "InventorySetInput!",
            {**named, "quantities": [counted(OWN_DC, 90_000)]},
            {**common("InventorySetInput"), "LocationQuantityInput.locationId @ quantities.0.locationId": LOCATION},
        ),
        mutation(
            "inventoryMove",
            "InventoryMoveInput!",
            {**named, "moves": moves},
            {**common("InventoryMoveInput"), "LocationMoveInput.locationId @ moves.0.locationId": LOCATION},
        ),
        mutation(
            "inventoryActivate",
            "InventoryActivateInput!",
            level,
            {"InventoryActivateInput.sku @ sku": ITEM, "InventoryActivateInput.locationId @ locationId": LOCATION},
        ),
        mutation(
            "inventoryDeactivate",
            "InventoryDeactivateInput!",
            level,
            {"InventoryDeactivateInput.sku @ sku": ITEM, "InventoryDeactivateInput.locationId @ locationId": LOCATION},
            prepare=_empty_level,
        ),
    ]


def _catalogue_changes() -> list[Entry]:
    listing = {"ListingUpsertInput.sku @ sku": ITEM, "ListingUpsertInput.channelId @ channelId": CHANNEL}
    return [
        mutation("itemUpsert", "ItemUpsertInput!", {"sku": MUG, "name": "Mug"}, {}),
        mutation("itemUpsertBulk", "[ItemUpsertInput!]!", {"sku": MUG, "name": "Mug"}, {}, argument="inputs"),
        mutation("itemArchive", "ItemArchiveInput!", {"sku": MUG}, {"ItemArchiveInput.sku @ sku": ITEM}, prepare=_item),
        mutation("itemArchive", "ItemArchiveInput!", {"sku": ""}, {}, name="malformed itemArchive"),
        mutation(
            "bundleUpsert",
            "BundleUpsertInput!",
            {"sku": MUG, "components": [{"sku": MUG, "quantity": 1}]},
            {"BundleUpsertInput.sku @ sku": ITEM, "BundleComponentInput.sku @ components.0.sku": ITEM},
            prepare=_bundle_to_be,
        ),
        mutation(
            "bundleDissolve",
            "BundleDissolveInput!",
            {"sku": MUG},
            {"BundleDissolveInput.sku @ sku": ITEM},
            prepare=_item,
        ),
        mutation(
            "locationUpsert", "LocationUpsertInput!", {"code": OWN_DC}, {"LocationUpsertInput.code @ code": LOCATION}
        ),
        mutation(
            "locationUpsert",
            "LocationUpsertInput!",
            {"code": OWN_DC, "channelIds": [OWN_WEB]},
            {"LocationUpsertInput.channelIds @ channelIds.0": CHANNEL},
            name="locationUpsert with channels",
        ),
        mutation(
            "locationArchive",
            "LocationArchiveInput!",
            {"locationId": OWN_DC},
            {"LocationArchiveInput.locationId @ locationId": LOCATION},
            prepare=_location,
        ),
        mutation(
            "channelUpsert", "ChannelUpsertInput!", {"code": OWN_WEB}, {"ChannelUpsertInput.code @ code": CHANNEL}
        ),
        mutation(
            "channelArchive",
            "ChannelArchiveInput!",
            {"channelId": OWN_WEB},
            {"ChannelArchiveInput.channelId @ channelId": CHANNEL},
            prepare=_channel,
        ),
        mutation(
            "listingUpsertBulk",
            "[ListingUpsertInput!]!",
            {"sku": MUG, "channelId": OWN_WEB, "externalKey": "B00MUG"},
            listing,
            argument="inputs",
        ),
    ]


def _account_changes(ground: Ground) -> list[Entry]:
    def scoped(kind: str) -> dict[str, str]:
        return {f"{kind}.channelIds @ channelIds.0": CHANNEL, f"{kind}.locationIds @ locationIds.0": LOCATION}

    scope = {"channelIds": [OWN_WEB], "locationIds": [OWN_DC]}
    new_account = {"code": FRESH, "role": "PARTNER", **scope}
    return [
        mutation("accountCreate", "AccountCreateInput!", new_account, scoped("AccountCreateInput")),
        mutation(
            "accountUpdate",
            "AccountUpdateInput!",
            {"accountId": OWN_DESK, **scope},
            {"AccountUpdateInput.accountId @ accountId": ACCOUNT, **scoped("AccountUpdateInput")},
        ),
        mutation(
            "accountArchive",
            "AccountArchiveInput!",
            {"accountId": OWN_DESK},
            {"AccountArchiveInput.accountId @ accountId": ACCOUNT},
            prepare=_account,
        ),
        mutation(
            "apiKeyCreate",
            "ApiKeyCreateInput!",
            {"accountId": OWN_DESK, **scope},
            {"ApiKeyCreateInput.accountId @ accountId": ACCOUNT, **scoped("ApiKeyCreateInput")},
        ),
        mutation(
            "apiKeyRotate",
            "ApiKeyRotateInput!",
            {"apiKeyId": ground.own_key},
            {"ApiKeyRotateInput.apiKeyId @ apiKeyId": API_KEY},
            prepare=_api_key,
        ),
        mutation(
            "apiKeyRevoke",
            "ApiKeyRevokeInput!",
            {"apiKeyId": ground.own_key},
            {"ApiKeyRevokeInput.apiKeyId @ apiKeyId": API_KEY},
            prepare=_api_key,
        ),
    ]


def _imports() -> list[Entry]:
    """Return an entry a kind of row; of listings and levels one row is refused for everybody, for the error file."""
    rows = {
        "ITEMS": ("sku,name", f"{MUG},Mug", {}),
        "LOCATIONS": ("code,name", f"{OWN_DC},Depot", {LOCATION: "{},Depot"}),
        "LISTINGS": (
            "sku,channel",
            f"{MUG},{OWN_WEB}\n{NO_SKU},{OWN_WEB}",
            {ITEM: f"{{}},{OWN_WEB}", CHANNEL: f"{MUG},{{}}"},
        ),
        "LEVELS": (
            "sku,location,on_hand",
            f"{MUG},{OWN_DC},90000\n{NO_SKU},{OWN_DC},1",
            {ITEM: f"{{}},{OWN_DC},1", LOCATION: f"{MUG},{{}},1"},
        ),
    }
    found = [_import(kind, *row, is_dry_run=is_dry_run) for kind, row in rows.items() for is_dry_run in (False, True)]
    channels = _import("LOCATIONS", "code,channels", f"{OWN_DC},{OWN_WEB}", {CHANNEL: f"{OWN_DC},{{}}"})
    return [*found, replace(channels, name="rowsImport of LOCATIONS with channels")]


def _import(kind: str, columns: str, row: str, probed: Mapping[str, str], *, is_dry_run: bool = False) -> Entry:
    own = {"kind": kind, "csv": f"{columns}\n{row}\n", "dryRun": is_dry_run, "run": FRESH}
    entry = mutation("rowsImport", "RowsImportInput!", own, {}, name=f"rowsImport of {kind}{' dry' * is_dry_run}")
    probes = tuple(
        Probe(
            coordinate=f"RowsImportInput.csv: {named} of {kind}",
            place="input.csv",
            kind=named,
            template=f"{columns}\n{template}\n",
        )
        for named, template in probed.items()
    )
    return replace(entry, probes=probes)


async def _item(desk: Desk) -> Values:
    sku = fresh("SPARE")
    await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": sku})
    return {"sku": sku}


async def _bundle_to_be(desk: Desk) -> Values:
    return {**await _item(desk), "components": [{**await _item(desk), "quantity": 1}]}


async def _empty_level(desk: Desk) -> Values:
    level = {**await _item(desk), "locationId": OWN_DC}
    await desk.accepted("inventoryActivate", "InventoryActivateInput", level)
    document = (
        "mutation($inputs: [ListingUpsertInput!]!) { listingUpsertBulk(inputs: $inputs) { userErrors { code } } }"
    )
    await desk.ask(document, inputs=[{"sku": level["sku"], "channelId": OWN_WEB}])
    return level


async def _location(desk: Desk) -> Values:
    code = fresh("SPARE-DC")
    await desk.accepted("locationUpsert", "LocationUpsertInput", {"code": code})
    return {"locationId": code}


async def _channel(desk: Desk) -> Values:
    code = fresh("SPARE-WEB")
    await desk.accepted("channelUpsert", "ChannelUpsertInput", {"code": code})
    return {"channelId": code}


async def _account(desk: Desk) -> Values:
    code = fresh("spare-desk")
    await desk.accepted("accountCreate", "AccountCreateInput", {"code": code, "role": "PARTNER"})
    return {"accountId": code}


async def _api_key(desk: Desk) -> Values:
    payload = await desk.change("apiKeyCreate", "ApiKeyCreateInput", "apiKey { keyId }", {"accountId": OWN_DESK})
    return {"apiKeyId": payload["apiKey"]["keyId"]}
