"""What happens in a channel, in the log: a line for each happening that no other line tells.

One node has so many lines a minute: it could else have one written with each message.
"""

import logging

from common.fewlines import FewLines
from serverproxy.core.chronicle import Happening

log = logging.getLogger(__name__)

MOST_LINES = 20
"""Lines about one node within `LINES_WITHIN_US`; one more says that the rest is only counted."""
LINES_WITHIN_US = 60_000_000

_SENTENCES = {
    "left": "left",
    "away": "its control link has ended",
    "reached": "can be reached by now",
    "orphaned": "has lost its parent {before}: {reason}",
    "repaired": "has parent {parent} in place of {before}: {reason}",
    "moved": "moved from parent {before} to {parent}",
}
"""The rest is told where more is known: by the control link, the source, the HTTP API."""


def tell(channel: str, happening: Happening) -> None:
    """Log a happening."""
    if (sentence := _SENTENCES.get(happening.kind)) is None:
        return
    fields: dict[str, object] = {"channel": channel, "node": happening.node}
    if happening.stripe is not None:
        fields["stripe"] = happening.stripe
    text = sentence.format(
        before=happening.before, parent=happening.parent, reason=happening.reason
    )
    log.info("%s", text, extra=fields)


class Story:
    """The lines about one channel."""

    def __init__(self, channel: str) -> None:
        """Start with none."""
        self._channel, self._lines = channel, FewLines(LINES_WITHIN_US)

    def tell(self, happening: Happening) -> None:
        """Log a happening, unless there were many of its node lately; that it left, always."""
        node = happening.node
        if happening.kind not in _SENTENCES or node is None:
            return
        if happening.kind == "left":
            self._lines.forget(node)
            tell(self._channel, happening)
        elif (lines := self._lines.count(node, happening.at_us)) <= MOST_LINES:
            tell(self._channel, happening)
        elif lines == MOST_LINES + 1:
            fields = {"channel": self._channel, "node": node}
            log.info("more than %d lines a minute: the rest is not told", MOST_LINES, extra=fields)
