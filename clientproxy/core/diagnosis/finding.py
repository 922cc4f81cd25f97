"""A finding: what is the matter, what it means, what to do."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "problem", "not measured"]
"""problem: this machine cannot watch, or badly. warning: something is not as it could be."""
Topic: TypeAlias = Literal[
    "server", "channel", "reachable", "ports", "clock", "round trip", "stream", "download",
    "upload", "parents", "machine",
]  # fmt: skip


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
