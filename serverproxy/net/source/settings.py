"""What the operator says about one source: `ChannelConfig` has checked it."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """How to pull a source; `repr` keeps its secrets."""

    url: str = field(repr=False)
    transport: Literal["auto", "tcp", "udp"] = "auto"
    """`auto`: TCP, then UDP where the source refuses TCP or sends nothing over it."""
    username: str | None = field(default=None, repr=False)
    """Goes before the one in the URL."""
    password: str | None = field(default=None, repr=False)
    ca: str | None = None
    """File with the certificates that rtsps:// is verified with; the system's by default."""
    fingerprint: str | None = None
    """SHA-256 of the source's certificate, 64 small hex digits: verified instead of name and
    issuer."""
    timeout: float = 5.0
    """Seconds without RTP after which the source counts as lost."""
