"""One server proxy and many client proxies as processes, on one channel named `cam`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.daemons import ClientProxy, Daemon, ServerProxy
from tests.support.processes import wait_until

CHANNEL = "cam"
FULL = bool(os.environ.get("STRIPECAST_FULL"))
"""`make test-full`: the lengths that the issues ask for."""


def long(short: float, full: float) -> float:
    """Return a duration: `short` in `make test`, `full` in `make test-full`."""
    return full if FULL else short


def trees_of(server: ServerProxy) -> list[dict[str, str]]:
    """Return each tree of the API as {node: parent}."""
    trees = server.api(f"channels/{CHANNEL}")["trees"]
    assert isinstance(trees, list)
    return [
        {str(node): str(parent) for node, parent in tree["parents"].items()}
        for tree in trees
        if isinstance(tree, dict) and isinstance(tree["parents"], dict)
    ]


class Fleet:
    """Started with `with`; ends every daemon in good order and judges its log."""

    def __init__(
        self,
        folder: Path,
        source: str,
        size: int,
        *,
        server_arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self._env = folder, env
        self._source, self._server_arguments = source, server_arguments
        self.server = ServerProxy(folder, {CHANNEL: source}, arguments=server_arguments, env=env)
        self.clients: list[ClientProxy] = []
        self._dead: list[ClientProxy] = []
        self._size = size

    def __enter__(self) -> Self:
        self.server.wait_ready()
        self.add(self._size)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for daemon in self.daemons:
                daemon.stop()
            for client in self._dead:
                client.check_log()

    @property
    def daemons(self) -> list[Daemon]:
        """The client proxies that live, and the server proxy last."""
        return [*self.clients, self.server]

    def add(self, count: int, *, arguments: Sequence[str] = ()) -> list[ClientProxy]:
        """Start client proxies and wait until they have joined."""
        new = [
            ClientProxy(
                self.folder, self.server.overlay, join=[CHANNEL], arguments=arguments, env=self._env
            )
            for _ in range(count)
        ]
        self.clients += new
        for client in new:
            client.wait_ready()
        return new

    def leave(self, client: ClientProxy) -> None:
        """Let one leave in good order."""
        self.clients.remove(client)
        client.stop()

    def kill(self, client: ClientProxy) -> None:
        """End one by SIGKILL."""
        self.clients.remove(client)
        self._dead.append(client)
        client.kill()

    def restart_server(self) -> None:
        """SIGKILL the server proxy and start it again on its port; `wait_ready` is the caller's."""
        port = self.server.overlay
        self.server.kill()
        self.server = ServerProxy(
            self.folder,
            {CHANNEL: self._source},
            arguments=[*self._server_arguments, "--listen", port],
            env=self._env,
        )

    def node(self, client: ClientProxy) -> str:
        """Return a client proxy's node id."""
        return str(_first(client)["node"])

    def parents(self, client: ClientProxy) -> list[str]:
        """Return the parents of a client proxy, by stripe, as it says itself."""
        found = _first(client)["parents"]
        assert isinstance(found, list)
        return [str(parent) for parent in found]

    def by_node(self) -> dict[str, ClientProxy]:
        """Return the client proxies by node id."""
        return {self.node(client): client for client in self.clients}

    def trees(self) -> list[dict[str, str]]:
        """Return each tree of the API as {node: parent}."""
        return trees_of(self.server)

    def placed(self) -> dict[str, list[str]]:
        """Return the parents of every node, by stripe, as each says itself."""
        return {self.node(client): self.parents(client) for client in self.clients}

    def alarms(self, since: Mapping[int, int]) -> list[str]:
        """Return lines about silent parents, but for the server proxy: none on an idle machine.

        On a busy one a node may be held up for so long that its children take their standby.
        `since`: lines that each process had logged before.
        """
        lines = [
            line
            for client in self.clients
            for line in client.text().splitlines()[since[client.pid] :]
        ]
        return [line for line in lines if " lost: silent" in line and "parent root" not in line]

    def lost(self) -> dict[str, float]:
        """Return `stripecast_packets_lost_total` of every client proxy."""
        return {
            str(client.pid): client.metrics().total("stripecast_packets_lost_total")
            for client in self.clients
        }

    def assert_nothing_lost(self) -> None:
        """Fail if any client proxy has counted a loss, or none has counted a packet."""
        assert set(self.lost().values()) == {0.0}
        for client in self.clients:
            assert client.metrics().total("stripecast_packets_delivered_total") > 0

    def standbys(self, client: ClientProxy) -> list[str]:
        """Return who stands by for a client proxy, of all stripes."""
        held = _first(client).get("standbys")
        assert isinstance(held, list)
        return [str(one) for one in held if one is not None]

    def settle(self, timeout: float = 20.0) -> None:
        """Wait until the trees of the API are what every client proxy says of itself."""

        def agree() -> bool:
            trees = self.trees()
            return all(
                [tree.get(node) for tree in trees] == self.parents(client)
                for node, client in self.by_node().items()
            ) and all(set(tree) == set(self.by_node()) for tree in trees)

        wait_until(agree, timeout, "trees of the API as the nodes say", 0.2)


def _first(client: ClientProxy) -> dict[str, object]:
    channels = client.api()["channels"]
    assert isinstance(channels, list)
    first = channels[0]
    assert isinstance(first, dict)
    return dict(first)
