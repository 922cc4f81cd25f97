"""When the link to a parent counts as silent (design 6; docs/adr/0016-silence.md)."""

from unittest.mock import create_autospec

import pytest

from clientproxy.net.parentlink import (
    LEAST_SILENCE,
    STANDBY_SILENCE,
    STRAINED_SILENCE,
    Owner,
    ParentLink,
)
from common.fields import Candidate
from common.ids import Stripe
from tests.support.noted import Clock

NAMED = Candidate("p", ("p:7855",), 0.0, available=True)


class Heard(ParentLink):
    """A link to a parent that was last heard at `last`."""

    last = 1000.0

    @property
    def heard(self) -> float:
        return self.last


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Heard:
    Clock(monkeypatch)
    return Heard(create_autospec(Owner), Stripe(0), NAMED, "key")


def test_a_parent_is_silent_after_half_a_second(link: Heard) -> None:
    assert not link.quiet_too_long(link.last + LEAST_SILENCE - 0.01)
    assert link.quiet_too_long(link.last + LEAST_SILENCE + 0.01)


def test_a_parent_that_is_far_away_has_a_round_trip_more(link: Heard) -> None:
    link.rtt = 0.3
    assert not link.quiet_too_long(link.last + LEAST_SILENCE + 0.29)
    assert link.quiet_too_long(link.last + LEAST_SILENCE + 0.31)


def test_where_pauses_are_usual_silence_takes_longer(link: Heard) -> None:
    """What comes after 0.1 s and after 0.6 s in turn has a jitter of half a second."""
    for turn in range(100):
        link.last += (0.1, 0.6)[turn % 2]
        link.quiet_too_long(link.last)
    assert link.jitter == pytest.approx(0.5, abs=0.01)
    assert not link.quiet_too_long(link.last + 1.9)
    assert link.quiet_too_long(link.last + 2.1)


def test_what_comes_evenly_has_no_jitter(link: Heard) -> None:
    for _ in range(100):
        link.last += 0.1
        link.quiet_too_long(link.last)
    assert link.quiet_too_long(link.last + LEAST_SILENCE + 0.01)


def test_where_the_own_network_is_too_slow_silence_takes_longer(link: Heard) -> None:
    assert not link.quiet_too_long(link.last + STRAINED_SILENCE - 0.01, strained=True)
    assert link.quiet_too_long(link.last + STRAINED_SILENCE + 0.01, strained=True)


def test_a_standby_has_a_heartbeat_a_second_and_may_miss_two(link: Heard) -> None:
    link.standby = True
    assert not link.quiet_too_long(link.last + STANDBY_SILENCE - 0.01)
    assert link.quiet_too_long(link.last + STANDBY_SILENCE + 0.01)
