"""What the demo shows: the answers of the status APIs as lines of text. No I/O here."""

from collections.abc import Mapping

import msgspec

from common.runtime import table
from common.runtime.table import Column

ROOT = "root"
SERVER_PROXY = "server proxy"
_COLUMNS = (
    Column("node", need=9),
    Column("RTSP", need=8),
    Column("stripe 0 from", need=7),
    Column("stripe 1 from", need=6),
    Column("delay", need=5),
    Column("delivered", need=3),
    Column("lost", need=4),
    Column("players", need=2),
)
SOURCE_IS_UP = "source is up"


class Tree(msgspec.Struct):
    """One tree as the server proxy sees it."""

    stripe: int
    parents: dict[str, str | None]


class Channel(msgspec.Struct):
    """`/api/v1/channels/NAME` of the server proxy."""

    source_up: bool
    source_error: str | None
    trees: list[Tree]


class Node(msgspec.Struct):
    """One channel of a client proxy."""

    delay: float
    delivered: int
    lost: int
    players: int
    node: str | None = None
    """None before the first Offer."""
    parents: list[str | None] = []
    """By stripe."""


class Client(msgspec.Struct):
    """`/api/v1/status` of a client proxy."""

    channels: list[Node]


def source_line(url: str, channel: Channel | None) -> str:
    """Return the state of the source, and why it is down."""
    if channel is None:
        return "the server proxy does not answer"
    if channel.source_up:
        return f"{SOURCE_IS_UP}: {url}"
    return f"source is down: {url}: {channel.source_error or 'connecting'}"


def rows(clients: Mapping[str, Client | None], width: int) -> list[str]:
    """Return headings and a line per client proxy, named by the port that players come to."""
    return table.table(_COLUMNS, [_row(port, one) for port, one in clients.items()], width)


def _row(port: str, client: Client | None) -> tuple[str, ...]:
    if client is None:
        return ("?", port, "no answer", *[""] * 5)
    if not client.channels or client.channels[0].node is None:
        return ("?", port, "joining", *[""] * 5)
    node = client.channels[0]
    parents = [_name(parent) for parent in node.parents] + ["-"] * 2
    return (
        node.node or "?",
        port,
        *parents[:2],
        f"{node.delay * 1000:.1f} ms",
        str(node.delivered),
        str(node.lost),
        str(node.players),
    )


def _name(parent: str | None) -> str:
    if parent is None:
        return "looking"
    return SERVER_PROXY if parent == ROOT else parent


def trees(channel: Channel) -> list[str]:
    """Return the trees side by side, children indented below their parent."""
    columns = [_tree(tree) for tree in channel.trees]
    height = max(map(len, columns), default=0)
    width = max((len(line) for column in columns for line in column), default=0) + len(table.GAP)
    return [
        "".join(
            (column[at] if at < len(column) else "").ljust(width) for column in columns
        ).rstrip()
        for at in range(height)
    ]


def _tree(tree: Tree) -> list[str]:
    children: dict[str | None, list[str]] = {}
    for node, parent in tree.parents.items():
        children.setdefault(parent, []).append(node)
    lines = [f"tree of stripe {tree.stripe}", f"  {SERVER_PROXY}"]
    waiting = [(node, 2) for node in reversed(children.get(ROOT, []))]
    while waiting:
        node, depth = waiting.pop()
        lines.append("  " * depth + node)
        waiting += [(child, depth + 1) for child in reversed(children.get(node, []))]
    return lines
