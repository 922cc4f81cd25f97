"""Thin networks: who is too slow is relieved before a packet is late, and nobody else pays (S28).

The stream has about 0.53 Mbit/s: each of the two stripes half of it, with headers 0.28.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.daemons import ClientProxy, Json, ServerProxy
from tests.support.fleet import CHANNEL
from tests.support.netbench import Hosts
from tests.support.processes import wait_until
from tests.support.sources import GstOptions, GstSource

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

SERVER = 1
SLOTS = 3
"""What a node begins with."""
WITHIN = 20.0
"""Seconds until the trees stand anew: it takes two or three, on a loaded machine more."""


@dataclass
class Stage:
    """A server proxy on host 1, and a client proxy on each of the others."""

    folder: Path
    hosts: Hosts
    server: ServerProxy
    clients: dict[str, ClientProxy] = field(default_factory=dict)
    """By node."""
    places: dict[str, int] = field(default_factory=dict)
    """Hosts, by node."""

    def trees(self) -> list[dict[str, str]]:
        """Return each tree as {node: parent}."""
        trees = self.server.api(f"channels/{CHANNEL}")["trees"]
        assert isinstance(trees, list)
        return [_texts(_table(_table(tree)["parents"])) for tree in trees]

    def children(self, node: str) -> list[str]:
        return [child for tree in self.trees() for child, parent in tree.items() if parent == node]

    def slots(self, node: str) -> int:
        nodes = _table(self.server.api(f"channels/{CHANNEL}")["nodes"])
        return int(str(_table(nodes[node])["slots"]))

    def lost(self, *, but: str = "") -> dict[str, float]:
        """Return who has lost how many packets; `but`: not asked."""
        return {
            node: lost
            for node, client in self.clients.items()
            if node != but and (lost := client.metrics().total("stripecast_packets_lost_total"))
        }

    def flows(self, *, but: str = "") -> None:
        """Wait until every node has got a hundred packets more."""
        for node, client in self.clients.items():
            if node != but:
                name = "stripecast_packets_delivered_total"
                client.wait_metric(name, client.metrics().total(name) + 100)

    def relay(self) -> str:
        """Return the node with most children: a full one."""
        return max(self.clients, key=lambda node: len(self.children(node)))


@contextmanager
def _stage(
    folder: Path, count: int, *, config: str = "", arguments: Sequence[str] = ()
) -> Iterator[Stage]:
    with Hosts(folder, count + 1) as hosts:
        options = GstOptions(address=hosts.address(SERVER))
        source = GstSource(folder, options, wrap=hosts.wrap(SERVER)).wait_ready()
        path = folder / "server.yaml"
        path.write_text(f"channels: {{{CHANNEL}: {{source: '{source.url}'{config}}}}}\n")
        server = ServerProxy(
            folder,
            {},
            arguments=["--config", str(path)],
            host=hosts.address(SERVER),
            wrap=hosts.wrap(SERVER),
        )
        server.wait_ready()
        stage = Stage(folder, hosts, server)
        try:
            for host in range(2, count + 2):
                _join(stage, host, arguments)
            wait_until(lambda: all(len(tree) == count for tree in stage.trees()), 20, "all hang")
            stage.flows()
            yield stage
            for daemon in (*stage.clients.values(), server):
                daemon.check_log()
        finally:
            for one in stage.clients.values():
                one.kill()


def _join(stage: Stage, host: int, arguments: Sequence[str]) -> None:
    client = ClientProxy(
        stage.folder,
        stage.server.overlay,
        join=[CHANNEL],
        arguments=arguments,
        host=stage.hosts.address(host),
        wrap=stage.hosts.wrap(host),
    )
    stage.clients[f"host {host}"] = client
    client.wait_ready()
    channels = client.api()["channels"]
    assert isinstance(channels, list)
    node = str(_table(channels[0])["node"])
    stage.clients[node] = stage.clients.pop(f"host {host}")
    stage.places[node] = host


def _table(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value


def _texts(table: dict[str, Json]) -> dict[str, str]:
    return {name: str(value) for name, value in table.items()}


def test_a_relay_with_a_thin_uplink_is_given_up_and_loses_its_slots(tmp_path: Path) -> None:
    """What it sends is cut to two thirds: its children leave, with nothing lost."""
    with _stage(tmp_path, 5) as stage:
        relay = stage.relay()
        assert len(stage.children(relay)) == SLOTS
        stage.hosts.limit(stage.places[relay], up=550_000)
        wait_until(
            lambda: len(stage.children(relay)) <= stage.slots(relay) < SLOTS,
            WITHIN,
            "it has fewer slots, and no more children than that",
        )
        stage.flows()
        assert stage.lost() == {}
        reasons = {
            reason: sum(
                client.metrics().total("stripecast_rejoins_total", reason=reason)
                for client in stage.clients.values()
            )
            for reason in ("slow", "silent", "closed")
        }
        assert reasons["slow"] > 0, reasons
        assert reasons["closed"] == 0, reasons


def test_a_relay_with_a_thin_downlink_blames_nobody_and_loses_its_children(tmp_path: Path) -> None:
    """Its children get what it lacks elsewhere, in time; its parents keep all their slots."""
    with _stage(tmp_path, 5) as stage:
        relay = stage.relay()
        stage.hosts.limit(stage.places[relay], down=550_000)
        wait_until(
            lambda: stage.slots(relay) == 0 and not stage.children(relay),
            WITHIN,
            "it has no slots and no children",
        )
        stage.flows(but=relay)
        assert stage.lost(but=relay) == {}
        assert [node for node in stage.clients if node != relay and stage.slots(node) < SLOTS] == []


def test_a_slow_child_is_skipped_then_let_go_and_its_sibling_has_all(tmp_path: Path) -> None:
    """One stripe, a log of two seconds, both at the server proxy; one gets 200 kbit/s."""
    config = ", stripes: 1, children_per_stripe: 2, log_time: 2"
    with _stage(tmp_path, 2, config=config, arguments=["--max-children", "0"]) as stage:
        assert [set(tree.values()) for tree in stage.trees()] == [{"root"}]
        _, slow = stage.clients
        stage.hosts.limit(stage.places[slow], down=200_000)
        stage.server.expect("is too slow: [0-9]+ sequence numbers skipped", 30)
        stage.server.expect("gone: too_slow", 30)
        stage.flows(but=slow)
        assert stage.lost(but=slow) == {}
