"""A finding: what is the matter, what it means, what to do."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "problem", "not measured"]
"""problem: this machine cannot watch, or badly. warning: something is not as it could be."""
Topic: TypeAlias = Literal[
    "server", "channel", "reachable", "ports", "clock", "round trip", "stream", "download",
    "upload", "parents", "machine",
]  # fmt: skip

_COARSE, _MEGA = 0.01, 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    topic: Topic
    what: str
    """What was found: a sentence with its figures."""
    meaning: str = ""
    """What it means for who watches; empty: nothing."""
    advice: str = ""
    """What to do; empty: nothing."""


def seconds(value: float) -> str:
    """Return a time as people read it: 0.8 ms, 12 ms, 1.4 s."""
    if abs(value) >= 1:
        return f"{value:.1f} s"
    return f"{value * 1000:.0f} ms" if abs(value) >= _COARSE else f"{value * 1000:.1f} ms"


def rate(bytes_per_second: float) -> str:
    """Return bytes a second as bits a second: 2.1 Mbit/s, 64 kbit/s."""
    bits = bytes_per_second * 8
    return f"{bits / _MEGA:.1f} Mbit/s" if bits >= _MEGA else f"{bits / 1e3:.0f} kbit/s"


def counted(number: int, noun: str) -> str:
    """Return `1 packet` or `2 packets`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
