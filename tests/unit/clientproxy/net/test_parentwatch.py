"""What a node does about links to parents on which nothing comes (design 6)."""

from collections.abc import Sequence
from unittest.mock import create_autospec

import pytest

from clientproxy.core.join import ParentSearch
from clientproxy.core.joining import Command
from clientproxy.net.parentlink import LEAST_SILENCE, STANDBY_SILENCE, Owner, ParentLink
from clientproxy.net.parentlinks import Membership, ParentLinks
from clientproxy.net.parentwatch import GIVE_UP_AFTER, ParentWatch
from common.fields import Candidate, LostReason
from common.ids import NodeId, Stripe
from tests.support.noted import Clock

TICK = 0.05
P = NodeId("p")


class Heard(ParentLink):
    """A link to a parent that was last heard at `last`."""

    last = 0.0

    @property
    def heard(self) -> float:
        return self.last


class Child:
    """A node with parent p in each stripe, and its watch over the links."""

    def __init__(self, clock: Clock, stripes: int) -> None:
        self.clock, self.search = clock, ParentSearch(stripes)
        self.lost: list[tuple[Stripe, LostReason]] = []
        self.owner = create_autospec(Owner)
        self.links = [self.link(Stripe(stripe)) for stripe in range(stripes)]
        for one in self.links:
            self.search.candidates(one.stripe, [named()], 1.0, clock.now)
            self.search.accepted(one.stripe, P, 1, now=clock.now)
        membership, links = create_autospec(Membership), create_autospec(ParentLinks)
        membership.newest.return_value = membership.newest_keyframe.return_value = 0
        links.attached.return_value = self.links
        self.watch = ParentWatch(links, self.search, membership, self.run, self.parent_lost)

    def link(self, stripe: Stripe) -> Heard:
        link = Heard(self.owner, stripe, named(), "key")
        link.is_attached, link.last = True, self.clock.now
        return link

    def run(self, commands: Sequence[Command]) -> None:
        pass

    def parent_lost(self, link: ParentLink, reason: LostReason) -> None:
        self.lost.append((link.stripe, reason))

    def wait(self, seconds: float, *heard: Heard) -> None:
        """Let time pass, tick by tick; only these links are heard meanwhile."""
        for _ in range(round(seconds / TICK)):
            self.clock.now += TICK
            for one in heard:
                one.last = self.clock.now
                one.lag.told(0, self.clock.now, 0, self.clock.now)
            self.watch.tick(TICK)


def named() -> Candidate:
    return Candidate(P, ("p:7855",), 0.0, available=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_silent_parent_is_suspected_once_and_trusted_when_it_is_heard(clock: Clock) -> None:
    child = Child(clock, 1)
    child.wait(3.0, *child.links)
    assert child.lost == []
    child.wait(LEAST_SILENCE + 1.0)
    assert child.lost == [(Stripe(0), "silent")]
    assert child.search.suspects(Stripe(0))
    child.owner.ended.assert_not_called()
    child.wait(0.1, *child.links)
    assert not child.search.suspects(Stripe(0))


def test_a_link_that_stays_silent_is_closed(clock: Clock) -> None:
    child = Child(clock, 1)
    child.wait(GIVE_UP_AFTER)
    child.owner.ended.assert_not_called()
    child.wait(2 * TICK)
    child.owner.ended.assert_called_with(child.links[0], "silent")


def test_a_standby_that_is_silent_is_closed_sooner(clock: Clock) -> None:
    child = Child(clock, 1)
    child.links[0].standby = True
    child.wait(STANDBY_SILENCE)
    child.owner.ended.assert_not_called()
    child.wait(2 * TICK)
    child.owner.ended.assert_called_with(child.links[0], "silent")
    assert child.lost == []


def test_who_was_held_up_itself_suspects_nobody(clock: Clock) -> None:
    """What the parent has sent meanwhile is read between this tick and the next."""
    child = Child(clock, 1)
    child.wait(1.0, *child.links)
    clock.now += 3.0
    child.watch.tick(3.0)
    assert child.lost == []
    child.wait(TICK, *child.links)
    assert child.lost == []


def test_where_all_other_links_are_late_too_silence_takes_longer(clock: Clock) -> None:
    """It may be the node's own network, to which a second parent would add load."""
    child = Child(clock, 2)
    silent, late = child.links
    child.wait(6.0, *child.links)
    for _ in range(20):
        clock.now += TICK
        late.last = clock.now  # data comes, but no heartbeat beside it
        child.watch.tick(TICK)
    assert child.lost == []
    child.wait(LEAST_SILENCE + 0.2, late)
    assert child.lost == [(Stripe(0), "silent")]
    assert silent.silent
