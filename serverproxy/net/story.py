"""What happens in a channel, in the log: a line for each happening that no other line tells."""

import logging

from serverproxy.core.chronicle import Happening

log = logging.getLogger(__name__)

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
