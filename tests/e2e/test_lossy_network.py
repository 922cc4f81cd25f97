"""Twelve hosts far apart on a bad network, a parent killed every ten seconds (Z11, Z31, Z41)."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import FaultStage, Place, kill
from tests.support.fleet import long
from tests.support.netns import Link, Network
from tests.support.sources import GstOptions, GstSource

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

HOSTS = int(long(6, 12))
"""Beside that of the server proxy; half have players, and each one that dies has a successor."""
KILLS = int(long(2, 18))
EVERY = long(6.0, 10.0)
DELAY, JITTER, LOSS = (0.020, 0.080), 0.005, 0.01
"""Seconds one way per link, least and most, seconds, share of the frames."""
DELIVERED = 0.9999
VIEWER_SLOTS = 2
"""Children of a viewer: else viewers, whom nobody kills, soon have all there are."""


def _links(hosts: int) -> dict[int, Link]:
    chance = random.Random(7)
    return {
        host: Link(delay=chance.uniform(*DELAY), jitter=JITTER, loss=LOSS)
        for host in range(1, hosts + 1)
    }


def _places(net: Network) -> Iterator[Place]:
    hosts = range(1, net.hosts + 1)
    return (Place(net.address(host), net.wrap(host), host) for host in hosts)


def test_delay_jitter_loss_and_kills_leave_all_but_whole(tmp_path: Path) -> None:
    """20 to 80 ms, 5 ms of jitter and 1 % loss on every host's link: 99.99 % at every player."""
    count = 1 + HOSTS + KILLS
    with Network(tmp_path, hosts=count, links=_links(count)) as net:
        options = GstOptions(address=net.address(1))
        half = HOSTS // 2
        with (
            GstSource(tmp_path, options, wrap=net.wrap(1)) as source,
            FaultStage(
                tmp_path,
                source,
                relays=half,
                viewers=half,
                places=_places(net),
                viewer_slots=VIEWER_SLOTS,
            ) as stage,
        ):
            stage.watch()
            stage.run(kill, KILLS, EVERY)
            outcome = stage.judge()
            print(f"lossy network: {outcome}; least share delivered {outcome.least_share:.6f}")
            assert outcome.least_share >= DELIVERED, "\n".join([str(outcome), *outcome.faults])
            assert outcome.packets > 80 * EVERY * KILLS * half
