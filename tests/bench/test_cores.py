"""Processor time is charged to whom it belongs, and what the machine does not say is not made up."""

import os

from app.bench.cores import BusyShares, Usage, core_busy_seconds, process_busy_seconds, shares_between


def usage(at: float, *, generator: float, server: float | None, core: float | None) -> Usage:
    return Usage(at=at, generator_seconds=generator, server_seconds=server, core_seconds=core)


def test_shares_are_differences_by_the_time_between() -> None:
    begin = usage(10.0, generator=1.0, server=5.0, core=50.0)
    end = usage(14.0, generator=3.0, server=8.0, core=54.0)
    assert shares_between(begin, end) == BusyShares(generator=0.5, server=0.75, others=0.25)


def test_what_is_not_known_stays_unknown() -> None:
    begin = usage(0.0, generator=0.0, server=None, core=1.0)
    assert shares_between(begin, usage(1.0, generator=1.0, server=None, core=2.0)) == BusyShares(generator=1.0)
    assert (core_busy_seconds(None), process_busy_seconds(None)) == (None, None)
    assert process_busy_seconds(2**22 + 1) is None


def test_no_other_work_is_never_negative() -> None:
    begin = usage(0.0, generator=0.0, server=0.0, core=0.0)
    assert shares_between(begin, usage(1.0, generator=0.0, server=0.5, core=0.4)).others == 0.0


def test_this_process_has_worked() -> None:
    assert (process_busy_seconds(os.getpid()) or 0.0) > 0.0
