"""The players that a channel feeds: a fault at one of them ends that one, and nobody else notices.

Whatever they are told comes while the link to a parent is read: an exception would end that.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping

from clientproxy.core.events import Viewer

log = logging.getLogger(__name__)


class Viewers:
    """The viewers of one feed, in the order in which they came."""

    __slots__ = ("_fields", "_viewers", "failures")

    def __init__(self, fields: Callable[[], Mapping[str, object]]) -> None:
        """Start with none; `fields` are those of the feed, for the log."""
        self._fields = fields
        self._viewers: list[Viewer] = []
        self.failures = 0
        """Viewers that were ended because of a bug."""

    def __len__(self) -> int:
        return len(self._viewers)

    def add(self, viewer: Viewer) -> None:
        """Tell it what comes from now on."""
        self._viewers.append(viewer)

    def remove(self, viewer: Viewer) -> None:
        """Tell it nothing more. One that is none of these is ignored."""
        if viewer in self._viewers:
            self._viewers.remove(viewer)

    def tell(self, tell: Callable[[Viewer], None]) -> None:
        """Call `tell` for each."""
        for viewer in list(self._viewers):
            try:
                tell(viewer)
            except Exception:
                log.exception("a player's session failed, a bug: it is ended", extra=self._fields())
                self._fail(viewer)

    def end(self, reason: str) -> None:
        """End all: the feed has no more packets."""
        self.tell(lambda viewer: viewer.ended(reason))
        self._viewers.clear()

    def _fail(self, viewer: Viewer) -> None:
        self.failures += 1
        self.remove(viewer)
        # The same bug may be in its way once more; what it held is freed all the same.
        with contextlib.suppress(Exception):
            viewer.ended("a bug in this client proxy")
