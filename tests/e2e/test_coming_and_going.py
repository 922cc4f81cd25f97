"""Viewers come, go and die while ten watch: it costs nobody a packet (Z11, Z25, Z31, S16)."""

import signal
from pathlib import Path

import pytest

from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet
from tests.support.players import FfmpegRecorder
from tests.support.processes import wait_until
from tests.support.rtsp_client import Transport
from tests.support.sources import GstSource

pytestmark = pytest.mark.e2e

TEN = 10
LONGEST = 300.0
"""Seconds; the recordings are stopped before."""
ENOUGH = 100
"""Pictures that a recording has to have; the first and the last may be cut."""
LOWERS: tuple[Transport, ...] = ("udp", "tcp") * 5


def _assert_exact(source: GstSource, recorders: list[FfmpegRecorder]) -> None:
    """Stop the recordings, which have gone on all the time, and compare them."""
    assert all(one.returncode is None for one in recorders), "the recordings ended too early"
    for one in recorders:
        one.wait_recorded(ENOUGH)
        one.send(signal.SIGINT)
    verdicts = [compare(source.sent, one.result().path, least=ENOUGH - 2) for one in recorders]
    assert [str(verdict) for verdict in verdicts if not verdict.exact] == []


def test_ten_joins_and_ten_leaves_cost_no_one_a_packet(tmp_path: Path) -> None:
    """Ten watch; ten more join, are spliced in, become parents, and leave again."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, LONGEST, lower)
            for client, lower in zip(fleet.clients, LOWERS, strict=True)
        ]
        source.expect_sent(25)
        guests = fleet.add(TEN)
        fleet.settle()
        for guest in guests:
            fleet.leave(guest)
        fleet.settle()
        _assert_exact(source, recorders)
        fleet.assert_nothing_lost()


def test_an_interior_node_killed_costs_no_one_a_packet(tmp_path: Path) -> None:
    """SIGKILL of the node that hangs under the server proxy, and of its successor."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN + 2) as fleet:
        wait_until(
            lambda: [list(tree.values()).count("root") for tree in fleet.trees()] == [1, 1],
            60,
            "the repair slots are given back",
            0.2,
        )
        fleet.settle()
        top = [
            child for tree in fleet.trees() for child, parent in tree.items() if parent == "root"
        ]
        watched = [fleet.by_node()[node] for node in fleet.trees()[0] if node not in top]
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, LONGEST, lower)
            for client, lower in zip(watched, LOWERS, strict=True)
        ]
        source.expect_sent(75)
        for node in top:
            children = sum(parent == node for tree in fleet.trees() for parent in tree.values())
            assert children >= 2, f"{node} is no interior node"
            fleet.kill(fleet.by_node()[node])
            fleet.settle()
            source.expect_sent(25)
        _assert_exact(source, recorders)
        fleet.assert_nothing_lost()
        reasons = sum(
            client.metrics().total("stripecast_rejoins_total") for client in fleet.clients
        )
        assert reasons >= 4, "nobody noticed the dead parents"
