"""Whether what a node holds of a stripe is ahead of all that is to come."""

import pytest

from clientproxy.core.ahead import AHEAD_FOR, LEAP, MOST_LEAPS, NEAR_WITHIN, Ahead, Leaps

BEAT = 0.25
LIVE = 1_000
POISON = LIVE + (1 << 22)


def beats(
    ahead: Ahead, *, own: int, newest: int, pace: float, seconds: float, now: float = 0.0
) -> float | None:
    """Let a parent's heartbeats come; return when the node knows that it is ahead, None: never.

    The parent begins at `newest`, and goes on by `pace` numbers a second.
    """
    for beat in range(int(seconds / BEAT) + 1):
        at = beat * BEAT
        if ahead.told(newest + int(at * pace), own, now + at, starved=False):
            return at
    return None


@pytest.mark.parametrize("pace", [4, 500, 20_000])
def test_what_no_parent_comes_near_was_never_sent(pace: int) -> None:
    known = beats(Ahead(), own=POISON, newest=LIVE, pace=pace, seconds=60.0)
    assert known is not None
    assert AHEAD_FOR <= known <= AHEAD_FOR + 2 * BEAT


def test_a_slow_source_only_takes_longer() -> None:
    known = beats(Ahead(), own=POISON, newest=LIVE, pace=0.5, seconds=60.0)
    assert known is not None
    assert known <= AHEAD_FOR + 2 / 0.5


def test_a_parent_that_is_late_comes_there() -> None:
    """It is behind by nearly as much as it goes on by in the time that it is given."""
    own = LIVE + int(500 * NEAR_WITHIN)
    assert beats(Ahead(), own=own, newest=LIVE, pace=500, seconds=60.0) is None


def test_nor_does_an_idle_source_or_a_starved_parent_prove_anything() -> None:
    assert beats(Ahead(), own=POISON, newest=LIVE, pace=0, seconds=60.0) is None
    ahead = Ahead()
    told = [ahead.told(LIVE + n, POISON, n * BEAT, starved=True) for n in range(100)]
    assert not any(told)


def test_a_pause_does_not_count() -> None:
    """A parent that had nothing for long is not far behind for long."""
    ahead, own = Ahead(), LIVE + 1_000
    assert beats(ahead, own=own, newest=LIVE, pace=0, seconds=60.0) is None
    assert beats(ahead, own=own, newest=LIVE, pace=500, seconds=60.0, now=60.0) is None


def test_what_grows_is_in_order() -> None:
    """Another parent feeds; this one is far behind."""
    ahead = Ahead()
    assert not any(ahead.told(LIVE + n, POISON + n, n * BEAT, starved=False) for n in range(100))


@pytest.mark.parametrize(("waited", "known"), [(AHEAD_FOR, True), (AHEAD_FOR / 2, False)])
def test_a_parent_whose_numbers_fall_has_found_it_out_itself(waited: float, known: bool) -> None:
    ahead = Ahead()
    assert not ahead.told(POISON, POISON, 0.0, starved=False)
    assert not ahead.told(0, POISON, waited, starved=False)
    assert ahead.told(LIVE, POISON, waited, starved=False) is known


SECOND_US = 1_000_000
NOW_US = 1_700_000_000 * SECOND_US


def test_what_was_sent_is_not_gone_back_to_however_far_behind_a_parent_is() -> None:
    leaps = Leaps()
    for second in range(100):
        leaps.rose(LIVE + second * LEAP, LIVE + (second + 1) * LEAP, NOW_US + second * SECOND_US)
    assert not any(leaps.over(newest) for newest in range(1, LIVE + 101 * LEAP, 997))


def test_a_leap_is_gone_back_to_from_what_was_held_before_it_on() -> None:
    leaps = Leaps()
    leaps.rose(LIVE - 2, LIVE, NOW_US)
    leaps.rose(LIVE, POISON, NOW_US + 10)
    assert not leaps.over(LIVE - 4)
    assert leaps.over(LIVE)
    assert leaps.over(POISON - 2)
    assert not leaps.over(POISON)
    leaps.forget()
    assert not leaps.over(LIVE)


def test_many_steps_within_a_second_are_one_leap() -> None:
    leaps = Leaps()
    for step in range(500):
        leaps.rose(LIVE + step * 1_000, LIVE + (step + 1) * 1_000, NOW_US + step)
    assert leaps.over(LIVE)
    assert leaps.over(LIVE + 400_000)


def test_leaps_beyond_those_that_are_remembered_are_none_the_less_gone_back_over() -> None:
    leaps = Leaps()
    for leap in range(3 * MOST_LEAPS):
        leaps.rose(LIVE + leap * POISON, LIVE + (leap + 1) * POISON, NOW_US + 2 * leap * SECOND_US)
    assert leaps.over(LIVE)
