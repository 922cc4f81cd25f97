"""`python -m tests.support.picture`: take the picture of the status page that README.md shows.

A server proxy with a test card, ten client proxies, five players, and Debian's Chromium.
"""

import sys
import tempfile
from pathlib import Path

from tests.support.browser import Shown, chromium
from tests.support.fleet import CHANNEL, Fleet
from tests.support.players import FfmpegRecorder
from tests.support.processes import end_all, wait_until
from tests.support.sources import ROOT

PICTURE = ROOT / "docs" / "pictures" / "status-page.png"
NODES, PLAYERS = 10, 5
WIDTH = 1100
SECONDS = 12
"""Of stream before the picture is taken, so that what leaves the source is measured."""


def take(folder: Path) -> None:
    """Write the picture."""
    with chromium() as browser, Fleet(folder, "testcard:", NODES) as fleet:
        players = [
            FfmpegRecorder(one.url(CHANNEL), folder, 300.0, "tcp")
            for one in fleet.clients[::2][:PLAYERS]
        ]
        fleet.settle()
        shown = Shown(browser, f"http://{fleet.server.http}/", width=WIDTH)
        shown.wait_text("#players", str(PLAYERS))
        wait_until(lambda: shown.drawn() == fleet.trees(), 30, "both trees are drawn")
        shown.page.wait_for_timeout(SECONDS * 1000)
        shown.page.locator("#rows button").nth(NODES - 1).click()
        shown.page.evaluate("scrollTo(0, 0)")
        shown.page.wait_for_timeout(1500)  # until the nodes have come to rest
        end = shown.page.locator("#node").bounding_box()
        assert end is not None
        height = end["y"] + end["height"] + 8
        PICTURE.parent.mkdir(exist_ok=True)
        shown.page.screenshot(
            path=PICTURE,
            full_page=True,
            clip={"x": 0, "y": 0, "width": WIDTH, "height": height},
        )
        for player in players:
            player.terminate()


def main() -> None:
    """Take it, and say where it is."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            take(Path(folder))
        finally:
            end_all()
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
