"""What `serverproxy status` shows: the documents of the API as lines. No I/O here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from common import words
from common.runtime.addresses import url_host
from common.runtime.table import Column, Line, facts, fitted, shortened, table, wrapped

LEAST_NODES = 3
"""Lines that the nodes of a channel get at least, below title and headings, if it has so many."""
MORE = "... and {} more; --json has them all"
MORE_CHANNELS = "... and the nodes of {}; --json has them all"

_CHANNELS = (
    Column("CHANNEL", need=10, least=8),
    Column("SOURCE", need=9),
    Column("CODECS", need=1, least=6),
    Column("RATE", need=5, right=True),
    Column("NODES", need=8, right=True),
    Column("PLAYERS", need=7, right=True),
    Column("HEIGHT", need=2, right=True),
    Column("COPIES", need=3, right=True),
    Column("LOST", need=6, right=True),
)
_NODE = (Column("NODE", need=10, least=4), Column("ADDRESS", need=1, least=12))
_FIGURES = (
    Column("DELAY", need=7, right=True),
    Column("CHILDREN", need=4, right=True),
    Column("PLAYERS", need=3, right=True),
    Column("LOST", need=6, right=True),
)


class Summary(msgspec.Struct):
    """One channel of `/api/v1/status`."""

    name: str
    source_up: bool
    source_error: str | None
    source_seconds: float
    codecs: list[str]
    source_bytes: int
    sent_bytes: list[int]
    nodes: int
    players: int
    lost: int
    depths: list[int]
    depth_bound: int


class Status(msgspec.Struct):
    """`/api/v1/status`."""

    overlay: str
    http: str
    channels: list[Summary]


class Node(msgspec.Struct):
    """One node of a channel."""

    addresses: list[str]
    slots: int
    delay: float
    players: int
    lost: int
    away: bool
    drained: bool
    children: list[int]


class Tree(msgspec.Struct):
    """One tree of a channel."""

    parents: dict[str, str | None]


class Channel(msgspec.Struct):
    """`/api/v1/channels/NAME`."""

    name: str
    trees: list[Tree]
    nodes: dict[str, Node]


@dataclass(frozen=True, slots=True)
class Look:
    """What was answered at one time."""

    at: float
    """Seconds of a monotonic clock."""
    status: Status
    channels: Mapping[str, Channel] = field(default_factory=dict)
    """Those whose nodes are shown."""


def lines(now: Look, before: Look | None, width: int, height: int | None) -> list[Line]:
    """Return all of it, at most `height` lines of `width` characters."""
    status = now.status
    page = f"page http://{url_host(status.http)}/"
    head = ["serverproxy", f"overlay {status.overlay}", page]
    found = facts(head, width)
    found += [Line(""), *_channels(now, before, width, height)]
    with_nodes = [channel for channel in now.channels.values() if channel.nodes]
    shown = _that_fit(with_nodes, None if height is None else height - len(found))
    having = sum(one.nodes > 0 for one in status.channels) if with_nodes else 0
    left_out = max(0, having - len(shown))
    for left, channel in zip(range(len(shown), 0, -1), shown, strict=True):
        room = None if height is None else (height - len(found) - bool(left_out)) // left
        found += [Line(""), *_nodes(channel, width, None if room is None else room - 1)]
    if left_out:
        found.append(Line(MORE_CHANNELS.format(words.plural(left_out, "more channel")), "head"))
    return fitted(found, width, height)


def _that_fit(channels: Sequence[Channel], height: int | None) -> Sequence[Channel]:
    """Return the first channels whose nodes find room, a line for those left out included."""
    if height is None:
        return channels
    least = [3 + min(len(channel.nodes), LEAST_NODES) for channel in channels]
    for count in range(len(channels), 0, -1):
        if sum(least[:count]) + (count < len(channels)) <= height:
            return channels[:count]
    return []


def _channels(now: Look, before: Look | None, width: int, height: int | None) -> list[Line]:
    """Return the table of channels; those that are down say why below."""
    channels = now.status.channels
    if not channels:
        return [Line("No channel is served: it was closed, or the configuration has none.")]
    earlier = {} if before is None else {one.name: one for one in before.status.channels}
    seconds = 0.0 if before is None else now.at - before.at
    rows = [_row(one, earlier.get(one.name), seconds) for one in channels]
    head, *body = table(_CHANNELS, rows, width)
    found: list[list[Line]] = []
    for one, text in zip(channels, body, strict=True):
        found.append([Line(text, "" if one.source_up and not one.lost else "bad")])
        if not one.source_up:
            why = one.source_error or "it has not answered yet"
            found[-1] += [Line(f"  {line.text}") for line in wrapped(why, width - 2)]
    room = None if height is None else max(LEAST_NODES, height // 2)
    return [Line(head, "head"), *shortened(found, room, MORE)]


def _row(one: Summary, before: Summary | None, seconds: float) -> Sequence[str]:
    state = "up" if one.source_up else "down"
    rate, copies = _flow(one, before, seconds)
    return (
        one.name,
        f"{state} {words.length(one.source_seconds)}",
        words.codecs(one.codecs) or "-",
        rate,
        words.count(one.nodes),
        words.count(one.players),
        " ".join(f"{depth}/{one.depth_bound}" for depth in one.depths) if one.nodes else "-",
        copies,
        words.count(one.lost),
    )


def _flow(one: Summary, before: Summary | None, seconds: float) -> tuple[str, str]:
    """Return the rate of the source, and the copies that leave here of those of a star."""
    if before is None or seconds <= 0 or one.source_bytes < before.source_bytes:
        return "-", "-"
    came = one.source_bytes - before.source_bytes
    left = sum(one.sent_bytes) - sum(before.sent_bytes)
    copies = f"{left / came:.2f}/{one.nodes}" if came and left >= 0 else "-"
    return words.rate(came / seconds), copies


def _nodes(channel: Channel, width: int, height: int | None) -> list[Line]:
    parents = [Column(f"STRIPE {n}", need=9, least=8) for n in range(len(channel.trees))]
    rows = [_node(channel, name, node) for name, node in channel.nodes.items()]
    head, *body = table((*_NODE, *parents, *_FIGURES), rows, width)
    bad = [node.away or node.lost > 0 for node in channel.nodes.values()]
    found = [[Line(text, "bad" if one else "")] for text, one in zip(body, bad, strict=True)]
    title = f"{channel.name}: {words.plural(len(found), 'node')}, and who feeds each"
    room = None if height is None else max(1, height - 2)
    return [Line(title), Line(head, "head"), *shortened(found, room, MORE)]


def _node(channel: Channel, name: str, node: Node) -> Sequence[str]:
    children = f"{sum(node.children)}/{node.slots}"
    return (
        words.short(name),
        node.addresses[0] if node.addresses else "not reachable",
        *(words.short(tree.parents.get(name) or "none") for tree in channel.trees),
        "away" if node.away else words.time(node.delay),
        f"{children} drained" if node.drained else children,
        words.count(node.players),
        words.count(node.lost),
    )
