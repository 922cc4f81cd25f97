"""A hundred nodes over real TCP on loopback: everybody gets the whole stream (Z3, Z4, Z18, S1)."""

import asyncio
from pathlib import Path

import pytest

from common.ids import Address, Stripe
from tests.support.capture import capture, compare_captures
from tests.support.overlay import InProcessNode, Watcher, running_server, until
from tests.support.sources import GstOptions, GstSource

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

NODES = 100
SECONDS = 10.0
PATIENT = 10.0
"""Seconds that a packet is waited for: in one process each hop waits for all other nodes."""
SETTLED = 4.0
"""Seconds until what a hundred joins at once cost in one process, on a loaded machine, is over."""


async def test_a_hundred_nodes_all_get_every_packet(tmp_path: Path) -> None:
    """What each node delivers is what a capture at the source has, packet for packet."""
    asyncio.get_running_loop().set_debug(False)  # it doubles the work of a hundred nodes
    with GstSource(tmp_path, GstOptions(video="tiny")) as source:
        async with running_server(cam=source.url) as server:
            channel = server.channels["cam"]
            await until(lambda: channel.feed.up, 20, "source is up")
            address = Address.parse(server.overlay, 0)
            hosts = [InProcessNode(address, reorder_timeout=PATIENT) for _ in range(NODES)]
            try:
                nodes = [await host.join("cam") for host in hosts]
                await until(lambda: all(node.joined for node in nodes), 60, "all have joined")
                await asyncio.sleep(SETTLED)
                before = [node.feed.lost for node in nodes]
                watchers = [Watcher(node) for node in nodes]
                direct = await asyncio.to_thread(capture, source.url, SECONDS)
                verdicts = [compare_captures(direct, one.capture) for one in watchers]
                assert [str(v) for v in verdicts if not v.exact] == []
                assert [node.feed.lost for node in nodes] == before
                trees = channel.control.membership.trees
                trees.check()
                assert all(trees.tree_depth(Stripe(stripe)) <= 8 for stripe in (0, 1))
            finally:
                await asyncio.gather(*(host.close() for host in hosts))
