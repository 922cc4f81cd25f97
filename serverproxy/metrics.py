"""Metrics of the server proxy, read from plain integers at each scrape (`design.md`, 12)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class ChannelFigures(Protocol):
    """What a channel counts."""

    @property
    def source_packets(self) -> int:
        """RTP and RTCP packets accepted from the source."""

    @property
    def source_bytes(self) -> int:
        """Their bytes."""

    @property
    def source_up(self) -> bool:
        """The source plays."""

    @property
    def source_lost(self) -> int:
        """Packets lost before they came here."""

    @property
    def sent_bytes(self) -> list[int]:
        """RTP and RTCP bytes written to children, per stripe."""

    @property
    def overhead_bytes(self) -> Mapping[str, int]:
        """Bytes written besides the stream, by kind."""

    @property
    def nodes(self) -> int:
        """Nodes in the channel."""

    @property
    def depths(self) -> list[int]:
        """Depth of each tree."""

    @property
    def joins(self) -> Mapping[str, int]:
        """Joins by result."""

    @property
    def skips(self) -> Sequence[int]:
        """Times that a child which is too slow was skipped forward, per stripe."""

    @property
    def detached(self) -> Mapping[str, Sequence[int]]:
        """Children whose link was ended, by reason, per stripe."""


class ServerMetrics(Collector):
    """Collector over all channels."""

    def __init__(self, channels: Mapping[str, ChannelFigures]) -> None:
        """Read these channels at each scrape."""
        self._channels = channels

    def collect(self) -> Iterator[Metric]:
        """Conform to Collector."""
        each = ["channel"]
        packets = CounterMetricFamily(
            "stripecast_source_packets", "RTP and RTCP packets accepted", labels=each
        )
        size = CounterMetricFamily(
            "stripecast_source_bytes", "RTP and RTCP bytes accepted", labels=each
        )
        lost = CounterMetricFamily(
            "stripecast_source_lost_packets", "Packets that the source lost", labels=each
        )
        up = GaugeMetricFamily("stripecast_source_up", "1 while the source plays", labels=each)
        sent = CounterMetricFamily(
            "stripecast_sent_bytes",
            "RTP and RTCP bytes in data frames written to children of the server proxy",
            labels=["channel", "stripe"],
        )
        overhead = CounterMetricFamily(
            "stripecast_overhead_bytes",
            "Bytes written besides the stream, by kind",
            labels=["channel", "kind"],
        )
        nodes = GaugeMetricFamily("stripecast_nodes", "Nodes in the channel", labels=each)
        depth = GaugeMetricFamily(
            "stripecast_tree_depth", "Hops to the farthest node", labels=["channel", "stripe"]
        )
        joins = CounterMetricFamily(
            "stripecast_joins", "Joins by result", labels=["channel", "result"]
        )
        skips = CounterMetricFamily(
            "stripecast_skips",
            "Times that a child too slow for the log was skipped forward",
            labels=["channel", "stripe"],
        )
        detached = CounterMetricFamily(
            "stripecast_detached_children",
            "Children whose link this parent ended, by reason",
            labels=["channel", "stripe", "reason"],
        )
        for name, channel in list(self._channels.items()):
            packets.add_metric([name], channel.source_packets)
            size.add_metric([name], channel.source_bytes)
            lost.add_metric([name], channel.source_lost)
            up.add_metric([name], channel.source_up)
            nodes.add_metric([name], channel.nodes)
            for stripe, count in enumerate(channel.sent_bytes):
                sent.add_metric([name, str(stripe)], count)
            for stripe, hops in enumerate(channel.depths):
                depth.add_metric([name, str(stripe)], hops)
            for kind, count in channel.overhead_bytes.items():
                overhead.add_metric([name, kind], count)
            for stripe, count in enumerate(channel.skips):
                skips.add_metric([name, str(stripe)], count)
            for reason, counts in channel.detached.items():
                for stripe, count in enumerate(counts):
                    detached.add_metric([name, str(stripe), reason], count)
            for result, count in channel.joins.items():
                joins.add_metric([name, result], count)
        yield from (packets, size, lost, up, sent, overhead, nodes, depth, joins)
        yield from (skips, detached)
