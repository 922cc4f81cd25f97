"""One run: a server proxy with a source, client proxies that come and go, and what befalls them."""

import random
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.sim.daemons import SERVER, ClientHost, ServerHost, Source
from bench.sim.hostloop import HostLoop
from bench.sim.hosts import Host
from bench.sim.network import Weather
from bench.sim.quiet import Heartbeats
from bench.sim.survey import Survey
from bench.sim.watch import LATE, Record, Results
from clientproxy.config import ClientConfig
from common.ids import NodeId

NOBODY = NodeId("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a run begins with."""

    seed: int = 1
    weather: Weather = field(default_factory=Weather)
    source: Source = field(default_factory=Source)
    quiet: bool = False
    """Heartbeats are not sent one by one: for many nodes."""
    server: dict[str, object] = field(default_factory=dict)
    """Keys of the channel in the server proxy's configuration."""
    client: dict[str, object] = field(default_factory=dict)
    """Keys of the client proxies' configuration."""


class World:
    """One run. What is asked for happens when `run` lets time pass."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.loop = HostLoop(setting.seed, setting.weather)
        self.network = self.loop.network
        self.clients: dict[str, ClientHost] = {}
        """Nodes that are there, by the name of their host."""
        self.ended_at: dict[str, float] = {}
        """When nodes were killed, or stopped, by id."""
        self.names: dict[str, str] = {"root": "root"}
        """Names of hosts by the ids of their nodes."""
        self.server: ServerHost | None = None
        self._born = 0
        self._servers = 0
        random.seed(setting.seed)  # the daemons' own jitter
        self.results = Results()
        self.survey = Survey(self)
        self._heartbeats = Heartbeats(self) if setting.quiet else None
        self.start_server()
        self.loop.call_soon(self.survey.look)

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.loop.time()

    def run(self, seconds: float) -> None:
        """Let time pass; RuntimeError where the daemons' code failed."""
        self.loop.run_until(self.now + seconds)
        if self.loop.failures:
            raise RuntimeError("\n".join(self.loop.failures[:5]))

    # --- the server proxy

    def start_server(self) -> None:
        """Start the server proxy, and its source."""
        self._servers += 1
        host = self.loop.add_host(f"root{self._servers}", SERVER.host)
        host.counted = True
        host.run(lambda: self._start_server(host))

    def _start_server(self, host: Host) -> None:
        self.server = ServerHost(host, self.loop, dict(self.setting.server))
        if self._heartbeats is not None:
            self._heartbeats.of_server(self.server)
        self.server.play(self.setting.source)

    def kill_server(self) -> None:
        """SIGKILL."""
        assert self.server is not None
        self.network.kill(self.server.host)

    # --- client proxies

    def join(self, name: str | None = None, **settings: object) -> str:
        """Start a client proxy that joins; return its name."""
        self._born += 1
        name = name or f"c{self._born}"
        a, b = divmod(self._born, 250)
        host = self.loop.add_host(name, f"10.{a // 250}.{a % 250}.{b + 1}")
        config = ClientConfig.model_validate(
            {"server": str(SERVER), **self.setting.client, **settings}
        )
        host.run(lambda: self._start(host, config))
        return name

    def _start(self, host: Host, config: ClientConfig) -> None:
        client = ClientHost(host, config, self.loop, quiet=self.setting.quiet)
        self.clients[client.name] = client
        if self._heartbeats is not None:
            self._heartbeats.born(client)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self._end(name, self.network.kill)

    def vanish(self, name: str) -> None:
        """Take the power from a node's host."""
        self._end(name, self.network.vanish)

    def _end(self, name: str, end: Callable[[Host], None]) -> None:
        client = self._gone(name)
        self.ended_at[str(client.id)] = self.now
        end(client.host)

    def stop(self, name: str) -> None:
        """SIGSTOP."""
        self.ended_at[str(self.clients[name].id)] = self.now
        self.network.stop(self.clients[name].host)

    def go_on(self, name: str) -> None:
        """SIGCONT."""
        self.ended_at.pop(str(self.clients[name].id), None)
        self.network.go_on(self.clients[name].host)

    def leave(self, name: str) -> None:
        """SIGTERM."""
        client = self._gone(name)
        client.host.run(lambda: self._leave(client))

    def _leave(self, client: ClientHost) -> None:
        task = self.loop.create_task(client.leave(), context=client.host.context)
        task.add_done_callback(lambda _: self.network.kill(client.host))

    def _gone(self, name: str) -> ClientHost:
        client = self.clients.pop(name)
        self.names[str(client.id)] = name
        self.results.records.append(self._record(client, self.now))
        return client

    def host(self, name: str) -> Host:
        """Return a host by name; `root` is the server proxy's."""
        if name == "root":
            assert self.server is not None
            return self.server.host
        return self.loop.by_name[name]

    def at(self, seconds: float, do: Callable[[], object]) -> None:
        """Do something later."""
        self.loop.call_later(seconds, do)

    # --- how it stands

    def names_of(self, nodes: Iterable[NodeId]) -> list[str]:
        """Return the names of the hosts of these nodes."""
        known = self.names | {str(c.id): c.name for c in self.clients.values()}
        return [known.get(str(node), "nobody") for node in nodes]

    def parent_name(self, name: str, stripe: int) -> str:
        """Return the host of a node's parent, `nobody` for none."""
        return self.names_of([self.clients[name].parent(stripe) or NOBODY])[0]

    def picture(self) -> str:
        """Return who hangs where."""
        lines = []
        for client in self.clients.values():
            stripes = client.node.stripes
            serve = None if stripes is None else stripes.serve
            parents = self.names_of(client.parent(s) or NOBODY for s in client.stripes)
            lines.append(f"{client.name} serves {serve}, parents {' '.join(parents)}")
        return "\n".join(lines)

    def finish(self) -> Results:
        """Return what was measured; nodes that are there are counted until now."""
        for client in self.clients.values():
            self.results.records.append(self._record(client, None))
        return self.results

    def _record(self, client: ClientHost, gone_at: float | None) -> Record:
        meter, feed = client.meter, client.node.feed
        first = meter.first_at
        return Record(
            name=client.name,
            born_at=client.born_at,
            gone_at=gone_at,
            parents_after=client.parents_after,
            first_after=None if first is None else first - client.born_at,
            delivered=feed.stats.delivered,
            lost=feed.lost + self._overdue(client),
            delay_mean=meter.delay_sum / max(1, meter.live),
            delay_most=meter.delay_most,
            stalls=tuple(stall for _, stall in meter.stalls),
        )

    def _overdue(self, client: ClientHost) -> int:
        """Return how many packets a node should have had by now and has not given up."""
        if self.server is None:
            return 0
        sent, head = self.server.sent, client.node.feed.head
        first = bisect_left(sent, (client.born_at, 0))
        last = bisect_left(sent, (self.now - LATE, 0))
        return sum(seq >= head for _, seq in sent[first:last])
