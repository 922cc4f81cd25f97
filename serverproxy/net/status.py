"""What the HTTP API says: `/api/v1/status`, `/api/v1/channels`, `/api/v1/channels/NAME`."""

from collections.abc import Mapping

from common.ids import ROOT, NodeId, Stripe
from serverproxy.net.channel import Channel


def status(channels: Mapping[str, Channel], overlay: str, http: str) -> dict[str, object]:
    """Return the ports taken and the state of each channel."""
    return {"daemon": "serverproxy", "overlay": overlay, "http": http, **listing(channels)}


def listing(channels: Mapping[str, Channel]) -> dict[str, object]:
    """Return one line for each channel."""
    return {"channels": [_summary(channels[name]) for name in sorted(channels)]}


def detail(channel: Channel) -> dict[str, object]:
    """Return one channel with its trees: parent, children, delay and loss of each node."""
    stripes = [Stripe(stripe) for stripe in range(len(channel.feed.logs))]
    return {
        **_summary(channel),
        "trees": [_tree(channel, stripe) for stripe in stripes],
        "nodes": {node: _node(channel, node) for node in channel.control.membership.members},
    }


def _summary(channel: Channel) -> dict[str, object]:
    feed, members = channel.feed, channel.control.membership.members
    return {
        "name": channel.name,
        "source_up": feed.up,
        "source_error": channel.source.last_error,
        "nodes": len(members),
        "players": sum(member.players for member in members.values()),
        "newest": feed.numbering.next - 1,
        "keyframe": feed.numbering.keyframe,
        "sdp": "" if feed.stream is None else feed.stream.sdp,
    }


def _tree(channel: Channel, stripe: Stripe) -> dict[str, object]:
    trees = channel.control.membership.trees
    return {
        "stripe": stripe,
        "depth": trees.tree_depth(stripe),
        "children": list(trees.children(ROOT, stripe)),
        "parents": {
            node: trees.parent(node, stripe) for node in channel.control.membership.members
        },
    }


def _node(channel: Channel, node: NodeId) -> dict[str, object]:
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
        "depth": [trees.depth(node, Stripe(s)) for s in range(len(channel.feed.logs))],
    }
