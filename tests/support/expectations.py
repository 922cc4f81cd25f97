"""What a scenario script can expect of a simulated overlay."""

from typing import TYPE_CHECKING

from bench.sim.daemons import ClientHost
from bench.sim.world import World
from common.ids import Stripe

if TYPE_CHECKING:
    from collections.abc import Callable

FRESH = 1.0
"""Seconds within which a node that is fed has been given something."""
RESTING = 3.0
"""Seconds without a change of parents after which the trees are at rest."""


class ScenarioError(AssertionError):
    """A step that does not hold, with its line."""


def way(world: World, name: str, stripe: int) -> list[str]:
    """Return the way up from a node; it ends with `root` unless it is broken. Cycles are raised."""
    names = [name]
    while names[-1] in world.clients:
        above = world.parent_name(names[-1], stripe)
        if above in names:
            raise ScenarioError(f"a cycle in stripe {stripe}: {[*names, above]}")
        names.append(above)
    return names


class Expectations:
    """Each method is one word behind `expect`; it returns a complaint, or None.

    lost NUMBER [NAME]              packets given up, by all who are there or by one: at most
    fed [NAME]                      every stripe has a way up to root, and packets came just now
    starving NAME                   nothing has come for a while
    parent NAME STRIPE [not] OTHER  `nobody`: none
    children NAME STRIPE NUMBER     at most
    slots NAME NUMBER …             as the server proxy gives it: one of these
    height NUMBER                   at most
    copies STRIPE NUMBER            children of the server proxy, at most
    stall SECONDS [but NAME …]      the longest pause of the players, at most
    acted NAME …                    exactly these have lost a parent since `mark`
    same                            everybody hangs where they did at `mark`
    serves NAME STRIPE
    rest                            no parent has changed for 3 s
    nodes NUMBER                    as the server proxy counts them
    playing [NAME]                  the player's session has not ended
    ended NAME                      it has
    opened NAME STATUS              what a player was told
    restarts NAME NUMBER            how often its player saw the source begin anew
    """

    def __init__(self) -> None:
        self._rejoins: dict[str, int] = {}
        self._parents: dict[str, list[str]] = {}

    def mark(self, world: World) -> None:
        """Remember who hangs where, and has lost how many parents."""
        self._rejoins = {name: rejoins(client) for name, client in world.clients.items()}
        self._parents = parents(world)

    def check(self, world: World, words: list[str]) -> None:
        """Raise ScenarioError where it is not so."""
        what, *rest = words
        check: Callable[..., str | None] | None = getattr(self, what, None)
        if check is None or what in {"check", "mark"}:
            raise ScenarioError("nothing like that can be expected")
        if (complaint := check(world, *rest)) is not None:
            raise ScenarioError(complaint)

    def lost(self, world: World, number: str, name: str | None = None) -> str | None:
        lost = {one.name: one.node.feed.lost for one in _clients(world, name)}
        return f"lost {lost}" if sum(lost.values()) > int(number) else None

    def fed(self, world: World, name: str | None = None) -> str | None:
        for client in _clients(world, name):
            for stripe in client.stripes or range(1):
                if (up := way(world, client.name, stripe))[-1] != "root":
                    return f"stripe {stripe} comes from {up}"
            silent = world.now - client.node.feed.delivered_at
            if silent > FRESH:
                return f"{client.name} got nothing for {silent:.1f} s"
        return None

    def starving(self, world: World, name: str) -> str | None:
        silent = world.now - world.clients[name].node.feed.delivered_at
        return None if silent > FRESH else f"got something {silent:.1f} s ago"

    def parent(self, world: World, name: str, stripe: str, *other: str) -> str | None:
        found = world.parent_name(name, int(stripe))
        same = found == other[-1]
        return f"it is {found}" if same == (other[0] == "not") else None

    def children(self, world: World, name: str, stripe: str, number: str) -> str | None:
        found = world.names_of(world.clients[name].children(int(stripe)))
        return f"they are {found}" if len(found) > int(number) else None

    def slots(self, world: World, name: str, *numbers: str) -> str | None:
        assert world.server is not None
        node = world.clients[name].id
        assert node is not None
        found = world.server.channel.control.membership.trees.slots(node)
        return None if str(found) in numbers else f"it has {found}"

    def height(self, world: World, number: str) -> str | None:
        found = world.survey.heights()
        return f"heights {found}" if max(found) > int(number) else None

    def copies(self, world: World, stripe: str, number: str) -> str | None:
        assert world.server is not None
        children = world.server.channel.feed.downlink.children.of(_stripe(stripe))
        found = world.names_of(child.node for child in children)
        return f"{found}" if len(found) > int(number) else None

    def stall(self, world: World, seconds: str, *others: str) -> str | None:
        stalls = {
            name: round(max((stall for _, stall in one.meter.stalls), default=0.0), 3)
            for name, one in world.clients.items()
            if name not in others
        }
        long = {name: stall for name, stall in stalls.items() if stall > float(seconds)}
        return f"{long}" if long else None

    def acted(self, world: World, *names: str) -> str | None:
        found = {
            name
            for name, client in world.clients.items()
            if rejoins(client) > self._rejoins.get(name, 0)
        }
        return f"{sorted(found)} did" if found != set(names) else None

    def same(self, world: World) -> str | None:
        moved = {
            name: (self._parents.get(name), found)
            for name, found in parents(world).items()
            if self._parents.get(name) != found
        }
        return f"moved: {moved}" if moved else None

    def serves(self, world: World, name: str, stripe: str) -> str | None:
        stripes = world.clients[name].node.stripes
        found = None if stripes is None else stripes.serve
        return f"it serves {found}" if found != int(stripe) else None

    def rest(self, world: World) -> str | None:
        since = world.now - world.survey.moved_at
        return f"a parent changed {since:.1f} s ago" if since < RESTING else None

    def nodes(self, world: World, number: str) -> str | None:
        assert world.server is not None
        found = world.server.channel.nodes
        return f"there are {found}" if found != int(number) else None

    def playing(self, world: World, name: str | None = None) -> str | None:
        ends = {one.name: one.meter.end for one in _clients(world, name) if one.meter.end}
        return f"{ends}" if ends else None

    def ended(self, world: World, name: str) -> str | None:
        return None if world.clients[name].meter.end else "it goes on"

    def opened(self, world: World, name: str, status: str) -> str | None:
        found = world.clients[name].opened
        return f"it was told {found}" if found != int(status) else None

    def restarts(self, world: World, name: str, number: str) -> str | None:
        found = world.clients[name].meter.restarts
        return f"{found} restarts" if found != int(number) else None


def rejoins(client: ClientHost) -> int:
    """Return how many parents a node has lost."""
    stripes = client.node.stripes
    return 0 if stripes is None else sum(stripes.rejoins.values())


def parents(world: World) -> dict[str, list[str]]:
    """Return the parents of all nodes, a name for each stripe."""
    return {
        name: [world.parent_name(name, stripe) for stripe in client.stripes]
        for name, client in world.clients.items()
    }


def _stripe(text: str) -> Stripe:
    return Stripe(int(text))


def _clients(world: World, name: str | None) -> list[ClientHost]:
    return list(world.clients.values()) if name is None else [world.clients[name]]
