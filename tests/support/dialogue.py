"""Scenario scripts: what befalls a simulated overlay, what is expected, how it stands then.

A script has a line for each step; `#` begins a comment. A node is named as it joined; `$x` is the
node that `let x …` found. Lines that begin with two spaces are what `show` said, the golden output.

    set KEY VALUE          before the first step: seed, packets, delay (ms, one way), jitter (ms),
                           loss (%), a key of the channel (server.KEY) or of the nodes (client.KEY)
    grow N                 c1 … cN join, 0.2 s apart; 3 s of rest
    join NAME [KEY=VALUE]  with keys of the node's configuration; `nat`: nobody can reach it
    wait SECONDS
    kill NAME …            SIGKILL; `leave`: SIGTERM, `stop`: SIGSTOP, `resume`: SIGCONT, `vanish`:
                           no power. `root` is the server proxy; `start root`: it comes back
    cut A B, cut A > B     between two hosts, or one way; `mend`
    isolate A, rejoin A    from all other hosts
    rate NAME BYTES        what its uplink carries a second; `downlink NAME BYTES`
    source down|up|other   gone; back with the same codecs, or with others
    open NAME              a player asks for the channel there
    tell NAME …            see `_tell`
    let X top STRIPE       also: parent NAME STRIPE, child NAME STRIPE, children NAME STRIPE (all),
                           deepest STRIPE, leaf STRIPE
    mark                   `expect acted` counts from here
    expect …               see `expectations`
    show trees|lost
"""

import re
from collections.abc import Callable
from dataclasses import replace

from bench.sim.daemons import H264, H265, Source
from bench.sim.hosts import Host
from bench.sim.world import Setting, World
from common.fields import Candidate
from common.ids import ROOT, NodeId, Stripe
from common.messages import AttachedReport, Redirect
from tests.support.expectations import Expectations, ScenarioError, way


class Dialogue:
    """Carries out one script."""

    def __init__(self) -> None:
        self.setting = Setting(source=Source(packets_per_second=50.0, keyframe_every=50))
        self.found: dict[str, str] = {}
        self._world: World | None = None
        self._expect = Expectations()

    @property
    def world(self) -> World:
        """The overlay; it begins with the first step that is no `set`."""
        if self._world is None:
            self._world = World(self.setting)
            self._world.run(0.5)
        return self._world

    def run(self, script: str) -> str:
        """Carry out all lines; return the script with what `show` says now."""
        said: list[str] = []
        for number, line in enumerate(script.splitlines(), 1):
            if line.startswith("  "):
                continue
            said.append(line)
            words = line.partition("#")[0].split()
            if not words:
                continue
            words = [one for word in words for one in self._resolve(word)]
            try:
                said += [f"  {one}" for one in self.step(words)]
            except ScenarioError as error:
                where = f"line {number}, `{line}`: {error}"
                raise ScenarioError(f"{where}\n{self.world.picture()}") from None
        return "\n".join(said) + "\n"

    def _resolve(self, word: str) -> list[str]:
        return self.found[word[1:]].split() if word.startswith("$") else [word]

    def step(self, words: list[str]) -> list[str]:
        """Do one line."""
        verb, *rest = words
        match verb:
            case "set":
                self._set(*rest)
            case "expect":
                self._expect.check(self.world, rest)
            case "mark":
                self._expect.mark(self.world)
            case "let":
                self.found[rest[0]] = _find(self.world, rest[1:])
            case "show":
                return _show(self.world, rest[0])
            case "tell":
                _tell(self.world, rest)
            case "join":
                _join(self.world, *rest)
            case _:
                self._happen(verb, rest)
        return []

    def _set(self, key: str, *values: str) -> None:
        setting, weather = self.setting, self.setting.weather
        numbers = [float(value) for value in values if re.fullmatch(r"[0-9.]+", value)]
        match key.split("."):
            case ["seed"]:
                setting = replace(setting, seed=int(values[0]))
            case ["packets"]:
                setting = replace(
                    setting, source=replace(setting.source, packets_per_second=numbers[0])
                )
            case ["delay"]:
                weather = replace(weather, delay=(numbers[0] / 1000, numbers[-1] / 1000))
            case ["jitter"]:
                weather = replace(weather, jitter=numbers[0] / 1000)
            case ["loss"]:
                weather = replace(weather, loss=numbers[0] / 100)
            case ["server", name]:
                setting = replace(setting, server={**setting.server, name: _value(values[0])})
            case ["client", name]:
                setting = replace(setting, client={**setting.client, name: _value(values[0])})
            case _:
                raise ScenarioError("no such key")
        self.setting = replace(setting, weather=weather)

    def _happen(self, verb: str, rest: list[str]) -> None:
        world = self.world
        each: dict[str, Callable[[str], object]] = {
            "kill": self._kill,
            "leave": world.leave,
            "stop": self._stop,
            "resume": self._resume,
            "vanish": world.vanish,
            "open": lambda name: world.clients[name].host.run(world.clients[name].open),
            "start": lambda _root: world.start_server(),
            "isolate": lambda name: self._between(world.network.cut, world.host(name)),
            "rejoin": lambda name: self._between(world.network.mend, world.host(name)),
        }
        match verb, rest:
            case "grow", [count]:
                for _ in range(int(count)):
                    world.join()
                    world.run(0.2)
                world.run(3.0)
            case "wait", [seconds]:
                world.run(float(seconds))
            case (("rate" | "downlink"), [name, number]):
                setattr(world.host(name), verb, float(number))
            case (("cut" | "mend"), [one, *others]):
                self._cable(verb, one, others)
            case "source", [what]:
                self._source(what)
            case _, [_, *_] if verb in each:
                for name in rest:
                    each[verb](name)
            case _:
                raise ScenarioError("no such step")

    def _cable(self, verb: str, one: str, others: list[str]) -> None:
        world = self.world
        do = world.network.cut if verb == "cut" else world.network.mend
        near, far = world.host(one), world.host(others[-1])
        do(near, far)
        if others[0] != ">":
            do(far, near)

    def _between(self, do: Callable[[Host, Host], None], host: Host) -> None:
        for other in self.world.loop.by_name.values():
            if other is not host:
                do(host, other)
                do(other, host)

    def _kill(self, name: str) -> None:
        if name == "root":
            self.world.kill_server()
        else:
            self.world.kill(name)

    def _stop(self, name: str) -> None:
        if name == "root":
            self.world.network.stop(self.world.host("root"))
        else:
            self.world.stop(name)

    def _resume(self, name: str) -> None:
        if name == "root":
            self.world.network.go_on(self.world.host("root"))
        else:
            self.world.go_on(name)

    def _source(self, what: str) -> None:
        server = self.world.server
        assert server is not None
        track = H265 if what == "other" else H264
        if what == "down":
            server.host.run(lambda: server.pause("it was taken away"))
        else:
            server.host.run(lambda: server.play(self.setting.source, track))


