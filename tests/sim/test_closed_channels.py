"""Nodes that are to stay joined, when the operator closes their channel: they come back seldom."""

import logging
from collections.abc import Iterable

import pytest

from bench.sim.world import Setting, World
from common import refusals
from serverproxy.net import first
from tests.support.fleet import long

CALM = 40.0
"""Seconds after which they ask as seldom as they ever do."""


def test_nodes_of_a_closed_channel_ask_ever_less_often_and_the_log_says_it_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each asked once a second for ever, and each time that was a line at the server proxy."""
    caplog.set_level(logging.INFO)
    world, asked, nodes = World(Setting(seed=1)), list[float](), int(long(8, 100))
    sentence = refusals.unknown_channel

    def noted(name: str, known: Iterable[str]) -> str:
        asked.append(world.now)
        return sentence(name, known)

    monkeypatch.setattr(first, "unknown_channel", noted)
    for _ in range(nodes):
        world.join()
    world.run(5.0)
    assert all(client.node.joined for client in world.clients.values())
    assert world.server is not None
    world.server.close_channel()
    closed = world.now
    world.run(CALM + 60.0)
    calm = [at - closed for at in asked if at - closed > CALM]
    assert nodes <= len(calm) <= 5 * nodes  # every 15 to 30 s
    assert len(asked) <= 20 * nodes

    lines = [one for one in caplog.records if "there is no channel" in one.getMessage()]
    at_server = [one for one in lines if one.name == "common.runtime.link"]
    assert len(at_server) == nodes
    assert {vars(one)["channel"] for one in at_server} == {"cam"}
    assert len({vars(one)["peer"] for one in at_server}) == nodes
    assert all(str(vars(one)["node"]).startswith("n") for one in at_server)
    assert len(lines) == 2 * nodes, "each node says it once too"
    assert "the stream goes on" not in caplog.text
