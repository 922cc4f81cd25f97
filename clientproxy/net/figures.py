"""What a node counts, as the metrics and the status API show it."""

from collections.abc import Mapping, Sequence
from typing import get_args

from clientproxy.core.verdict import Condition, StripeCondition, judge
from clientproxy.net.node import Node
from clientproxy.net.stripes import Stripes
from common.fields import LostReason
from common.ids import Stripe
from common.runtime.metrics import Buckets


class Figures:
    """The figures of one node (`metrics.NodeFigures`)."""

    def __init__(self, node: Node) -> None:
        """Read this node."""
        self.channel = node.channel
        self._node = node
        self._stripes = node.stripes

    @property
    def received_bytes(self) -> Sequence[int]:
        """RTP and RTCP bytes from parents, per stripe."""
        return [] if self._stripes is None else [one.received_bytes for one in self._stripes.stats]

    @property
    def relayed_bytes(self) -> Sequence[int]:
        """RTP and RTCP bytes written to children, per stripe."""
        return [] if self._stripes is None else self._stripes.downlink.stats.sent_bytes

    @property
    def overhead_bytes(self) -> Mapping[str, int]:
        """Bytes written besides the stream, by kind."""
        header = heartbeat = control = 0
        if self._stripes is not None:
            stats = self._stripes.downlink.stats
            header, heartbeat, control = (
                stats.header_bytes,
                stats.heartbeat_bytes,
                stats.control_bytes,
            )
            heartbeat += self._stripes.uplink.watch.heartbeat_bytes
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
    def rejoins(self) -> Mapping[str, Sequence[int]]:
        """Parents lost, by reason, per stripe."""
        if (own := self._stripes) is None:
            return {}
        return {
            reason: [own.rejoins.get((stripe, reason), 0) for stripe in own.stripes]
            for reason in get_args(LostReason)
        }

    @property
    def delay_buckets(self) -> Buckets:
        """Cumulative delay histogram and the sum of all delays."""
        return self._node.feed.stats.delay_buckets

    @property
    def stall_buckets(self) -> Buckets:
        """Stalls."""
        return self._node.feed.stats.stalls.buckets

    @property
    def late(self) -> int:
        """Packets that came after they were given up, or twice."""
        return self._node.feed.late

    @property
    def reorder_depth(self) -> int:
        """Packets that wait behind a gap."""
        return self._node.feed.reorder_depth

    @property
    def joined(self) -> bool:
        """Every stripe has a parent, and the server proxy is there."""
        return self._node.joined

    @property
    def control_up(self) -> bool:
        """The server proxy has answered on the present control link."""
        return self._node.control_up

    @property
    def holes(self) -> Sequence[int]:
        """Packets that no parent had any more, per stripe."""
        return [] if self._stripes is None else [one.holes for one in self._stripes.stats]

    @property
    def attached(self) -> Sequence[bool]:
        """There is a parent, per stripe."""
        if (own := self._stripes) is None:
            return []
        return [own.uplink.search.parent(stripe) is not None for stripe in own.stripes]

    @property
    def standbys(self) -> Sequence[bool]:
        """A second parent is ready, per stripe."""
        if (own := self._stripes) is None:
            return []
        return [own.uplink.search.standbys.held(stripe) is not None for stripe in own.stripes]

    @property
    def behind(self) -> Sequence[float]:
        """Seconds that a packet takes from the parent, more than at best, per stripe."""
        if (own := self._stripes) is None:
            return []
        return [own.uplink.behind(stripe) for stripe in own.stripes]

    @property
    def slots(self) -> int:
        """Children that the server proxy lets this node have."""
        return 0 if self._stripes is None else self._stripes.downlink.children.slots

    @property
    def log_bytes(self) -> Sequence[int]:
        """Bytes in the logs, per stripe."""
        return [] if self._stripes is None else [one.size_bytes for one in self._stripes.logs]

    @property
    def log_seconds(self) -> Sequence[float]:
        """Seconds of the stream in the logs, per stripe."""
        return [] if self._stripes is None else [one.seconds for one in self._stripes.logs]

    @property
    def refused(self) -> Mapping[str, int]:
        """Nodes that wanted to be children of this one and were refused, by reason."""
        return {} if self._stripes is None else self._stripes.downlink.stats.refused

    @property
    def players(self) -> int:
        """Players that are fed."""
        return self._node.feed.viewers

    @property
    def player_failures(self) -> int:
        """Players whose sessions a bug has ended."""
        return self._node.feed.viewer_failures

    @property
    def children(self) -> Sequence[int]:
        """Children, per stripe."""
        if self._stripes is None:
            return []
        children = self._stripes.downlink.children
        return [len(children.of(stripe)) for stripe in self._stripes.stripes]

    @property
    def skips(self) -> Sequence[int]:
        """Times that a child which is too slow was skipped forward, per stripe."""
        return [] if self._stripes is None else self._stripes.downlink.stats.skips

    @property
    def detached(self) -> Mapping[str, Sequence[int]]:
        """Children whose link was ended, by reason, per stripe."""
        return {} if self._stripes is None else self._stripes.downlink.stats.detached

    def detail(self) -> dict[str, object]:
        """Return the node for the status API."""
        node = self._node
        known = {
            "channel": node.channel,
            "server": str(node.server),
            "joined": node.joined,
            "source_up": node.readiness.source_up,
            "source_trouble": node.readiness.source_trouble,
            "delay": node.feed.stats.delay,
            "delivered": self.delivered,
            "lost": self.lost,
            "late": self.late,
            "players": self.players,
            "head": node.feed.head,
            "waiting": node.feed.reorder_depth,
            "verdict": judge(self._condition()),
        }
        if self._stripes is None:
            return known
        uplink, children = self._stripes.uplink, self._stripes.downlink.children
        return known | {
            "node": self._stripes.offer.node,
            "addresses": self._stripes.offer.addresses,
            "serve": self._stripes.serve,
            "slots": children.slots,
            "parents": [uplink.search.parent(stripe) for stripe in self._stripes.stripes],
            "parent_addresses": [
                str(uplink.peer(stripe) or "") for stripe in self._stripes.stripes
            ],
            "standbys": [uplink.search.standbys.held(stripe) for stripe in self._stripes.stripes],
            "rtt": [uplink.rtt(stripe) for stripe in self._stripes.stripes],
            "behind": [uplink.behind(stripe) for stripe in self._stripes.stripes],
            "children": [
                [child.node for child in children.of(stripe)] for stripe in self._stripes.stripes
            ],
        }

    def _condition(self) -> Condition:
        node, stripes = self._node, self._stripes
        if stripes is None:
            return Condition(
                server=str(node.server), control_up=False, trouble=node.readiness.trouble
            )
        return Condition(
            server=str(node.server),
            control_up=node.control_up,
            source_up=node.readiness.source_up,
            source_trouble=node.readiness.source_trouble,
            downlink_slow=stripes.uplink.watch.downlink_slow,
            reachable=bool(stripes.offer.addresses),
            stripes=[_stripe_condition(stripes, stripe) for stripe in stripes.stripes],
        )


def _stripe_condition(stripes: Stripes, stripe: Stripe) -> StripeCondition:
    parent = stripes.uplink.search.parent(stripe)
    link = None if parent is None else stripes.uplink.links.get(stripe, parent)
    if link is None:
        return StripeCondition(parent=parent)
    return StripeCondition(
        parent=parent, behind=link.lag.seconds, silent=link.silent, slow=link.slow
    )
