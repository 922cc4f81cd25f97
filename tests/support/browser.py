"""Debian's Chromium, driven by Playwright: what a page shows, and what it complains of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.installed import skip_unless_installed

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking"]
SHOTS = os.environ.get("STRIPECAST_SCREENSHOTS")
"""A folder: pictures of the pages are left there, to be looked at."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; the test is skipped where there is none, and fails in CI."""
    skip_unless_installed("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, timeout=120_000
        )
        try:
            yield browser
        finally:
            browser.close()


class Shown:
    """One page in a browser, with all that it has complained of."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        width: int = 1280,
        scheme: Literal["light", "dark"] = "light",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.faults: list[str] = []
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            extra_http_headers=headers,
        )
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda said: self._said(said.type, said.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(url)

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.faults.append(text)

    def text(self, selector: str) -> str:
        """Return the text of the first element."""
        return self.page.locator(selector).first.inner_text()

    def wait_text(self, selector: str, text: str) -> None:
        """Wait until the first element shows exactly this."""
        self.page.wait_for_function(
            "([where, text]) => document.querySelector(where)?.innerText.trim() === text",
            arg=[selector, text],
        )

    def drawn(self) -> list[dict[str, str]]:
        """Return each tree as it is drawn: {node: parent}, '' for who has none."""
        found: list[dict[str, str]] = self.page.evaluate(
            """() => [...document.querySelectorAll(".tree svg")].map((svg) =>
                Object.fromEntries([...svg.querySelectorAll(".edge")].map((edge) =>
                    [edge.dataset.node, edge.dataset.parent])))"""
        )
        return found

    def updates(self) -> list[float]:
        """Return how many milliseconds each snapshot took to show."""
        found: list[float] = self.page.evaluate(
            "() => performance.getEntriesByName('update').map((one) => one.duration)"
        )
        return found

    def fits(self) -> bool:
        """Whether nothing is wider than the window."""
        fits: bool = self.page.evaluate(
            "() => document.documentElement.scrollWidth <= window.innerWidth"
        )
        return fits

    def shoot(self, name: str) -> None:
        """Leave a picture of the whole page, where pictures are wanted."""
        if SHOTS is not None:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)
