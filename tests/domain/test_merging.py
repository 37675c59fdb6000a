"""Merging: entries of one counter become one; the one rule: their order and splitting do not matter."""

from hypothesis import given as for_all
from hypothesis import strategies as some

from domain.adjustments import DELTA_MAX, Entry, disagreeing_entries, merge_entries
from domain.levels import InventoryBucket
from domain.stock_commands import InventoryAdjust, LevelDelta
from tests.domain.given import CENTRAL, EAST, adjust, change, count, part_move, set_to
from tests.domain.given import move as move_command

DAMAGED = InventoryBucket.DAMAGED
ON_HAND = InventoryBucket.ON_HAND
CHANGES = some.builds(
    change,
    some.sampled_from([EAST, CENTRAL, "w"]),
    some.integers(min_value=-DELTA_MAX, max_value=DELTA_MAX),
    some.sampled_from(InventoryBucket),
    seen=some.just(7) | some.none(),
)
LISTS = some.lists(CHANGES, max_size=12)


def merged_amounts(
    command: InventoryAdjust,
) -> dict[tuple[str, InventoryBucket], tuple[int | None, int | None]]:
    merged = merge_entries(command.entries)
    return {key: (entry.delta, entry.change_from) for key, entry in merged.items()}


def test_deltas_are_summed_and_the_first_entry_gives_its_place() -> None:
    entries = adjust(change(EAST, 5), change(CENTRAL, 1), change(EAST, -2, seen=4), change(EAST, 9)).entries
    assert merge_entries(entries) == {
        (EAST, ON_HAND): Entry(
            location=EAST,
            bucket=ON_HAND,
            delta=12,
            change_from=4,
            field=("adjustments", "0"),
            amount_field="delta",
        ),
        (CENTRAL, ON_HAND): Entry(
            location=CENTRAL, bucket=ON_HAND, delta=1, field=("adjustments", "1"), amount_field="delta"
        ),
    }


def test_counts_are_kept_as_first_stated() -> None:
    entries = set_to(count(EAST, 5, seen=0), count(EAST, 5)).entries
    assert merge_entries(entries) == {
        (EAST, ON_HAND): Entry(
            location=EAST,
            bucket=ON_HAND,
            quantity=5,
            change_from=0,
            field=("quantities", "0"),
            amount_field="quantity",
        )
    }


def test_a_move_is_two_entries_at_one_place() -> None:
    first, second = move_command(part_move(EAST, 5, source=DAMAGED, target=InventoryBucket.QUARANTINED)).entries
    assert (first.bucket, first.delta, first.field, first.bucket_field) == (
        DAMAGED,
        -5,
        ("moves", "0"),
        "fromBucket",
    )
    assert (second.bucket, second.delta) == (InventoryBucket.QUARANTINED, 5)
    assert (second.field, second.bucket_field) == (("moves", "0"), "toBucket")
    assert first.amount_path == second.amount_path == ("moves", "0", "quantity")


def test_a_merged_move_keeps_its_place() -> None:
    moves = (part_move(EAST, 5, source=DAMAGED), part_move(EAST, 3, target=DAMAGED))
    (merged,) = merge_entries(move_command(*moves).entries).values()
    assert merged == Entry(
        location=EAST,
        bucket=DAMAGED,
        delta=-2,
        field=("moves", "0"),
        amount_field="quantity",
        bucket_field="fromBucket",
    )


@for_all(LISTS, some.data())
def test_the_order_of_entries_does_not_matter(changes: list[LevelDelta], data: some.DataObject) -> None:
    shuffled = data.draw(some.permutations(changes))
    assert merged_amounts(adjust(*changes)) == merged_amounts(adjust(*shuffled))


@for_all(LISTS)
def test_merged_amounts_are_the_sums(changes: list[LevelDelta]) -> None:
    sums: dict[tuple[str, InventoryBucket], int] = {}
    for one in changes:
        sums[one.location, one.bucket] = sums.get((one.location, one.bucket), 0) + one.delta
    assert {key: delta for key, (delta, _) in merged_amounts(adjust(*changes)).items()} == sums


@for_all(LISTS, some.data())
def test_splitting_an_entry_does_not_matter(changes: list[LevelDelta], data: some.DataObject) -> None:
    part = data.draw(some.integers(min_value=-100, max_value=100))
    split = [
        piece
        for one in changes
        for piece in (
            change(one.location, one.delta - part, one.bucket, seen=one.change_from),
            change(one.location, part, one.bucket),
        )
    ]
    assert merged_amounts(adjust(*changes)) == merged_amounts(adjust(*split))


@for_all(LISTS)
def test_entries_that_agree_are_not_called_contradictory(changes: list[LevelDelta]) -> None:
    assert list(disagreeing_entries(adjust(*changes).entries)) == []
