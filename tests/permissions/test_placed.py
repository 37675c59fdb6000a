"""The table covers the schema: every field is placed, and every argument that names something is probed."""

import pytest
import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
)

from app.permission_matrix import Cell
from domain import permissions
from domain.permissions import Permission
from domain.principals import Role
from resolvers.federation import federation_config
from resolvers.permissions import MUTATIONS, NODES, placed_fields
from resolvers.schema import NODE_LOADERS, FederatedQuery, Mutation
from tests.permissions.entries import Entry
from tests.permissions.ground import caller
from tests.permissions.roads import ROADS
from tests.permissions.runs import Matrix

CALLED_AFTER_SOMETHING = frozenset({"sku", "skus", "code", "idempotencyKey", "orderId", "externalReference"})
"""Texts that name something, besides all that is declared an ID."""
PROBED_ELSEWHERE = {
    "AccountCreateInput.code": "a new name, which none but the administrator of everything may give",
    "ItemUpsertInput.sku": "items lie in nobody's scope: a missing one is created, an archived one comes back",
    "InventoryAdjustmentInput.idempotencyKey": "a name space of the account's own",
    "InventorySetInput.idempotencyKey": "as above",
    "InventoryMoveInput.idempotencyKey": "as above",
    "InventoryActivateInput.idempotencyKey": "as above",
    "InventoryDeactivateInput.idempotencyKey": "as above",
    "ReservationCreateInput.idempotencyKey": "as above",
    "ReservationExtendInput.idempotencyKey": "as above",
    "ReservationReleaseInput.idempotencyKey": "as above",
    "ReservationMoveInput.idempotencyKey": "as above",
    "ReservationCommitInput.idempotencyKey": "as above",
    "AllocationCreateInput.idempotencyKey": "as above",
    "AllocationCancelInput.idempotencyKey": "as above",
    "ShipmentConfirmInput.idempotencyKey": "as above",
    "ReservationCreateInput.externalReference": "a note of the caller's own",
    "ReservationCommitInput.orderId": "a new name within a channel that the caller sees",
    "AllocationCreateInput.orderId": "as above",
}


def fields_of(schema: GraphQLSchema) -> set[str]:
    """Return every field of the schema as `Type.field`."""
    return {
        f"{name}.{field}"
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not name.startswith("__")
        for field in kind.fields
    }


def names_something(name: str, argument: GraphQLArgument | GraphQLInputField) -> bool:
    """Return whether the argument or input field takes an id, a code, a SKU or a key."""
    return get_named_type(argument.type).name in ("ID", "_Any") or name in CALLED_AFTER_SOMETHING


def naming_coordinates(schema: GraphQLSchema) -> set[str]:
    """Return every argument and input field that names something."""
    found: set[str] = set()
    for type_name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLInputObjectType):
            found |= {f"{type_name}.{name}" for name, one in kind.fields.items() if names_something(name, one)}
        elif isinstance(kind, GraphQLObjectType) and not type_name.startswith("__"):
            found |= {
                f"{type_name}.{field_name}({name}:)"
                for field_name, field in kind.fields.items()
                for name, one in field.args.items()
                if names_something(name, one)
            }
    return found


def test_every_field_is_placed_and_every_placed_field_is_there(schema: strawberry.Schema) -> None:
    """Given the served schema, then the table holds its fields, all of them and no others."""
    assert fields_of(schema._schema) == set(placed_fields())


def test_a_new_field_that_is_not_placed_is_noticed() -> None:
    """Given a schema with one more field, then that field is missing from the table."""

    @strawberry.type(name="Query")
    class Larger(FederatedQuery):
        @strawberry.field
        def margin(self) -> int:
            return 0

    larger = strawberry.Schema(query=Larger, mutation=Mutation, config=federation_config())
    assert fields_of(larger._schema) - set(placed_fields()) == {"Query.margin"}


def test_every_type_has_a_road_and_every_node_a_permission(schema: strawberry.Schema) -> None:
    """Given the placed fields, then the matrix can reach their types, and `node` knows whom each kind is for."""
    roots = {"Query", "Mutation", "Subscription"}
    assert {name.partition(".")[0] for name in placed_fields()} - roots == set(ROADS)
    assert set(NODES) == set(NODE_LOADERS)
    implementing = {one.name for one in schema._schema.get_possible_types(node_interface(schema._schema))}
    assert implementing == set(NODES)


def node_interface(schema: GraphQLSchema) -> GraphQLInterfaceType:
    """Return the interface of all nodes."""
    found = schema.type_map["Node"]
    assert isinstance(found, GraphQLInterfaceType)
    return found


def test_every_root_field_is_asked_for(all_entries: dict[str, Entry]) -> None:
    """Given the placed root fields, then each is the way in of an entry."""
    roots = {name for name in placed_fields() if name.partition(".")[0] in ("Query", "Mutation", "Subscription")}
    assert {one.field for one in all_entries.values()} == roots


def test_every_argument_that_names_something_is_probed(
    schema: strawberry.Schema, all_entries: dict[str, Entry]
) -> None:
    """Given all arguments and input fields that take an id, code, SKU or key, then each is probed, or says why not."""
    probed = {probe.coordinate for entry in all_entries.values() for probe in entry.probes}
    in_texts = {one for one in probed if one.startswith("RowsImportInput.csv")}
    assert naming_coordinates(schema._schema) == (probed - in_texts) | set(PROBED_ELSEWHERE)


@pytest.mark.parametrize("name", [name for name, needed in MUTATIONS.items() if needed])
async def test_each_change_needs_the_permission_that_it_is_placed_with(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Given a role that lacks exactly the permission of a change, then it is refused; one with nothing else is not."""
    entry = next(one for one in matrix.entries.values() if one.field == f"Mutation.{name}")
    by, needed = caller(Role.PARTNER), MUTATIONS[name]
    assert needed is not None
    monkeypatch.setitem(permissions.GRANTS, Role.PARTNER, frozenset(Permission) - {needed})
    assert await matrix.root_cell(entry, by) is Cell.REFUSED
    monkeypatch.setitem(permissions.GRANTS, Role.PARTNER, frozenset({needed}))
    assert await matrix.root_cell(entry, by) is Cell.SHOWN
