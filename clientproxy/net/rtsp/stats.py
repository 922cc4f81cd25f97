"""Plain counts of the RTSP server; collectors read them."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class ServerStats:
    """What the server did since its start."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By method (`other` for unknown ones) and status."""
    connections: int = 0
    """Open RTSP connections."""
    connections_refused: int = 0
    sessions: int = 0
    """Sessions that are set up."""
    sessions_expired: int = 0
    packets_sent: int = 0
    """RTP and RTCP packets."""
    packets_dropped: int = 0
    """Datagrams that the kernel did not take."""
    packets_skipped: int = 0
    """Packets that a player was too slow for."""
    skips: int = 0
    receiver_reports: int = 0
