"""What vouches for an answer of a replica, without any server; tests on real ones are in tests/app/replica."""

from app.read_replica import PrimaryPositions

BOUND = 1.0


def positions(*samples: tuple[float, int]) -> PrimaryPositions:
    """Return what is known after these samples, (asked at, position) each."""
    known = PrimaryPositions(staleness_seconds_max=BOUND)
    for asked_at, position in samples:
        known.add(asked_at=asked_at, position=position)
    return known


def test_without_a_sample_nobody_can_tell() -> None:
    assert positions().vouched(0.0) is None


def test_of_the_samples_within_the_bound_the_oldest_will_do() -> None:
    assert positions((10.0, 3), (10.5, 5), (11.0, 8)).vouched(11.0) == 3
    assert positions((10.0, 3), (10.5, 5), (11.0, 8)).vouched(11.01) == 5
    assert positions((10.0, 3), (10.5, 5), (11.0, 8)).vouched(12.0) == 8


def test_samples_that_are_older_than_the_bound_vouch_for_nothing() -> None:
    known = positions((10.0, 3), (10.5, 5))
    assert known.vouched(11.6) is None
    known.add(asked_at=11.6, position=9)
    assert known.vouched(11.7) == 9


def test_a_primary_that_was_put_back_counts_from_where_it_is_now() -> None:
    known = positions((10.0, 300), (10.5, 2))
    assert known.vouched(11.2) == 2
