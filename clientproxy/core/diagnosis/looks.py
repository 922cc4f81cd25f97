"""Counts that were read twenty times a second, and what follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass

FASTEST_OVER = 0.5
"""Seconds over which the most bytes a second are looked for."""
DELAY_OVER = 1.0
"""Seconds over which the least delay is looked for."""


@dataclass(frozen=True, slots=True)
class Look:
    """The counts at one moment."""

    at: float
    received_bytes: int
    delivered: int
    captured: float
    """When the server proxy took the newest packet that was delivered, by the clock of `at`."""


def fastest(looks: Sequence[Look]) -> float:
    """Return the most bytes a second over half a second; 0.0 where less was looked at."""
    most, begin = 0.0, 0
    for look in looks:
        while look.at - looks[begin].at >= FASTEST_OVER:
            first = looks[begin]
            most = max(most, (look.received_bytes - first.received_bytes) / (look.at - first.at))
            begin += 1
    return most


def delay(looks: Sequence[Look]) -> float:
    """Return how far behind the stream is at the end: the least of the last second.

    A pause of this machine, or of the source, is no delay: it is over at the next packet.
    """
    lately = looks[-1].at - DELAY_OVER
    return max(0.0, min(look.at - look.captured for look in looks if look.at >= lately))
