"""Lag of links: what grows on one link is the parent's, what grows on all is the node's own."""

from itertools import pairwise

import pytest

from clientproxy.core.lag import (
    BEHIND_LATELY,
    BEST_WINDOW,
    BLAME_EVERY,
    FRESH_WITHIN,
    LATE_AFTER,
    OWN_FAULT_FOR,
    SHARED_LAG,
    SLOW_FOR,
    SLOW_LAG,
    URGENT_LAG,
    LagWatch,
    LinkLag,
)
from common.ids import ROOT, NodeId, Stripe

S0, S1 = Stripe(0), Stripe(1)
P, Q, G = NodeId("p"), NodeId("q"), NodeId("g")
TICK = 0.05
BEAT = 0.25
AHEAD = 5_000.0
"""The parents' clocks are so far ahead of the node's."""


class FakeLink:
    """A link whose heartbeats come late by what `late` says, with the data that is before them."""

    def __init__(self, stripe: Stripe, node: NodeId, *, standby: bool = False) -> None:
        self.stripe, self.node, self.standby = stripe, node, standby
        self.lag = LinkLag(0.0)
        self.on_the_way: list[tuple[float, int, float]] = []
        self.beats_at = 0.0

    def step(self, now: float, late: float, own: int, *, waits: bool) -> None:
        """Let the parent beat every 0.25 s; `waits`: newer data is behind in the parent's log."""
        if now >= self.beats_at:
            self.beats_at = now + BEAT
            newest = int(now * 100) + 100_000
            self.on_the_way.append((now + late, newest if waits else 0, now + AHEAD))
        while self.on_the_way and self.on_the_way[0][0] <= now:
            _, newest, sent = self.on_the_way.pop(0)
            self.lag.told(newest, sent, own, now)


class Bench:
    """One node, its links, and a clock."""

    def __init__(self, *links: FakeLink, patience: float = 0.0) -> None:
        self.links, self.watch = links, LagWatch(patience)
        self.now = 0.0
        self.late = {link.node: 0.0 for link in links}
        self.behind = {link.node: 0.0 for link in links}
        self.blamed: list[tuple[float, NodeId]] = []

    def run(self, seconds: float, **growing: float) -> list[NodeId]:
        """Let time pass; `p=0.5`: on the link to p the way gets 0.5 s longer each second.

        `p_log=0.5`: what grows is what waits in p's log. Returns who was blamed.
        """
        end, before = self.now + seconds, len(self.blamed)
        while self.now < end:
            self.now += TICK
            for link in self.links:
                node = link.node
                self.late[node] = max(0.0, self.late[node] + growing.get(node, 0.0) * TICK)
                rate = growing.get(f"{node}_log", 0.0)
                self.behind[node] = max(0.0, self.behind[node] + rate * TICK)
                link.step(self.now, self.late[node], self.own(link), waits=rate != 0)
            own = {link.stripe: self.own(link) for link in self.links if not link.standby}
            found = self.watch.look(self.links, own, self.now)
            self.blamed += [(self.now, one.node) for one in found]
        return [node for _, node in self.blamed[before:]]

    def own(self, link: FakeLink) -> int:
        return int((self.now - self.behind[link.node]) * 100) + 100_000


def two_parents() -> Bench:
    return Bench(FakeLink(S0, P), FakeLink(S1, Q), FakeLink(S0, G, standby=True))


def test_a_link_without_delay_has_no_lag() -> None:
    bench = two_parents()
    assert bench.run(20.0) == []
    assert [link.lag.seconds for link in bench.links] == [0.0, 0.0, 0.0]


def test_a_way_that_is_long_but_steady_is_no_lag() -> None:
    bench = two_parents()
    bench.late[P] = 0.8
    assert bench.run(20.0) == []


@pytest.mark.parametrize("what", ["p", "p_log"])
def test_a_parent_whose_link_falls_back_alone_is_slow(what: str) -> None:
    """Whether it clogs in the network or in the parent's log."""
    bench = two_parents()
    bench.run(10.0)
    assert bench.run(2.5, **{what: 0.6}) == [P]
    assert not bench.watch.own_fault


