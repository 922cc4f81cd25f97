"""What nodes are given by their depth in a tree that stands, and what leaves the source for it."""

from collections import defaultdict
from dataclasses import dataclass, field

from bench.sim.daemons import ClientHost
from bench.sim.survey import depths_of
from bench.sim.world import World

LOOK_EVERY = 1.0
"""Seconds. What a node is given until the next look counts for the depth it had at the last one."""


@dataclass(slots=True)
class Level:
    """What the nodes of one depth were given."""

    delivered: int = 0
    lost: int = 0
    delay_sum: float = 0.0
    delay_most: float = 0.0
    """Seconds from the server proxy to the player."""

    @property
    def delay_mean(self) -> float:
        """Seconds."""
        return self.delay_sum / max(1, self.delivered)

    def add(self, other: "Level") -> None:
        """Count what others were given as well."""
        self.delivered += other.delivered
        self.lost += other.lost
        self.delay_sum += other.delay_sum
        self.delay_most = max(self.delay_most, other.delay_most)


@dataclass(slots=True)
class Hops:
    """What was counted."""

    copies: float
    """Bytes that left the server proxy, for each byte of the source."""
    levels: dict[int, Level] = field(default_factory=lambda: defaultdict(Level))
    """By depth; where there are several stripes, by the greatest depth of a node."""

    @property
    def whole(self) -> Level:
        """All nodes."""
        all_of_them = Level()
        for level in self.levels.values():
            all_of_them.add(level)
        return all_of_them


def count(world: World, seconds: float) -> Hops:
    """Let time pass, in which nodes may move and none comes or goes; count."""
    hops = Hops(0.0)
    before = _sent(world)
    for client in world.clients.values():
        _taken(client)
    lost = {client.name: client.node.feed.lost for client in world.clients.values()}
    for _ in range(round(seconds / LOOK_EVERY)):
        depths = _depths(world)
        world.run(LOOK_EVERY)
        for client in world.clients.values():
            given = _taken(client)
            given.lost, lost[client.name] = _since(lost[client.name], client)
            hops.levels[depths[client.name]].add(given)
    out, source = (now - then for now, then in zip(_sent(world), before, strict=True))
    hops.copies = out / source
    return hops


def _taken(client: ClientHost) -> Level:
    """Return what a player was given since the last time."""
    meter = client.meter
    given = Level(meter.live, 0, meter.delay_sum, meter.delay_most)
    meter.live, meter.delay_sum, meter.delay_most = 0, 0.0, 0.0
    return given


def _since(before: int, client: ClientHost) -> tuple[int, int]:
    return client.node.feed.lost - before, client.node.feed.lost


def _depths(world: World) -> dict[str, int]:
    """Return the depth of each node, in the tree where it is deeper."""
    parents = {client.id: client.parents() for client in world.clients.values()}
    stripes = max(map(len, parents.values()))
    trees = [depths_of({n: p[s] for n, p in parents.items()}) for s in range(stripes)]
    return {c.name: max(tree[c.id] for tree in trees) for c in world.clients.values()}


def _sent(world: World) -> tuple[int, int]:
    """Return the bytes that the server proxy has sent, and has had from the source."""
    assert world.server is not None
    sent = world.server.channel.feed.downlink.stats.sent_bytes
    return sum(sent), len(world.server.sent) * world.setting.source.packet_bytes
