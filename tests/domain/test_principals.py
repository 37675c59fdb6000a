"""Scopes; the one rule: narrowing never lets through more, and what is named by nobody is seen by nobody."""

import pytest

from domain.principals import EVERYTHING, LOCAL_PRINCIPAL, Principal, Role, Scope

EAST_ONLY = Scope(locations=frozenset({"EAST"}))
WEB_ONLY = Scope(channels=frozenset({"web"}))


@pytest.mark.parametrize(
    ("scope", "channel", "location"),
    [
        (EVERYTHING, True, True),
        (EAST_ONLY, True, True),
        (WEB_ONLY, True, True),
        (Scope(channels=frozenset({"till"})), False, True),
        (Scope(locations=frozenset({"WEST"})), True, False),
        (Scope(channels=frozenset(), locations=frozenset()), False, False),
        (Scope(channels=frozenset({"WEB"}), locations=frozenset({"east"})), False, False),
    ],
)
def test_a_scope_sees_what_it_names_and_all_where_it_names_nothing(scope: Scope, channel: bool, location: bool) -> None:
    """Given a scope, when the channel web and the location EAST are looked for, then they are seen exactly by code."""
    assert (scope.sees_channel("web"), scope.sees_location("EAST")) == (channel, location)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (None, None, None),
        (None, {"a"}, {"a"}),
        ({"a"}, None, {"a"}),
        ({"a", "b"}, {"b", "c"}, {"b"}),
        ({"a"}, {"b"}, set()),
        (None, set(), set()),
        (set(), {"a"}, set()),
    ],
)
def test_narrowing_lets_through_what_both_let_through(
    one: set[str] | None, other: set[str] | None, both: set[str] | None
) -> None:
    """Given two scopes, when one narrows the other, then channels and locations are intersected, each by itself."""

    def codes(some: set[str] | None) -> frozenset[str] | None:
        return None if some is None else frozenset(some)

    channels = Scope(channels=codes(one)).narrowed(Scope(channels=codes(other)))
    assert channels == Scope(channels=codes(both))
    locations = Scope(locations=codes(one)).narrowed(Scope(locations=codes(other)))
    assert locations == Scope(locations=codes(both))


def test_narrowing_channels_leaves_locations_alone() -> None:
    """Given one scope of channels and one of locations, when they are joined, then both limits hold."""
    assert WEB_ONLY.narrowed(EAST_ONLY) == Scope(channels=frozenset({"web"}), locations=frozenset({"EAST"}))


def test_the_caller_of_an_open_gateway_is_an_administrator_who_sees_everything() -> None:
    """Given no keys, when somebody calls, then this is who they are."""
    administrator = Principal(account="local", name="local", role=Role.ADMIN, scope=EVERYTHING)
    assert administrator == LOCAL_PRINCIPAL