def test_it_takes_no_longer_than_the_patience_of_a_player() -> None:
    """A link at a third of its rate is given up before a packet is as late as `reorder_timeout`."""
    bench = two_parents()
    bench.run(10.0)
    began = bench.now
    bench.run(4.0, p_log=0.67)
    first = bench.blamed[0][0]
    assert (first - began) * 0.67 < 1.2


def test_patience_spreads_the_children_of_one_parent() -> None:
    """The longer one waits as long as it is not urgent."""
    blamed = []
    for patience in (0.0, 0.5):
        bench = two_parents()
        bench.watch = LagWatch(patience)
        bench.run(10.0)
        bench.run(5.0, p_log=0.2)
        blamed.append(bench.blamed[0][0])
    assert blamed[1] - blamed[0] == pytest.approx(0.5, abs=0.15)


def test_what_all_links_show_is_the_nodes_own_network() -> None:
    bench = two_parents()
    bench.run(10.0)
    assert bench.run(4.0, p=0.5, q=0.4, g=0.3) == []
    assert bench.watch.own_fault


def test_a_standby_tells_the_node_of_a_single_stripe_whose_fault_it_is() -> None:
    alone = Bench(FakeLink(S0, P), FakeLink(S0, G, standby=True))
    alone.run(10.0)
    assert alone.run(3.0, p=0.5) == [P]
    own = Bench(FakeLink(S0, P), FakeLink(S0, G, standby=True))
    own.run(10.0)
    assert own.run(3.0, p=0.5, g=0.3) == []
    assert own.watch.own_fault


def test_a_single_link_blames_the_parent() -> None:
    bench = Bench(FakeLink(S0, P))
    bench.run(10.0)
    assert bench.run(3.0, p=0.5) == [P]


def test_the_server_proxy_is_never_blamed() -> None:
    bench = Bench(FakeLink(S0, NodeId(ROOT)), FakeLink(S1, Q))
    bench.run(10.0)
    assert bench.run(10.0, **{ROOT: 0.5}) == []
    assert not bench.watch.own_fault


def test_a_link_that_was_not_heard_for_long_says_nothing() -> None:
    """Else a dead standby would make every slow parent look innocent."""
    bench = two_parents()
    bench.run(10.0, g=0.0)
    bench.late[G] = 1e9
    bench.run(10.0)
    assert bench.run(3.0, p=0.5) == [P]


def test_a_burst_that_drains_is_no_slow_parent() -> None:
    """A keyframe that takes 0.7 s on a thin link, every two seconds."""
    bench = two_parents()
    bench.run(10.0)
    for _ in range(5):
        assert bench.run(0.7, p_log=1.0) == []
        assert bench.run(1.3, p_log=-2.0) == []


def test_a_link_that_catches_up_is_left_alone() -> None:
    bench = two_parents()
    bench.run(10.0)
    bench.run(0.9, p_log=0.6)
    assert bench.run(4.0, p_log=-0.1) == []
    assert bench.links[0].lag.seconds > SHARED_LAG


def test_a_newcomer_may_catch_up_for_a_while() -> None:
    """It starts at the last keyframe, far behind what its parent has."""
    bench = two_parents()
    bench.behind[P] = 8.0
    assert bench.run(FRESH_WITHIN - 1.0, p_log=-0.1) == []


def test_a_newcomer_that_never_catches_up_has_a_slow_parent() -> None:
    bench = two_parents()
    bench.behind[P] = 2.0
    assert bench.run(FRESH_WITHIN + 3.0, p_log=0.3) == [P] * 2


def test_a_standby_that_feeds_now_may_catch_up_too() -> None:
    bench = two_parents()
    bench.run(10.0)
    link = bench.links[2]
    link.standby, bench.links[0].standby = False, True
    link.lag.feeds(bench.now)
    bench.behind[G] = 3.0
    assert bench.run(FRESH_WITHIN - 1.0, g_log=-0.3) == []


