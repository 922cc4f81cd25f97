"""Rate and delay, from counts."""

from clientproxy.core.diagnosis.looks import Look, delay, fastest


def looks(*at: float, rate: int = 1000) -> list[Look]:
    """Return looks at these times, with so many bytes a second and 50 ms of delay."""
    return [Look(time, int(time * rate), 1, time - 0.05) for time in at]


def test_the_fastest_half_second_counts() -> None:
    slow, burst = looks(0.0, 0.25, 0.5, 0.75, 1.0), Look(1.5, 3000, 1, 1.45)
    assert fastest(slow) == 1000
    assert fastest([*slow, burst]) == 4000


def test_of_less_than_half_a_second_no_rate_is_told() -> None:
    assert fastest(looks(0.0, 0.4)) == 0
    assert fastest([]) == 0


def test_a_pause_at_the_end_is_no_delay() -> None:
    before = looks(0.0, 1.0, 1.5)
    paused = [*before, Look(2.4, 2000, 1, 1.45)]
    assert round(delay(paused), 3) == 0.05


def test_a_stream_that_falls_behind_has_what_it_had_last() -> None:
    behind = [Look(0.1 * n, 0, 1, 0.05 * n) for n in range(41)]
    assert round(delay(behind), 3) == 1.5


def test_a_clock_that_is_reckoned_wrong_makes_no_delay_below_zero() -> None:
    assert delay([Look(1.0, 0, 1, 1.01)]) == 0
