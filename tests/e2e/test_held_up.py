"""A node that was held up itself does not take its parents for silent (S17)."""

import signal
import time
from pathlib import Path

import pytest

from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet
from tests.support.players import FfmpegRecorder
from tests.support.sources import GstSource

pytestmark = pytest.mark.e2e


def test_a_leaf_stopped_for_a_while_keeps_its_parents_and_every_packet(tmp_path: Path) -> None:
    """SIGSTOP for 1.5 s, then SIGCONT: no parent is given up, the player gets everything."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, 4) as fleet:
        fleet.settle()
        parents = {parent for tree in fleet.trees() for parent in tree.values()}
        leaf = next(c for node, c in fleet.by_node().items() if node not in parents)
        recorder = FfmpegRecorder(leaf.url(CHANNEL), tmp_path, 8, "tcp")
        source.expect_sent(75)
        leaf.send(signal.SIGSTOP)
        time.sleep(1.5)  # the time itself is what the test is about
        leaf.send(signal.SIGCONT)
        compare(source.sent, recorder.result().path, least=100).check()
        assert leaf.metrics().total("stripecast_rejoins_total") == 0
        fleet.assert_nothing_lost()
