"""What happens in a channel, in the log: a line for each happening that no other line tells.

One node has so many lines a minute: it could else have one written with each message.
"""

import logging

from serverproxy.core.chronicle import Happening

log = logging.getLogger(__name__)

MOST_LINES = 20
"""Lines about one node within `LINES_WITHIN_US`; one more says that the rest is only counted."""
LINES_WITHIN_US = 60_000_000
MAX_TOLD_OF = 1024
"""Nodes whose lines are counted; then the first is forgotten."""

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
        self._channel = channel
        self._lines: dict[str, tuple[int, int]] = {}
        """Since when lines about a node are counted, in microseconds, and how many there were."""

    def tell(self, happening: Happening) -> None:
        """Log a happening, unless there were many of its node lately; that it left, always."""
        node = happening.node
        if happening.kind not in _SENTENCES or node is None:
            return
        since, lines = self._lines.pop(node, (happening.at_us, 0))
        if happening.kind == "left":
            tell(self._channel, happening)
            return
        if happening.at_us - since >= LINES_WITHIN_US:
            since, lines = happening.at_us, 0
        self._lines[node] = since, lines + 1
        if len(self._lines) > MAX_TOLD_OF:
            del self._lines[next(iter(self._lines))]
        if lines < MOST_LINES:
            tell(self._channel, happening)
        elif lines == MOST_LINES:
            fields = {"channel": self._channel, "node": node}
            log.info("more than %d lines a minute: the rest is not told", lines, extra=fields)
