"""The group clock as a node estimates it."""

from common.clock import GroupClock


def exchange(clock: GroupClock, now: int, there: int, back: int, offset: int) -> None:
    """Exchange at local time `now` over a way of `there` and `back` microseconds."""
    at = now + there + offset
    clock.exchange(now, at, at + 50, now + there + 50 + back)


def test_nothing_is_known_before_the_first_exchange() -> None:
    clock = GroupClock()
    assert not clock.synchronized
    assert (clock.offset_us, clock.uncertainty_us) == (0, 0)


def test_a_symmetric_way_gives_the_offset_exactly() -> None:
    clock = GroupClock()
    exchange(clock, 1000, 300, 300, 5_000_000)
    assert clock.synchronized
    assert clock.offset_us == 5_000_000


def test_an_asymmetric_way_is_wrong_by_half_the_difference_at_most() -> None:
    clock = GroupClock()
    exchange(clock, 1000, 900, 100, 5_000_000)
    assert clock.offset_us == 5_000_000 + 400
    assert clock.uncertainty_us == 500


def test_the_exchange_with_the_least_round_trip_is_trusted() -> None:
    clock = GroupClock()
    exchange(clock, 1000, 9000, 100, 7)
    exchange(clock, 2000, 10, 10, 7)
    exchange(clock, 3000, 100, 8000, 7)
    assert clock.offset_us == 7


def test_old_exchanges_are_forgotten() -> None:
    """The clocks drift apart: the best of the last eight counts."""
    clock = GroupClock()
    exchange(clock, 0, 0, 0, 1)
    for at in range(7):
        exchange(clock, at, 100, 100, 2)
    assert clock.offset_us == 1
    exchange(clock, 8, 100, 100, 2)
    assert clock.offset_us == 2


def test_an_exchange_that_cannot_be_ours_is_ignored() -> None:
    clock = GroupClock()
    clock.exchange(1000, 5, 6, 999)  # ends before it began
    clock.exchange(1000, 5, 5000, 1100)  # replied after longer than it took in all
    assert not clock.synchronized


def test_another_server_process_has_another_clock() -> None:
    clock = GroupClock()
    exchange(clock, 0, 1, 1, 1000)
    clock.restart()
    assert not clock.synchronized
    exchange(clock, 0, 500, 500, 2000)
    assert clock.offset_us == 2000


def test_a_machine_that_has_slept_believes_the_first_exchange_after_it() -> None:
    """Its own clock stood still meanwhile: those before it are from another time."""
    clock = GroupClock()
    for at in range(8):
        exchange(clock, at, 10, 10, 5)
    exchange(clock, 20, 3000, 3000, 3_600_000_005)
    assert clock.offset_us == 3_600_000_005
