"""What an operator asks for over HTTP, while people watch: it costs nobody a packet."""

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.daemons import Daemon, Json
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet
from tests.support.players import FfmpegRecorder
from tests.support.processes import wait_until
from tests.support.sources import GstSource

pytestmark = pytest.mark.e2e

SIX = 6
LONGEST = 300.0
"""Seconds; the recordings are stopped before."""
ENOUGH = 100
"""Pictures that a recording has to have; the first and the last may be cut."""


def post(daemon: Daemon, path: str, body: dict[str, Json]) -> dict[str, Json]:
    """Ask for an action; it has to be taken."""
    request = urllib.request.Request(
        f"http://{daemon.http}/api/v1/channels/{CHANNEL}/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            found: dict[str, Json] = json.loads(answer.read())
            assert answer.status == 202
            return found
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(f"{error.code} {error.read().decode()}") from None


def children_of(fleet: Fleet, node: str) -> list[str]:
    return [child for tree in fleet.trees() for child, parent in tree.items() if parent == node]


def relay_of(fleet: Fleet, viewer: str) -> tuple[int, str]:
    """Return a stripe in which a viewer has a relay that is no child of the server proxy."""
    parents = fleet.placed()[viewer]
    stripe = next(n for n, parent in enumerate(parents) if parent != "root")
    return stripe, parents[stripe]


def test_move_drain_and_kick_cost_no_viewer_a_packet(tmp_path: Path) -> None:
    """A viewer is moved, the relay of all is drained and filled again, a node is sent away."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, SIX) as fleet:
        wait_until(
            lambda: [list(tree.values()).count("root") for tree in fleet.trees()] == [1, 1],
            60,
            "the repair slots are given back",
            0.2,
        )
        fleet.settle()
        # Four watch; whoever is sent away later is none of them.
        watched = fleet.clients[:4]
        recorders = [FfmpegRecorder(one.url(CHANNEL), tmp_path, LONGEST) for one in watched]
        source.expect_sent(50)
        viewer = fleet.node(watched[0])

        stripe, relay = relay_of(fleet, viewer)
        moved = post(fleet.server, f"nodes/{viewer}/move", {"stripe": stripe})
        assert moved["from"] == relay
        wait_until(lambda: fleet.placed()[viewer][stripe] != relay, 20, f"{viewer} has moved")
        fleet.settle()

        # The node that feeds all others in one tree.
        relay = next(node for node, parent in fleet.trees()[0].items() if parent == "root")
        assert children_of(fleet, relay)
        drained = post(fleet.server, f"nodes/{relay}/drain", {})
        assert (drained["drained"], drained["slots"]) == (True, 0)
        wait_until(lambda: not children_of(fleet, relay), 30, f"{relay} has no children")
        fleet.settle()
        source.expect_sent(25)
        assert children_of(fleet, relay) == []
        filled = post(fleet.server, f"nodes/{relay}/drain", {"drained": False})
        assert filled["slots"] == 3

        guest = next(one for one in fleet.clients if one not in watched)
        gone = fleet.node(guest)
        post(fleet.server, f"nodes/{gone}/kick", {"sentence": "make room"})
        wait_until(lambda: all(gone not in tree for tree in fleet.trees()), 20, f"{gone} left")
        guest.expect(r"make room", 20)
        wait_until(lambda: guest.api()["channels"] == [], 20, "it is in no channel")
        fleet.clients.remove(guest)
        fleet.settle()
        source.expect_sent(50)

        assert all(one.returncode is None for one in recorders), "the recordings ended too early"
        for one in recorders:
            one.wait_recorded(ENOUGH)
            one.send(signal.SIGINT)
        verdicts = [compare(source.sent, one.result().path, least=ENOUGH - 2) for one in recorders]
        assert [str(verdict) for verdict in verdicts if not verdict.exact] == []
        fleet.assert_nothing_lost()
        guest.stop()


def test_a_channel_that_is_closed_ends_for_those_who_watch_and_is_gone(tmp_path: Path) -> None:
    with Fleet(tmp_path, "testcard:?size=320x180&rate=15", 2) as fleet:
        recorder = FfmpegRecorder(fleet.clients[0].url(CHANNEL), tmp_path, LONGEST)
        wait_until(recorder.path.exists, 30, "the recorder writes")
        assert post(fleet.server, "close", {}) == {"channel": CHANNEL}
        assert recorder.result().ended_by == "itself"
        assert fleet.server.api("channels")["channels"] == []
        assert fleet.server.get(f"/api/v1/channels/{CHANNEL}")[0] == 404
        fleet.clients[1].expect(r"was closed by the operator", 20)
