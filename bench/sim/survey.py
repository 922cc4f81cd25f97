"""Looks at all nodes now and then: newcomers, orphans, moves, heights."""

from functools import partial
from typing import Protocol

from bench.sim.daemons import ClientHost, ServerHost
from bench.sim.hostloop import HostLoop
from bench.sim.hosts import Host
from bench.sim.watch import Look, Results
from common.ids import ROOT, NodeId

LOOK_EVERY = 1.0
LOOK_CLOSER_FOR = 1.0
"""Seconds for which a node that has lost a link, or got one, is looked at after each call of it, at
least: who lacks a parent is for as long as it does."""


class Run(Protocol):
    """What is looked at."""

    loop: HostLoop
    clients: dict[str, ClientHost]
    server: ServerHost | None
    results: Results
    ended_at: dict[str, float]
    """When nodes were killed or stopped, by id."""


class Survey:
    """Keeps in mind who has no parent, and since when."""

    def __init__(self, run: Run) -> None:
        self.oldest = 0.0
        """Longest time that a place has been without a parent since the last `Look`."""
        self.moves = 0
        self.moved_at = 0.0
        """When a parent was last seen to have changed."""
        self._run = run
        self._parents: dict[str, list[NodeId | None]] = {}
        self._orphans: dict[tuple[str, int], float] = {}
        self._lacking: set[str] = set()
        """Nodes with a place in `_orphans`."""
        self._closer: dict[str, float] = {}
        run.loop.network.on_change.append(self._changed)

    def look(self) -> None:
        """Look at all nodes, and again `LOOK_EVERY` later."""
        run, now = self._run, self._run.loop.time()
        run.loop.call_later(LOOK_EVERY, self.look)
        hang: dict[NodeId | None, list[NodeId | None]] = {}
        for client in run.clients.values():
            hang[client.id] = parents = client.parents()
            self._look_at(client, parents, now)
        for place, since in list(self._orphans.items()):
            if place[0] in run.clients:
                self.oldest = max(self.oldest, now - since)
            else:
                del self._orphans[place]
        for name in self._closer.keys() - run.clients.keys():
            self._look_no_closer(name)
        run.results.looks.append(self._told(now, _heights(hang)))
        self.oldest = 0.0

    def _changed(self, host: Host) -> None:
        """Look closer at who has lost a link, or got one, for a while."""
        if (client := self._run.clients.get(host.name)) is not None:
            self._closer[host.name] = self._run.loop.now + LOOK_CLOSER_FOR
            self._run.loop.after[host.name] = partial(self._look_closer, client)

    def _look_closer(self, client: ClientHost) -> None:
        now = self._run.loop.now
        self._look_at(client, client.parents(), now)
        placed = client.parents_after is not None and client.name not in self._lacking
        if placed and now >= self._closer[client.name]:
            self._look_no_closer(client.name)

    def _look_no_closer(self, name: str) -> None:
        del self._closer[name], self._run.loop.after[name]

    def _look_at(self, client: ClientHost, parents: list[NodeId | None], now: float) -> None:
        if client.parents_after is None:
            if parents and None not in parents:
                client.parents_after = now - client.born_at
                self._parents[client.name] = parents
            return
        before = self._parents[client.name]
        if parents == before and client.name not in self._lacking:
            return
        self._lacking.discard(client.name)
        for stripe, parent in enumerate(parents):
            place, old = (client.name, stripe), before[stripe]
            ended_at = self._run.ended_at.get(str(old))
            if parent is None:
                self._lacking.add(client.name)
                self._orphans.setdefault(place, now if ended_at is None else ended_at)
            elif parent != old or place in self._orphans:
                since = self._orphans.pop(place, ended_at)
                if since is not None:
                    self._run.results.recoveries.append(now - since)
                    self.oldest = max(self.oldest, now - since)
                self.moves, self.moved_at = self.moves + 1, now
                before[stripe] = parent

    def _told(self, now: float, heights: tuple[int, ...]) -> Look:
        run = self._run
        return Look(
            at=now,
            nodes=len(run.clients),
            heights=heights,
            orphans=len(self._orphans),
            oldest_orphan=self.oldest,
            moves=self.moves,
            root_messages=0 if run.server is None else run.server.host.messages,
        )

    def heights(self) -> tuple[int, ...]:
        """Return the greatest depth per stripe of nodes with a way up to the server proxy."""
        return _heights({client.id: client.parents() for client in self._run.clients.values()})


def _heights(parents: dict[NodeId | None, list[NodeId | None]]) -> tuple[int, ...]:
    stripes = max(map(len, parents.values()), default=0)
    return tuple(
        max(depths_of({n: p[s] for n, p in parents.items() if s < len(p)}).values())
        for s in range(stripes)
    )


def depths_of(parents: dict[NodeId | None, NodeId | None]) -> dict[NodeId | None, int]:
    """Return the depth of each node, 0 for one without a way up to the server proxy."""
    depths: dict[NodeId | None, int] = {ROOT: 0}
    for node in parents:
        way = []
        above: NodeId | None = node
        while above is not None and above not in depths and above not in way:
            way.append(above)
            above = parents.get(above)
        whole = above == ROOT or depths.get(above, 0) > 0
        depth = depths.get(above, 0)
        for one in reversed(way):
            depth += 1
            depths[one] = depth if whole else 0
    return depths