def test_the_same_parent_is_blamed_again_after_a_pause_only() -> None:
    bench = two_parents()
    bench.run(10.0)
    bench.run(6.0, p=0.6)
    times = [at for at, _ in bench.blamed]
    assert len(times) > 1
    assert all(b - a >= BLAME_EVERY for a, b in pairwise(times))


def test_who_was_held_up_starts_to_watch_anew() -> None:
    bench = two_parents()
    bench.run(10.0)
    for _ in range(10):
        assert bench.run(SLOW_FOR - 0.3, p=0.3) == []
        bench.late[P] = 0.4
        for link in bench.links:
            link.lag.held_up()


def test_clocks_that_drift_apart_are_no_lag() -> None:
    """Two hundred parts in a million, for an hour: 0.7 s in all."""
    lag = LinkLag(0.0)
    for beat in range(3600 * 4):
        now = beat / 4
        lag.told(1, now * (1 - 200e-6), 1, now)
    assert lag.seconds < 2 * BEST_WINDOW * 250e-6


def test_many_heartbeats_of_what_never_comes_take_no_room() -> None:
    """The oldest of what is told and not there counts; what is beyond the bound is left out."""
    lag = LinkLag(0.0)
    for beat in range(10_000):
        lag.told(beat + 1, float(beat), 0, float(beat))
    lag.look(0, 10_000.0)
    assert lag.seconds == 10_000.0
    lag.look(10_000, 10_001.0)
    assert lag.seconds == pytest.approx(10_001.0 - 63)


def test_the_bounds_fit_each_other() -> None:
    assert SHARED_LAG < SLOW_LAG < URGENT_LAG


def test_that_the_own_network_was_slow_counts_for_a_while() -> None:
    """Links that come and go in bad times would blame each other in turn."""
    bench = two_parents()
    bench.run(10.0)
    bench.run(3.0, p=0.5, q=0.4, g=0.3)
    assert bench.watch.own_fault
    bench.late[Q] = bench.late[G] = 0.0
    assert bench.run(2.0, p=0.5) == []
    assert bench.watch.own_fault
    assert bench.run(OWN_FAULT_FOR + BEHIND_LATELY, p=0.5) != []
    assert not bench.watch.own_fault


def test_a_link_that_is_too_young_says_nothing_about_the_others() -> None:
    """What it was at best was measured while its way was clogged already."""
    bench = Bench(FakeLink(S0, P), FakeLink(S1, Q))
    bench.run(10.0)
    young = FakeLink(S0, G, standby=True)
    young.lag = LinkLag(bench.now)
    bench.links = (*bench.links, young)
    bench.late[G] = bench.behind[G] = 0.0
    assert bench.run(3.0, p=0.5, q=0.4) == []
    assert bench.watch.own_fault


def test_silence_may_be_the_own_network_where_all_others_are_behind() -> None:
    bench = two_parents()
    silent = bench.links[0]
    bench.run(10.0)
    assert not bench.watch.strains(bench.links, silent, bench.now)
    bench.late |= {Q: 0.2, G: 0.2}
    bench.run(2.0)
    assert bench.watch.strains(bench.links, silent, bench.now)
    assert not bench.watch.strains([silent], silent, bench.now)
    bench.late[G] = 0.0
    bench.run(BEHIND_LATELY / 2)
    assert bench.watch.strains(bench.links, silent, bench.now)
    bench.run(BEHIND_LATELY)
    assert not bench.watch.strains(bench.links, silent, bench.now)


def test_a_feeding_link_without_heartbeats_counts_as_behind() -> None:
    """Those that were lost in a clogged network, too."""
    lag = LinkLag(0.0)
    lag.told(1, 0.0, 1, 0.0)
    assert not lag.is_behind(LATE_AFTER, standby=False)
    assert lag.is_behind(LATE_AFTER + 0.1, standby=False)
    assert not lag.is_behind(LATE_AFTER + 0.1, standby=True)


def test_what_is_urgent_waits_for_nobodys_patience() -> None:
    bench = two_parents()
    bench.watch = LagWatch(0.5)
    bench.run(10.0)
    began = bench.now
    bench.run(2.0, p_log=0.9)
    assert bench.blamed[0][0] - began < 1.3
