"""How the client proxy does, in one sentence: what `systemctl status` shows."""

from collections.abc import Collection, Iterable

from clientproxy.net.node import Node


def summary(nodes: Iterable[Node], wanted: Collection[str]) -> str:
    """Return the sentence for all nodes; `wanted` are the channels that are to be joined always."""
    joined: list[str] = []
    missing = set(wanted)
    players = 0
    for node in nodes:
        players += node.feed.viewers
        if node.joined:
            joined.append(node.channel)
            missing.discard(node.channel)
        else:
            missing.add(node.channel)
    if not joined and not missing:
        return "no channel is joined: waiting for a player"
    parts = [f"joined: {', '.join(sorted(joined))}"] if joined else []
    parts += [f"not joined yet: {', '.join(sorted(missing))}"] if missing else []
    return "; ".join([*parts, f"{players} players"])
