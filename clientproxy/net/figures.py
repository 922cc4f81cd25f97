"""What a node counts, as the metrics and the status API show it."""

from collections.abc import Mapping, Sequence

from clientproxy.net.feed import DELAY_BUCKETS
from clientproxy.net.node import Node
from common.ids import Stripe


class Figures:
    """The figures of one node (`metrics.NodeFigures`)."""

    def __init__(self, node: Node) -> None:
        """Read this node."""
        self.channel = node.channel
        self._node = node

    @property
    def received_bytes(self) -> Sequence[int]:
        """RTP and RTCP bytes from parents, per stripe."""
        return [stats.received_bytes for stats in self._node.stats]

    @property
    def relayed_bytes(self) -> Sequence[int]:
        """RTP and RTCP bytes written to children, per stripe."""
        return [] if self._node.downlink is None else self._node.downlink.stats.sent_bytes

    @property
    def overhead_bytes(self) -> Mapping[str, int]:
        """Bytes written besides the stream, by kind."""
        header = heartbeat = control = 0
        if self._node.downlink is not None:
            stats = self._node.downlink.stats
            header, heartbeat, control = (
                stats.header_bytes,
                stats.heartbeat_bytes,
                stats.control_bytes,
            )
        if self._node.uplink is not None:
            heartbeat += self._node.uplink.heartbeat_bytes
        return {
            "header": header,
            "heartbeat": heartbeat,
            "control": control + self._node.control_bytes,
        }

    @property
    def delivered(self) -> int:
        """Packets merged in order."""
        return self._node.feed.stats.delivered

    @property
    def lost(self) -> int:
        """Packets given up."""
        return self._node.feed.lost

    @property
    def rejoins(self) -> Mapping[tuple[int, str], int]:
        """Parents lost, by stripe and reason."""
        return {(int(stripe), reason): n for (stripe, reason), n in self._node.rejoins.items()}

    @property
    def delay_buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative delay histogram and the sum of all delays."""
        stats, total, buckets = self._node.feed.stats, 0, []
        for bound, count in zip(
            [*map(str, DELAY_BUCKETS), "+Inf"], stats.delay_counts, strict=True
        ):
            total += count
            buckets.append((bound, float(total)))
        return buckets, stats.delay_sum

    @property
    def players(self) -> int:
        """Players that are fed."""
        return self._node.feed.viewers

    @property
    def children(self) -> Sequence[int]:
        """Children, per stripe."""
        downlink = self._node.downlink
        if downlink is None:
            return []
        return [len(downlink.children.of(Stripe(s))) for s in range(len(self._node.logs))]

    def detail(self) -> dict[str, object]:
        """Return the node for the status API."""
        node = self._node
        offer, uplink, downlink = node.offer, node.uplink, node.downlink
        stripes = [Stripe(stripe) for stripe in range(len(node.logs))]
        return {
            "channel": node.channel,
            "server": str(node.server),
            "node": None if offer is None else offer.node,
            "serve": node.serve,
            "slots": 0 if downlink is None else downlink.children.slots,
            "joined": node.joined,
            "source_up": node.source_up,
            "parents": [] if uplink is None else [uplink.search.parent(s) for s in stripes],
            "children": []
            if downlink is None
            else [[child.node for child in downlink.children.of(s)] for s in stripes],
            "delay": node.feed.delay,
            "delivered": self.delivered,
            "lost": self.lost,
            "players": self.players,
            "head": node.feed.head,
            "waiting": node.feed.reorder_depth,
        }