def _join(world: World, name: str, *settings: str) -> None:
    keys = [one.partition("=") for one in settings if one != "nat"]
    world.join(name, **{key: _value(value) for key, _, value in keys})
    world.host(name).reachable = "nat" not in settings
    world.run(0.0)


def _value(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _find(world: World, words: list[str]) -> str:
    """Return the name of a node by what it is: the first of several, in the order they joined."""
    kind, *rest = words
    stripe = int(rest[-1])
    depths = {name: len(way(world, name, stripe)) for name in world.clients}
    found: list[str]
    match kind:
        case "top":
            found = [n for n, c in world.clients.items() if c.parent(stripe) == ROOT]
        case "parent":
            found = [world.parent_name(rest[0], stripe)]
        case "child":
            found = world.names_of(world.clients[rest[0]].children(stripe))
        case "children":
            found = [" ".join(world.names_of(world.clients[rest[0]].children(stripe)))]
        case "deepest":
            found = sorted(depths, key=lambda name: -depths[name])
        case "leaf":
            found = [n for n, c in world.clients.items() if not c.children(stripe)]
        case _:
            raise ScenarioError("no such node")
    if not found:
        raise ScenarioError(f"nobody is {' '.join(words)}")
    return found[0]


def _show(world: World, what: str) -> list[str]:
    if what == "lost":
        lost = {name: c.node.feed.lost for name, c in world.clients.items()}
        return [f"{name} lost {count}" for name, count in lost.items() if count] or ["nobody lost"]
    stripes = max(len(client.stripes) for client in world.clients.values())
    return [f"stripe {stripe}: {_tree(world, 'root', stripe)}" for stripe in range(stripes)]


def _tree(world: World, top: str, stripe: int) -> str:
    below = sorted(
        (name for name in world.clients if world.parent_name(name, stripe) == top),
        key=lambda name: (len(name), name),
    )
    return f"{top}({' '.join(_tree(world, one, stripe) for one in below)})" if below else top


def _tell(world: World, words: list[str]) -> None:
    """Say what is not so, or no longer.

    `NAME redirect STRIPE FROM TO`: the server proxy sends a Redirect to the node;
    `NAME attached STRIPE PARENT`, `NAME childlost STRIPE CHILD`: the node reports it.
    """
    name, kind, number, *nodes = words
    client, stripe = world.clients[name], int(number)
    ids = [ROOT if one == "root" else _id_of(world, one) for one in nodes]
    stripes = client.node.stripes
    assert stripes is not None
    match kind:
        case "redirect":
            target = _candidate(world, nodes[1])
            message = Redirect(stripe=stripe, parent=ids[0], targets=(target,))
            client.host.run(lambda: client.node.told(message))
        case "attached":
            report = AttachedReport(stripe=stripe, parent=ids[0], first=0)
            client.host.run(lambda: stripes.tell(report))
        case "childlost":
            client.host.run(lambda: stripes.child_lost(Stripe(stripe), ids[0], "closed"))
        case _:
            raise ScenarioError("no such message")


def _id_of(world: World, name: str) -> NodeId:
    known = {client.name: client.id for client in world.clients.values()}
    gone = {host: NodeId(node) for node, host in world.names.items()}
    found = known.get(name) or gone.get(name)
    if found is None:
        raise ScenarioError(f"there is no {name}")
    return found


def _candidate(world: World, name: str) -> Candidate:
    host = world.host(name)
    addresses = () if name == "root" else (f"{host.ip}:7855",)
    node = ROOT if name == "root" else _id_of(world, name)
    return Candidate(node, addresses, 0.0, available=True)
