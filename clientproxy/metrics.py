"""Metrics of the client proxy, read from plain integers at each scrape (`design.md`, 12)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from common.runtime.metrics import Buckets, Family, Table, keyed, one, striped, striped_by


class NodeFigures(Protocol):
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
    def overhead_bytes(self) -> Mapping[str, int]:
        """Bytes written besides the stream, by kind."""

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
    def attached(self) -> Sequence[bool]:
        """There is a parent."""

    @property
    def standbys(self) -> Sequence[bool]:
        """A second parent is ready."""

    @property
    def behind(self) -> Sequence[float]:
        """Seconds that a packet takes from the parent, more than at best."""

    @property
    def children(self) -> Sequence[int]:
        """Children."""

    @property
    def slots(self) -> int:
        """Children that the server proxy lets this node have."""

    @property
    def log_bytes(self) -> Sequence[int]:
        """Bytes in the logs."""

    @property
    def log_seconds(self) -> Sequence[float]:
        """Seconds of the stream in the logs."""

    @property
    def refused(self) -> Mapping[str, int]:
        """Nodes that wanted to be children of this one and were refused, by reason."""

    @property
    def skips(self) -> Sequence[int]:
        """Times that a child which is too slow was skipped forward."""

    @property
    def detached(self) -> Mapping[str, Sequence[int]]:
        """Children whose link was ended, by reason."""


class PlayerFigures(Protocol):
    """What the RTSP server counts, for all channels together."""

    connections: int
    connections_refused: int
    sessions: int
    packets_sent: int
    packets_dropped: int
    packets_skipped: int
    skips: int


_EACH, _STRIPED, _KIND = ("channel",), ("channel", "stripe"), ("channel", "kind")
_REASON, _STRIPED_REASON = ("channel", "reason"), ("channel", "stripe", "reason")

NODE: Sequence[Family[NodeFigures]] = (
    Family(
        "gauge", "stripecast_joined", "1 while the server proxy is there and every stripe has a "
        "parent", _EACH, one(lambda n: n.joined), min,
    ),
    Family(
        "gauge", "stripecast_control_up", "1 while the server proxy answers", _EACH,
        one(lambda n: n.control_up), min,
    ),
    Family(
        "counter", "stripecast_received_bytes", "RTP and RTCP bytes from parents", _STRIPED,
        striped(lambda n: n.received_bytes),
    ),
    Family(
        "counter", "stripecast_relayed_bytes", "RTP and RTCP bytes written to children", _STRIPED,
        striped(lambda n: n.relayed_bytes),
    ),
    Family(
        "counter", "stripecast_overhead_bytes",
        "Bytes written besides the stream: header, heartbeat, control", _KIND,
        keyed(lambda n: n.overhead_bytes),
    ),
    Family(
        "counter", "stripecast_packets_delivered", "Packets merged in order", _EACH,
        one(lambda n: n.delivered),
    ),
    Family(
        "counter", "stripecast_packets_lost", "Packets given up after reorder_timeout", _EACH,
        one(lambda n: n.lost),
    ),
    Family(
        "counter", "stripecast_packets_late", "Packets that came after they were given up, or "
        "twice", _EACH, one(lambda n: n.late),
    ),
    Family(
        "counter", "stripecast_packets_missing", "Packets that no parent had any more", _STRIPED,
        striped(lambda n: n.holes),
    ),
    Family(
        "gauge", "stripecast_reorder_depth_packets", "Packets that wait behind a gap", _EACH,
        one(lambda n: n.reorder_depth),
    ),
    Family(
        "counter", "stripecast_rejoins", "Parents lost and replaced: closed, silent, slow, "
        "refused, loop, end", _STRIPED_REASON, striped_by(lambda n: n.rejoins),
    ),
    Family(
        "histogram", "stripecast_delay_seconds", "From capture to delivery here, of each packet",
        _EACH, one(lambda n: n.delay_buckets),
    ),
    Family(
        "histogram", "stripecast_stall_seconds", "By how much the delay grew from one packet to "
        "the next, where that was a tenth of a second or more", _EACH,
        one(lambda n: n.stall_buckets),
    ),
    Family(
        "gauge", "stripecast_players", "Players that are fed", _EACH, one(lambda n: n.players),
    ),
    Family(
        "gauge", "stripecast_attached", "1 while there is a parent", _STRIPED,
        striped(lambda n: n.attached), min,
    ),
    Family(
        "gauge", "stripecast_standbys_ready", "1 while a second parent is ready to take over; "
        "children of the server proxy have none", _STRIPED, striped(lambda n: n.standbys), min,
    ),
    Family(
        "gauge", "stripecast_parent_lag_seconds", "What a packet takes from the parent, more than "
        "at best", _STRIPED, striped(lambda n: n.behind), max,
    ),
    Family(
        "gauge", "stripecast_children", "Nodes that this daemon feeds", _STRIPED,
        striped(lambda n: n.children),
    ),
    Family(
        "gauge", "stripecast_slots", "Children that the server proxy lets this node have", _EACH,
        one(lambda n: n.slots),
    ),
    Family(
        "gauge", "stripecast_log_bytes", "Frames held for children that come back or are behind",
        _STRIPED, striped(lambda n: n.log_bytes),
    ),
    Family(
        "gauge", "stripecast_log_seconds", "Seconds of the stream that these frames are",
        _STRIPED, striped(lambda n: n.log_seconds), max,
    ),
    Family(
        "counter", "stripecast_refused_children", "Nodes that asked this daemon to feed them and "
        "were refused", _REASON, keyed(lambda n: n.refused),
    ),
    Family(
        "counter", "stripecast_skips", "Times that a child too slow for the log was skipped "
        "forward", _STRIPED, striped(lambda n: n.skips),
    ),
    Family(
        "counter", "stripecast_detached_children",
        "Children whose link this daemon ended: too_slow, silent", _STRIPED_REASON,
        striped_by(lambda n: n.detached),
    ),
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
