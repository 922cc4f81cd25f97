"""Metrics of the server proxy, read from plain integers at each scrape (`design.md`, 12)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from common.runtime.metrics import (
    EACH,
    KIND,
    PARENT,
    REASON,
    STRIPED,
    Family,
    ParentFigures,
    Table,
    keyed,
    one,
    striped,
)


class ChannelFigures(ParentFigures, Protocol):
    """What a channel counts. Lists have one entry for each stripe."""

    @property
    def source_packets(self) -> int:
        """RTP and RTCP packets accepted from the source."""

    @property
    def source_bytes(self) -> int:
        """Their bytes."""

    @property
    def source_packets_by_kind(self) -> Mapping[str, int]:
        """The same packets by what they carry."""

    @property
    def source_keyframes(self) -> int:
        """Places where a newcomer can begin."""

    @property
    def source_up(self) -> bool:
        """The source plays."""

    @property
    def source_lost(self) -> int:
        """Packets lost before they came here."""

    @property
    def source_pulls(self) -> int:
        """Times that the source began to play."""

    @property
    def source_failures(self) -> int:
        """Times that it could not be had, or ended."""

    @property
    def source_faults(self) -> Mapping[str, int]:
        """Packets that came amiss, by reason."""

    @property
    def sent_bytes(self) -> list[int]:
        """RTP and RTCP bytes written to children."""

    @property
    def nodes(self) -> int:
        """Nodes in the channel."""

    @property
    def nodes_away(self) -> int:
        """Those of them whose control link has ended."""

    @property
    def orphans(self) -> Sequence[int]:
        """Nodes without a parent."""

    @property
    def depths(self) -> list[int]:
        """Depth of each tree."""

    @property
    def joins(self) -> Mapping[str, int]:
        """Joins by result."""

    @property
    def parents_lost(self) -> Mapping[str, int]:
        """Parents that nodes have lost, by reason."""

    @property
    def happened(self) -> Mapping[str, int]:
        """What has happened, by kind."""

    @property
    def players(self) -> int:
        """Players of all nodes, as these report."""

    @property
    def lost_by_nodes(self) -> int:
        """Packets that the nodes present have given up, as they report."""

    @property
    def most_delay(self) -> float:
        """Seconds from capture to delivery at the node that is farthest behind, as it reports."""


CHANNEL: Sequence[Family[ChannelFigures]] = (
    Family(
        "gauge", "stripecast_source_up", "1 while the source plays", EACH,
        one(lambda c: c.source_up),
    ),
    Family(
        "counter", "stripecast_source_packets", "RTP and RTCP packets accepted from the source",
        EACH, one(lambda c: c.source_packets),
    ),
    Family(
        "counter", "stripecast_source_bytes", "Their bytes, as the source sent them", EACH,
        one(lambda c: c.source_bytes),
    ),
    Family(
        "counter", "stripecast_source_track_packets",
        "The same packets by what they carry: video, audio, application, other, rtcp", KIND,
        keyed(lambda c: c.source_packets_by_kind),
    ),
    Family(
        "counter", "stripecast_source_keyframes",
        "Packets from which on a newcomer can show a picture", EACH,
        one(lambda c: c.source_keyframes),
    ),
    Family(
        "counter", "stripecast_source_lost_packets",
        "Packets that the source numbered and that never came", EACH,
        one(lambda c: c.source_lost),
    ),
    Family(
        "counter", "stripecast_source_faults",
        "Packets from the source that came amiss: reordered, late, duplicate, bad, foreign",
        REASON, keyed(lambda c: c.source_faults),
    ),
    Family(
        "counter", "stripecast_source_pulls", "Times that the source began to play", EACH,
        one(lambda c: c.source_pulls),
    ),
    Family(
        "counter", "stripecast_source_failures",
        "Times that the source could not be had, or ended", EACH,
        one(lambda c: c.source_failures),
    ),
    Family(
        "counter", "stripecast_sent_bytes",
        "RTP and RTCP bytes in data frames written to children of the server proxy", STRIPED,
        striped(lambda c: c.sent_bytes),
    ),
    Family(
        "gauge", "stripecast_nodes", "Nodes in the channel", EACH, one(lambda c: c.nodes),
    ),
    Family(
        "gauge", "stripecast_nodes_away", "Those of them whose control link has ended", EACH,
        one(lambda c: c.nodes_away),
    ),
    Family(
        "gauge", "stripecast_orphans", "Nodes that have no parent", STRIPED,
        striped(lambda c: c.orphans),
    ),
    Family(
        "gauge", "stripecast_tree_depth", "Hops to the farthest node", STRIPED,
        striped(lambda c: c.depths),
    ),
    Family(
        "counter", "stripecast_joins", "Nodes that wanted to join: ok, full",
        ("channel", "result"), keyed(lambda c: c.joins),
    ),
    Family(
        "counter", "stripecast_parents_lost",
        "Parents that nodes have lost and replaced, as they report", REASON,
        keyed(lambda c: c.parents_lost),
    ),
    Family(
        "counter", "stripecast_events",
        "What has happened in the channel: joined, left, away, back, reached, refused, orphaned, "
        "repaired, moved, source_up, source_down, asked", KIND,
        keyed(lambda c: c.happened),
    ),
    Family(
        "gauge", "stripecast_reported_players", "Players at all nodes, as the nodes report", EACH,
        one(lambda c: c.players),
    ),
    Family(
        "gauge", "stripecast_reported_lost_packets",
        "Packets given up by the nodes that are present, as they report", EACH,
        one(lambda c: c.lost_by_nodes),
    ),
    Family(
        "gauge", "stripecast_reported_delay_seconds",
        "From capture to delivery at the node that is farthest behind, as it reports", EACH,
        one(lambda c: c.most_delay),
    ),
    *PARENT,
)  # fmt: skip


class ServerMetrics(Table[ChannelFigures]):
    """Collector over all channels."""

    def __init__(self, channels: Mapping[str, ChannelFigures]) -> None:
        """Read these channels at each scrape."""
        super().__init__(CHANNEL, lambda: [((name,), one) for name, one in list(channels.items())])
