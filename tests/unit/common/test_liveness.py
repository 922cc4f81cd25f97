"""Delays between tries."""

import pytest

from common.liveness import Backoff


def test_delays_double_up_to_the_most() -> None:
    backoff = Backoff(first=0.25, most=5.0)
    assert [backoff.next(1.0) for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_jitter_takes_away_up_to_one_half() -> None:
    assert Backoff(first=1.0).next(0.0) == 0.5
    assert Backoff(first=1.0).next(0.5) == 0.75


def test_success_begins_anew() -> None:
    backoff = Backoff()
    backoff.next(1.0)
    backoff.next(1.0)
    backoff.reset()
    assert backoff.next(1.0) == 0.25


def test_a_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff()
    assert max(backoff.next(1.0) for _ in range(2000)) == 5.0


@pytest.mark.parametrize(("first", "most"), [(0.0, 1.0), (2.0, 1.0)])
def test_impossible_bounds_are_refused(first: float, most: float) -> None:
    with pytest.raises(ValueError, match="first delay"):
        Backoff(first, most)
