"""Metrics of the client proxy, read from plain integers at each scrape (`design.md`, 12)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from common.runtime.metrics import (
    EACH,
    PARENT,
    STRIPED,
    STRIPED_REASON,
    Buckets,
    Family,
    ParentFigures,
    Table,
    one,
    striped,
    striped_by,
)


class NodeFigures(ParentFigures, Protocol):
    """What a node counts. Sequences have one entry for each stripe, none before it has joined."""

    channel: str

    @property
    def joined(self) -> bool:
        """Every stripe has a parent, and the server proxy is there."""

    @property
    def control_up(self) -> bool:
        """The server proxy has answered on the present control link."""

    @property
    def received_bytes(self) -> Sequence[int]:
        """RTP and RTCP bytes from parents."""

    @property
    def relayed_bytes(self) -> Sequence[int]:
        """RTP and RTCP bytes written to children."""

    @property
    def delivered(self) -> int:
        """Packets merged in order."""

    @property
    def lost(self) -> int:
        """Packets given up."""

    @property
    def late(self) -> int:
        """Packets that came after they were given up, or twice."""

    @property
    def reorder_depth(self) -> int:
        """Packets that wait behind a gap."""

    @property
    def holes(self) -> Sequence[int]:
        """Packets that no parent had any more."""

    @property
    def rejoins(self) -> Mapping[str, Sequence[int]]:
        """Parents lost, by reason."""

    @property
    def delay_buckets(self) -> Buckets:
        """Delay of each packet."""

    @property
    def stall_buckets(self) -> Buckets:
        """Stalls."""

    @property
    def players(self) -> int:
        """Players that are fed."""

    @property
    def player_failures(self) -> int:
        """Players whose sessions a bug has ended."""

    @property
    def attached(self) -> Sequence[bool]:
        """There is a parent."""

    @property
    def standbys(self) -> Sequence[bool]:
        """A second parent is ready."""

    @property
    def behind(self) -> Sequence[float]:
        """Seconds that a packet takes from the parent, more than at best."""

    @property
    def slots(self) -> int:
        """Children that the server proxy lets this node have."""


class PlayerFigures(Protocol):
    """What the RTSP server counts, for all channels together."""

    connections: int
    connections_refused: int
    sessions: int
    packets_sent: int
    packets_dropped: int
    packets_skipped: int
    skips: int


NODE: Sequence[Family[NodeFigures]] = (
    Family(
        "gauge", "stripecast_joined", "1 while the server proxy is there and every stripe has a "
        "parent", EACH, one(lambda n: n.joined), min,
    ),
    Family(
        "gauge", "stripecast_control_up", "1 while the server proxy answers", EACH,
        one(lambda n: n.control_up), min,
    ),
    Family(
        "counter", "stripecast_received_bytes", "RTP and RTCP bytes from parents", STRIPED,
        striped(lambda n: n.received_bytes),
    ),
    Family(
        "counter", "stripecast_relayed_bytes", "RTP and RTCP bytes written to children", STRIPED,
        striped(lambda n: n.relayed_bytes),
    ),
    Family(
        "counter", "stripecast_packets_delivered", "Packets merged in order", EACH,
        one(lambda n: n.delivered),
    ),
    Family(
        "counter", "stripecast_packets_lost", "Packets given up after reorder_timeout", EACH,
        one(lambda n: n.lost),
    ),
    Family(
        "counter", "stripecast_packets_late", "Packets that came after they were given up, or "
        "twice", EACH, one(lambda n: n.late),
    ),
    Family(
        "counter", "stripecast_packets_missing", "Packets that no parent had any more", STRIPED,
        striped(lambda n: n.holes),
    ),
    Family(
        "gauge", "stripecast_reorder_depth_packets", "Packets that wait behind a gap", EACH,
        one(lambda n: n.reorder_depth),
    ),
    Family(
        "counter", "stripecast_rejoins", "Parents lost and replaced: closed, silent, slow, "
        "refused, loop, end", STRIPED_REASON, striped_by(lambda n: n.rejoins),
    ),
    Family(
        "histogram", "stripecast_delay_seconds", "From capture to delivery here, of each packet",
        EACH, one(lambda n: n.delay_buckets),
    ),
    Family(
        "histogram", "stripecast_stall_seconds", "By how much the delay grew from one packet to "
        "the next, where that was a tenth of a second or more", EACH,
        one(lambda n: n.stall_buckets),
    ),
    Family(
        "gauge", "stripecast_players", "Players that are fed", EACH, one(lambda n: n.players),
    ),
    Family(
        "counter", "stripecast_player_failures", "Players whose sessions a bug has ended", EACH,
        one(lambda n: n.player_failures),
    ),
    Family(
        "gauge", "stripecast_attached", "1 while there is a parent", STRIPED,
        striped(lambda n: n.attached), min,
    ),
    Family(
        "gauge", "stripecast_standbys_ready", "1 while a second parent is ready to take over; "
        "children of the server proxy have none", STRIPED, striped(lambda n: n.standbys), min,
    ),
    Family(
        "gauge", "stripecast_parent_lag_seconds", "What a packet takes from the parent, more than "
        "at best", STRIPED, striped(lambda n: n.behind), max,
    ),
    Family(
        "gauge", "stripecast_slots", "Children that the server proxy lets this node have", EACH,
        one(lambda n: n.slots),
    ),
    *PARENT,
)  # fmt: skip

PLAYERS: Sequence[Family[PlayerFigures]] = (
    Family(
        "gauge", "stripecast_rtsp_connections", "RTSP connections that are open", (),
        one(lambda p: p.connections),
    ),
    Family(
        "counter", "stripecast_rtsp_connections_refused", "RTSP connections above the limit", (),
        one(lambda p: p.connections_refused),
    ),
    Family(
        "gauge", "stripecast_rtsp_sessions", "RTSP sessions that are set up", (),
        one(lambda p: p.sessions),
    ),
    Family(
        "counter", "stripecast_rtsp_sent_packets", "RTP and RTCP packets sent to players", (),
        one(lambda p: p.packets_sent),
    ),
    Family(
        "counter", "stripecast_rtsp_dropped_packets", "Datagrams that the kernel did not take", (),
        one(lambda p: p.packets_dropped),
    ),
    Family(
        "counter", "stripecast_rtsp_skipped_packets", "Packets that a player was too slow for", (),
        one(lambda p: p.packets_skipped),
    ),
    Family(
        "counter", "stripecast_rtsp_skips", "Times that a player which reads too slowly was "
        "skipped to the next keyframe", (), one(lambda p: p.skips),
    ),
)  # fmt: skip


class ClientMetrics(Table[NodeFigures]):
    """Collector over all nodes of this daemon."""

    def __init__(self, nodes: Callable[[], Iterable[NodeFigures]]) -> None:
        """Read these nodes at each scrape."""
        super().__init__(NODE, lambda: [((node.channel,), node) for node in nodes()])


class PlayerMetrics(Table[PlayerFigures]):
    """Collector over the RTSP server."""

    def __init__(self, players: PlayerFigures) -> None:
        """Read these counts at each scrape."""
        super().__init__(PLAYERS, lambda: [((), players)])
