"""What the HTTP API says: `/api/v1/status`, `/api/v1/channels`, and a channel with its trees."""

from collections.abc import Mapping

from common.ids import ROOT, NodeId, Stripe
from common.runtime.problem import ProblemError
from serverproxy.core.graph import depth_bound
from serverproxy.net.channel import Channel

Channels = Mapping[str, Channel]


def status(channels: Channels, overlay: str, http: str) -> dict[str, object]:
    """Return the ports taken and the state of each channel."""
    return {"daemon": "serverproxy", "overlay": overlay, "http": http, **listing(channels)}


def listing(channels: Channels) -> dict[str, object]:
    """Return one line for each channel."""
    return {"channels": [_summary(channels[name]) for name in sorted(channels)]}


def detail(channel: Channel) -> dict[str, object]:
    """Return one channel with its trees: parent, children, delay and loss of each node."""
    stripes = _stripes(channel)
    depths = [_depths(channel, stripe) for stripe in stripes]
    return {
        **_summary(channel),
        "at_us": channel.feed.now_us(),
        "trees": [_tree(channel, stripe) for stripe in stripes],
        "nodes": nodes(channel, depths),
        "events": channel.control.chronicle.happenings,
    }


def nodes(channel: Channel, depths: list[dict[NodeId, int]] | None = None) -> dict[str, object]:
    """Return what is known of each node."""
    if depths is None:
        depths = [_depths(channel, stripe) for stripe in _stripes(channel)]
    return {
        node: _node(channel, node, [one.get(node) for one in depths])
        for node in channel.control.membership.members
    }


def node_detail(channel: Channel, node: NodeId) -> dict[str, object]:
    """Return what is known of one node."""
    trees = channel.control.membership.trees
    return _node(channel, node, [trees.depth(node, stripe) for stripe in _stripes(channel)])


def snapshot(channels: Channels, name: str) -> dict[str, object]:
    """Return what the status page shows: all channels, and one with its trees.

    Without a name it is the first. None stands for one that is not there: it may come back.
    """
    channel = channels.get(name or min(channels, default=""))
    return {**listing(channels), "channel": None if channel is None else detail(channel)}


def find(channels: Channels, name: str) -> Channel:
    """Return a channel; raise ProblemError, which names those that exist."""
    if name not in channels:
        known = ", ".join(sorted(channels)) or "none"
        raise ProblemError(404, f"There is no channel {name!r}; the channels are: {known}.")
    return channels[name]


def _stripes(channel: Channel) -> list[Stripe]:
    return [Stripe(stripe) for stripe in range(len(channel.feed.logs))]


def _summary(channel: Channel) -> dict[str, object]:
    feed, membership = channel.feed, channel.control.membership
    members = membership.members
    return {
        "name": channel.name,
        "source_up": feed.up,
        "source_error": channel.source.last_error,
        "source_seconds": (feed.now_us() - feed.changed_us) / 1e6,
        "codecs": [] if feed.stream is None else [one.codec for one in feed.stream.tracks],
        "source_packets": channel.source_packets,
        "source_bytes": channel.source_bytes,
        "source_lost": channel.source_lost,
        "sent_bytes": channel.sent_bytes,
        "overhead_bytes": channel.overhead_bytes,
        "nodes": len(members),
        "players": sum(member.players for member in members.values()),
        "delivered": sum(member.delivered for member in members.values()),
        "lost": sum(member.lost for member in members.values()),
        "depths": channel.depths,
        "depth_bound": depth_bound(len(members)),
        "joins": membership.stats.joins,
        "parents_lost": membership.stats.parents_lost,
        "newest": feed.numbering.next - 1,
        "keyframe": feed.numbering.keyframe,
        "sdp": "" if feed.stream is None else feed.stream.sdp,
    }


def _tree(channel: Channel, stripe: Stripe) -> dict[str, object]:
    trees, members = channel.control.membership.trees, channel.control.membership.members
    return {
        "stripe": stripe,
        "depth": trees.tree_depth(stripe),
        "children": list(trees.children(ROOT, stripe)),
        "parents": {node: trees.parent(node, stripe) for node in members},
        "standbys": {node: trees.standby_held(node, stripe) for node in members},
    }


def _depths(channel: Channel, stripe: Stripe) -> dict[NodeId, int]:
    """Return the hops to each node that hangs under the server proxy: one walk, level by level."""
    trees = channel.control.membership.trees
    depths, level, depth = dict[NodeId, int](), list(trees.children(ROOT, stripe)), 0
    while level:
        depth += 1
        depths.update(dict.fromkeys(level, depth))
        level = [child for node in level for child in trees.children(node, stripe)]
    return depths


def _node(channel: Channel, node: NodeId, depths: list[int | None]) -> dict[str, object]:
    membership = channel.control.membership
    trees, member = membership.trees, membership.members[node]
    return {
        "addresses": list(member.addresses),
        "serve": trees.serves(node),
        "slots": trees.slots(node),
        "delay": member.delay,
        "players": member.players,
        "delivered": member.delivered,
        "lost": member.lost,
        "away": member.away_since is not None,
        "drained": membership.is_drained(node),
        "depth": depths,
        "children": [len(trees.children(node, stripe)) for stripe in _stripes(channel)],
    }
