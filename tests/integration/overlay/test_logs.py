"""What the log tells of a channel: one line for each event that matters, and whose it is."""

import logging
from collections import Counter
from collections.abc import Callable

import pytest

from tests.integration.overlay.conftest import Join
from tests.support.cable import Cable
from tests.support.overlay import until
from tests.support.synthetic import Viewer, synthetic

NODES, STRIPES = 5, 2
OF_A_STRIPE = {"attached", "feeds", "child", "parent", "has", "moved"}
"""How lines about a stripe begin."""
LINES_PER_PARENT = 6
"""Who takes another parent: that it lost one, at both ends and at the server proxy; and that it has
one, at both ends and at the server proxy."""


class Story:
    """The lines of the log so far, but for those of asyncio's debug mode."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self._caplog = caplog

    @property
    def lines(self) -> list[logging.LogRecord]:
        return [one for one in self._caplog.records if one.name != "asyncio"]

    @property
    def counts(self) -> Counter[str]:
        """How many lines there are of each kind, by the first word of what they say."""
        return Counter(one.getMessage().partition(" ")[0] for one in self.lines)


async def test_a_story_has_its_lines_and_each_says_whose_it_is(
    join: Join, caplog: pytest.LogCaptureFixture, seconds: Callable[[float], float]
) -> None:
    """Nodes come and are spliced in, a parent is lost, another one leaves: half a page."""
    story, cable, within = Story(caplog), Cable(), seconds(20)
    await cable.lay()
    async with synthetic() as server:
        server.up()
        play = server.play()
        _, top = await join(server, cable=cable)
        others = [await join(server) for _ in range(NODES - 1)]
        assert top.stripes is not None
        children = top.stripes.downlink.children
        await until(lambda: bool(list(children)), within, "the first one has children")
        viewer = Viewer(others[-1][1])
        before = len(story.lines)
        await until(lambda: len(viewer.numbers) > 300, within, "packets come")
        assert len(story.lines) < before + 100, "there are lines about packets"

        await cable.cut()
        await until(lambda: story.counts["parent"] > 0, within, "a parent is lost")
        await until(lambda: all(one.joined for _, one in others), within, "all have parents")
        await others[0][0].close()
        await until(lambda: story.counts["left"] == 1, within, "it has left")
        play.cancel()

    for one in story.lines:
        fields, text = vars(one), f"{one.name}: {one.getMessage()}"
        assert fields.get("channel") == "cam", text
        assert str(fields.get("node")).startswith("n"), text
        if one.getMessage().split()[0] in OF_A_STRIPE:
            assert fields.get("stripe") in range(STRIPES), text
    counts = story.counts
    assert counts["joined"] == 2 * NODES  # at both ends
    assert counts["attached"] >= STRIPES * NODES
    assert counts["feeds"] >= counts["attached"]
    assert len(story.lines) <= 4 * NODES + LINES_PER_PARENT * counts["feeds"]
