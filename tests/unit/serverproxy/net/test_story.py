"""What happens to nodes is in the log, but no node can fill it."""

import logging

import pytest

from common.fewlines import MAX_KNOWN
from common.ids import NodeId
from common.messages import AttachedReport
from serverproxy.core.chronicle import Chronicle
from serverproxy.core.members import Forgotten, Told
from serverproxy.net.story import LINES_WITHIN_US, MOST_LINES, Story

A, B, X, Y = map(NodeId, "abxy")


class Channel:
    """A channel whose nodes say, with each message, that they have moved from a to b."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self._caplog = caplog
        self.chronicle = Chronicle(Story("cam").tell)

    def moves(self, node: NodeId, times: int, at_us: int = 0) -> list[str]:
        """Return the lines."""
        self._caplog.clear()
        report = AttachedReport(stripe=0, parent=B, first=0)
        for _ in range(times):
            self.chronicle.event(Told(node, report), lambda _node, _stripe: A, at_us)
        return self._caplog.messages

    def leaves(self, node: NodeId) -> list[str]:
        """Return the lines."""
        self._caplog.clear()
        self.chronicle.commands([Forgotten(node)], 0)
        return self._caplog.messages


def test_one_node_has_so_many_lines_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    channel, moved = Channel(caplog), "moved from parent a to b"
    lines = channel.moves(X, 5000)
    assert lines[:-1] == [moved] * MOST_LINES
    assert lines[-1] == "more than 20 lines a minute: the rest is not told"
    assert channel.chronicle.counts["moved"] == 5000
    assert channel.moves(X, 1, LINES_WITHIN_US - 1) == []
    assert channel.moves(Y, 2) == [moved] * 2
    assert channel.moves(X, 2, LINES_WITHIN_US) == [moved] * 2


def test_that_it_left_is_told_always(caplog: pytest.LogCaptureFixture) -> None:
    channel = Channel(caplog)
    channel.moves(X, 100)
    assert channel.leaves(X) == ["left"]


def test_lines_of_so_many_nodes_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    channel = Channel(caplog)
    channel.moves(X, 100)
    for number in range(MAX_KNOWN):
        assert channel.moves(NodeId(f"n{number}"), 1)
    assert channel.moves(X, 1)
