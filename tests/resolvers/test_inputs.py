"""Compiled inputs are those that Strawberry's own conversion builds."""

from typing import Any

import pytest
import strawberry
from graphql import GraphQLInputObjectType
from graphql.utilities import coerce_input_value
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.types.arguments import convert_argument

from resolvers.inputs import InputBuilder
from resolvers.schema import build_schema
from resolvers.stock_inputs import InventoryAdjustmentInput, InventorySetInput

SCHEMA = build_schema()
INPUT_TYPES = [kind for kind in SCHEMA._schema.type_map.values() if isinstance(kind, GraphQLInputObjectType)]


def converted(kind: type, value: Any, *, fast: bool) -> Any:
    """Return the input object for a raw value: by the compiled function, or by the reference alone."""
    core: Any = SCHEMA._schema.get_type(kind.__name__)
    coerced = coerce_input_value(value, core)
    saved = {one: one.from_input for one in definitions()}
    try:
        if not fast:
            for one in saved:
                one.from_input = None
        return convert_argument(coerced, kind, SCHEMA.schema_converter.scalar_registry, SCHEMA.config)
    finally:
        for one, builder in saved.items():
            one.from_input = builder


def definitions() -> list[Any]:
    """Return Strawberry's definitions of all input types."""
    return [kind.extensions["strawberry-definition"] for kind in INPUT_TYPES]


def test_every_input_type_is_compiled() -> None:
    """Given the schema, then each of its input types is built by a compiled function."""
    assert [one.name for one in definitions() if not isinstance(one.from_input, InputBuilder)] == []


entries = st.fixed_dictionaries(
    {"locationId": st.text(max_size=3), "delta": st.integers(-9, 9)},
    optional={
        "bucket": st.sampled_from(["ON_HAND", "DAMAGED"]),
        "changeFromQuantity": st.none() | st.integers(0, 9),
    },
)
adjustments = st.fixed_dictionaries(
    {"sku": st.text(max_size=3), "adjustments": st.lists(entries, max_size=3), "idempotencyKey": st.text(max_size=3)},
    optional={
        "sourceChannelId": st.none() | st.text(max_size=3),
        "reason": st.none() | st.sampled_from(["SALE", "OTHER"]),
        "correlationId": st.none() | st.text(max_size=3),
        "occurredAt": st.none() | st.just("2026-11-20T10:00:00+02:00"),
        "onShortage": st.sampled_from(["REJECT", "RECORD_CONFLICT"]),
        "dryRun": st.booleans(),
    },
)


@settings(max_examples=100, deadline=None)
@given(value=adjustments)
def test_an_adjustment_is_that_of_the_reference(value: dict[str, Any]) -> None:
    """Given any input, when both build it, then both build the same."""
    fast = converted(InventoryAdjustmentInput, value, fast=True)
    assert fast == converted(InventoryAdjustmentInput, value, fast=False)
    assert type(fast) is InventoryAdjustmentInput


@pytest.mark.parametrize("stated", [{}, {"changeFromQuantity": None}, {"changeFromQuantity": 5}])
def test_absence_and_null_stay_apart(stated: dict[str, Any]) -> None:
    """Given a field whose default is "not stated", then null is not the same as leaving it out."""
    value = {"sku": "A", "idempotencyKey": "k", "quantities": [{"locationId": "L", "quantity": 1, **stated}]}
    fast = converted(InventorySetInput, value, fast=True)
    assert fast == converted(InventorySetInput, value, fast=False)
    assert fast.quantities[0].change_from_quantity is stated.get("changeFromQuantity", strawberry.UNSET)
