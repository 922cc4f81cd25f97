"""Nodes with a long way to the server proxy."""

import logging

import pytest

from bench.sim.world import Setting, World
from clientproxy.net.node import UNREACHED_AFTER


def test_a_node_that_is_reached_behind_its_offer_is_not_told_to_open_its_port(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Dialling back takes two round trips, longer than the Offer waits."""
    caplog.set_level(logging.WARNING)
    world = World(Setting(seed=1))
    world.run(0.5)
    world.host("root").access = 0.04
    for _ in range(3):
        world.join()
    world.run(UNREACHED_AFTER + 3.0)
    reached = [client.node.stripes for client in world.clients.values()]
    assert all(one is not None and one.offer.addresses for one in reached)
    assert "cannot reach overlay port" not in caplog.text
