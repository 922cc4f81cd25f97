"""What an operator may ask of the server proxy: move, drain and kick a node, close a channel."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from common.fields import NodeName, Sentence
from common.ids import NodeId, Stripe
from common.runtime.http import Action, HttpServer
from common.runtime.problem import ProblemError
from serverproxy.core import orders
from serverproxy.core.orders import OrderError
from serverproxy.net.channel import Channel
from serverproxy.net.status import Channels, find

CONFLICT = 409
_NODE = "/api/v1/channels/{name}/nodes/{node}"


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take another parent in one stripe."""

    stripe: Annotated[int, Meta(ge=0, lt=16)]
    parent: NodeName | None = None
    """A node, or `root` for the server proxy; None: the best there is."""


class Drain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Have no children, or the slots again."""

    drained: bool = True


class Kick(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Go away; `sentence` is what the log of the node says."""

    sentence: Sentence = "sent away by the operator of the server proxy"


class Close(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Close a channel, until the configuration is read again."""


def serve_actions(http: HttpServer, channels: Channels, close: Callable[[str], None]) -> None:
    """Add the actions; `close` closes a channel by its name."""
    http.serve_action(f"{_NODE}/move", Action(Move, partial(_move, channels)))
    http.serve_action(f"{_NODE}/drain", Action(Drain, partial(_drain, channels)))
    http.serve_action(f"{_NODE}/kick", Action(Kick, partial(_kick, channels)))
    http.serve_action(
        "/api/v1/channels/{name}/close", Action(Close, partial(_close, channels, close))
    )


def find_node(channels: Channels, parts: Mapping[str, str]) -> tuple[Channel, NodeId]:
    """Return what the path names; raise ProblemError where that is not there."""
    channel, node = find(channels, parts["name"]), NodeId(parts["node"])
    if node not in channel.control.membership.members:
        raise ProblemError(404, f"There is no node {node!r} in channel {channel.name}.")
    return channel, node


def _move(channels: Channels, parts: Mapping[str, str], body: Move) -> dict[str, object]:
    channel, node = find_node(channels, parts)
    membership = channel.control.membership
    if body.stripe >= len(channel.feed.logs):
        raise ProblemError(400, f"Channel {channel.name} has no stripe {body.stripe}.")
    stripe = Stripe(body.stripe)
    wanted = None if body.parent is None else NodeId(body.parent)
    source = membership.trees.parent(node, stripe)
    try:
        parent, commands = orders.move(membership, node, stripe, wanted)
    except OrderError as error:
        raise _conflict(error) from None
    channel.control.order(commands, f"move {node} to {parent} in stripe {stripe}")
    return {"node": node, "stripe": stripe, "from": source, "to": parent}


def _drain(channels: Channels, parts: Mapping[str, str], body: Drain) -> dict[str, object]:
    channel, node = find_node(channels, parts)
    membership = channel.control.membership
    try:
        commands = orders.drain(membership, node, drained=body.drained)
    except OrderError as error:
        raise _conflict(error) from None
    what = "drain" if body.drained else "fill again"
    channel.control.order(commands, f"{what} {node}")
    return {"node": node, "drained": body.drained, "slots": membership.trees.slots(node)}


def _kick(channels: Channels, parts: Mapping[str, str], body: Kick) -> dict[str, object]:
    channel, node = find_node(channels, parts)
    try:
        now = asyncio.get_running_loop().time()
        commands = orders.kick(channel.control.membership, node, body.sentence, now)
    except OrderError as error:
        raise _conflict(error) from None
    channel.control.order(commands, f"kick {node}")
    return {"node": node}


def _close(
    channels: Channels, close: Callable[[str], None], parts: Mapping[str, str], _body: Close
) -> dict[str, object]:
    name = find(channels, parts["name"]).name
    close(name)
    return {"channel": name}


def _conflict(error: OrderError) -> ProblemError:
    sentence = str(error)
    return ProblemError(CONFLICT, f"{sentence[0].upper()}{sentence[1:]}.")
