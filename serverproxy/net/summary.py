"""How the server proxy does, in one sentence: what `systemctl status` shows."""

from collections.abc import Mapping

from serverproxy.net.channel import Channel


def summary(channels: Mapping[str, Channel]) -> str:
    """Return the sentence: sources that are up, nodes, players, and why a source is down."""
    nodes = players = 0
    down: list[str] = []
    for name, channel in sorted(channels.items()):
        members = channel.control.membership.members.values()
        nodes += len(members)
        players += sum(member.players for member in members)
        if not channel.feed.up:
            down.append(f"{name} ({channel.source.last_error or 'connecting'})")
    up = f"{len(channels) - len(down)} of {len(channels)} sources up, {nodes} nodes"
    reasons = f"; down: {', '.join(down)}" if down else ""
    return f"{up}, {players} players{reasons}"
