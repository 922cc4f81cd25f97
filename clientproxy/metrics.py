"""Metrics of the client proxy, read from plain integers at each scrape (`design.md`, 12)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector


class NodeFigures(Protocol):
    """What a node counts."""

    channel: str

    @property
    def received_bytes(self) -> Sequence[int]:
        """RTP and RTCP bytes from parents, per stripe."""

    @property
    def relayed_bytes(self) -> Sequence[int]:
        """RTP and RTCP bytes written to children, per stripe."""

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
    def rejoins(self) -> Mapping[tuple[int, str], int]:
        """Parents lost, by stripe and reason."""

    @property
    def delay_buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative delay histogram and the sum of all delays."""

    @property
    def players(self) -> int:
        """Players that are fed."""

    @property
    def children(self) -> Sequence[int]:
        """Children, per stripe."""

    @property
    def skips(self) -> Sequence[int]:
        """Times that a child which is too slow was skipped forward, per stripe."""

    @property
    def detached(self) -> Mapping[str, Sequence[int]]:
        """Children whose link was ended, by reason, per stripe."""


class ClientMetrics(Collector):
    """Collector over all nodes of this daemon."""

    def __init__(self, nodes: Callable[[], Iterable[NodeFigures]]) -> None:
        """Read these nodes at each scrape."""
        self._nodes = nodes

    def collect(self) -> Iterator[Metric]:
        """Conform to Collector."""
        each, striped = ["channel"], ["channel", "stripe"]
        received = CounterMetricFamily(
            "stripecast_received_bytes", "RTP and RTCP bytes from parents", labels=striped
        )
        relayed = CounterMetricFamily(
            "stripecast_relayed_bytes", "RTP and RTCP bytes written to children", labels=striped
        )
        overhead = CounterMetricFamily(
            "stripecast_overhead_bytes",
            "Bytes written besides the stream, by kind",
            labels=["channel", "kind"],
        )
        delivered = CounterMetricFamily(
            "stripecast_packets_delivered", "Packets merged in order", labels=each
        )
        lost = CounterMetricFamily(
            "stripecast_packets_lost", "Packets given up after reorder_timeout", labels=each
        )
        rejoins = CounterMetricFamily(
            "stripecast_rejoins",
            "Parents lost and replaced, by reason",
            labels=["channel", "stripe", "reason"],
        )
        delay = HistogramMetricFamily(
            "stripecast_delay_seconds", "From capture to delivery here", labels=each
        )
        players = GaugeMetricFamily("stripecast_players", "Players that are fed", labels=each)
        children = GaugeMetricFamily("stripecast_children", "Children", labels=striped)
        skips = CounterMetricFamily(
            "stripecast_skips",
            "Times that a child too slow for the log was skipped forward",
            labels=striped,
        )
        detached = CounterMetricFamily(
            "stripecast_detached_children",
            "Children whose link this parent ended, by reason",
            labels=["channel", "stripe", "reason"],
        )
        for node in self._nodes():
            name = node.channel
            for stripe, count in enumerate(node.received_bytes):
                received.add_metric([name, str(stripe)], count)
            for stripe, count in enumerate(node.relayed_bytes):
                relayed.add_metric([name, str(stripe)], count)
            for stripe, count in enumerate(node.children):
                children.add_metric([name, str(stripe)], count)
            for kind, count in node.overhead_bytes.items():
                overhead.add_metric([name, kind], count)
            for (stripe, reason), count in node.rejoins.items():
                rejoins.add_metric([name, str(stripe), reason], count)
            for stripe, count in enumerate(node.skips):
                skips.add_metric([name, str(stripe)], count)
            for reason, counts in node.detached.items():
                for stripe, count in enumerate(counts):
                    detached.add_metric([name, str(stripe), reason], count)
            delivered.add_metric([name], node.delivered)
            lost.add_metric([name], node.lost)
            players.add_metric([name], node.players)
            buckets, total = node.delay_buckets
            delay.add_metric([name], buckets, total)
        families = received, relayed, overhead, delivered, lost, rejoins, delay, players, children
        yield from map(_summed, (*families, skips, detached))


def _summed(family: Metric) -> Metric:
    """Add up what has the same labels: one channel name joined at two server proxies."""
    samples = family.samples
    family.samples = []
    at: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    for sample in samples:
        key = sample.name, tuple(sample.labels.items())
        if key in at:
            known = family.samples[at[key]]
            family.samples[at[key]] = known._replace(value=known.value + sample.value)
        else:
            at[key] = len(family.samples)
            family.samples.append(sample)
    return family
