"""The fields of the catalogue's records that an upsert may name, and what each may hold.

The rule: what is wrong here is wrong whatever the state is; what depends on the record itself stands with its noun.
"""

from collections.abc import Iterator
from typing import TypedDict

from domain.promises import SourcingStrategy
from domain.records import Attribute, Identifier, LocationKind
from domain.rejections import Rejection, RejectionCode
from domain.text import (
    NAME_LENGTH_MAX,
    code_problems,
    country_code_problems,
    exact_text_problems,
    free_text_problems,
)

ATTRIBUTES_PER_ITEM_MAX = 50
IDENTIFIERS_PER_ITEM_MAX = 50
CHANNELS_PER_LOCATION_MAX = 250
PRIORITY_MAX = 1_000_000
TTL_SECONDS_MAX = 30 * 86_400
"""30 days: the longest that any channel may let a reservation live."""


class ItemFields(TypedDict, total=False):
    """The fields of an item that an upsert names."""

    name: str | None
    product_code: str | None
    attributes: tuple[Attribute, ...]
    identifiers: tuple[Identifier, ...]
    is_backorderable: bool


class LocationFields(TypedDict, total=False):
    """The fields of a location that an upsert names."""

    name: str | None
    kind: LocationKind
    country_code: str | None
    region: str | None
    priority: int


class ChannelFields(TypedDict, total=False):
    """The fields of a channel that an upsert names."""

    name: str | None
    sourcing: SourcingStrategy
    reservation_ttl_seconds: int
    reservation_ttl_seconds_max: int


def item_fields_problems(fields: ItemFields) -> Iterator[Rejection]:
    """Yield what an item may not be given."""
    yield from free_text_problems(fields.get("name"), field=("name",), what="The name")
    yield from free_text_problems(fields.get("product_code"), field=("productCode",), what="The product code")
    attributes = [(attribute.name, attribute.value) for attribute in fields.get("attributes", ())]
    identifiers = [(identifier.scheme, identifier.value) for identifier in fields.get("identifiers", ())]
    yield from _pairs_problems(attributes, field="attributes", count_max=ATTRIBUTES_PER_ITEM_MAX)
    yield from _pairs_problems(identifiers, field="identifiers", count_max=IDENTIFIERS_PER_ITEM_MAX)


def location_fields_problems(fields: LocationFields, channels: frozenset[str] | None) -> Iterator[Rejection]:
    """Yield what a location may not be given; `channels` are those that it is to serve."""
    yield from free_text_problems(fields.get("name"), field=("name",), what="The name")
    yield from country_code_problems(fields.get("country_code"), field=("countryCode",))
    region = fields.get("region")
    if region is not None:
        yield from code_problems(region, field=("region",), what="The region")
    yield from _number_problems(fields.get("priority"), field="priority", least=0, most=PRIORITY_MAX)
    for code in sorted(channels or ()):
        yield from code_problems(code, field=("channelIds",), what="A channel")
    if len(channels or ()) > CHANNELS_PER_LOCATION_MAX:
        message = f"A location serves at most {CHANNELS_PER_LOCATION_MAX} channels; send fewer."
        yield Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=("channelIds",))


def channel_fields_problems(fields: ChannelFields) -> Iterator[Rejection]:
    """Yield what a channel may not be given."""
    yield from free_text_problems(fields.get("name"), field=("name",), what="The name")
    for field, seconds in (
        ("reservationTtlSeconds", fields.get("reservation_ttl_seconds")),
        ("reservationTtlSecondsMax", fields.get("reservation_ttl_seconds_max")),
    ):
        yield from _number_problems(seconds, field=field, least=1, most=TTL_SECONDS_MAX)


def _number_problems(number: int | None, *, field: str, least: int, most: int) -> Iterator[Rejection]:
    if number is not None and not least <= number <= most:
        message = f"{field} is {number}; send {least} to {most}."
        yield Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=(field,))


def _pairs_problems(pairs: list[tuple[str, str]], *, field: str, count_max: int) -> Iterator[Rejection]:
    if len(pairs) > count_max:
        message = f"There are {len(pairs)} {field}; send at most {count_max}."
        yield Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=(field,))
        return
    for index, pair in enumerate(pairs):
        for text in pair:
            yield from exact_text_problems(
                text, field=(field, str(index)), what=f"An entry of {field}", length_max=NAME_LENGTH_MAX
            )
