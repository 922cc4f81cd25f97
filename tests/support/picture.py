"""`python -m tests.support.picture`: take the picture of the status page that README.md shows.

A server proxy with a test card, ten client proxies, five players, and Debian's Chromium.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.support.browser import Shown, chromium
from tests.support.fleet import CHANNEL, Fleet
from tests.support.players import FfmpegRecorder
from tests.support.processes import end_all, wait_until
from tests.support.sources import ROOT

PICTURE = ROOT / "docs" / "pictures" / "status-page.png"
NODES, PLAYERS = 10, 5
SECONDS = 12
"""Of stream before the picture is taken, so that what leaves the source is measured."""
COLOURS = 64
"""Enough for a page with few of them, and a third of the bytes."""


def take(folder: Path) -> None:
    """Write the picture."""
    with chromium() as browser, Fleet(folder, "testcard:", NODES) as fleet:
        players = [
            FfmpegRecorder(one.url(CHANNEL), folder, 300.0, "tcp")
            for one in fleet.clients[::2][:PLAYERS]
        ]
        fleet.settle()
        shown = Shown(browser, f"http://{fleet.server.http}/", width=1100)
        shown.wait_text("#players", str(PLAYERS))
        wait_until(lambda: shown.drawn() == fleet.trees(), 30, "both trees are drawn")
        shown.page.wait_for_timeout(SECONDS * 1000)
        shown.page.locator("#rows button").nth(NODES - 1).click()
        PICTURE.parent.mkdir(exist_ok=True)
        end = shown.page.locator(".forest").bounding_box()
        assert end is not None
        clip = {"x": 0.0, "y": 0.0, "width": 1100.0, "height": end["y"] + end["height"] + 12}
        shown.page.set_viewport_size({"width": 1100, "height": int(clip["height"])})
        shown.page.wait_for_timeout(1500)
        shown.page.screenshot(path=PICTURE)
        for player in players:
            player.terminate()
    with Image.open(PICTURE) as picture:
        small = picture.convert("RGB").quantize(COLOURS)
    small.save(PICTURE, optimize=True)


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
