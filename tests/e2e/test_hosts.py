"""Across hosts with delay and jitter: exact, the nearer of equals, a quick join (Z21 to Z24)."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, long
from tests.support.netns import Link, Network
from tests.support.players import FfmpegRecorder
from tests.support.processes import wait_until
from tests.support.sources import GstOptions, GstSource

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

SERVER = 1
CLIENTS = (2, 3, 4, 5)
SLACK = 1.0
"""Seconds for what a loaded machine adds."""


def _client(net: Network, host: int, server: ServerProxy, *arguments: str) -> ClientProxy:
    return ClientProxy(
        net.folder,
        server.overlay,
        join=[CHANNEL],
        host=net.address(host),
        wrap=net.wrap(host),
        arguments=arguments,
    )


def _server(net: Network, source: GstSource) -> ServerProxy:
    server = ServerProxy(
        net.folder, {CHANNEL: source.url}, host=net.address(SERVER), wrap=net.wrap(SERVER)
    )
    server.wait_ready()
    return server


def _source(net: Network) -> GstSource:
    return GstSource(
        net.folder, GstOptions(address=net.address(SERVER)), wrap=net.wrap(SERVER)
    ).wait_ready()


def test_five_hosts_twenty_to_fifty_milliseconds_apart(tmp_path: Path) -> None:
    """A server proxy and four client proxies, each in a namespace of its own: exact everywhere."""
    links = {
        host: Link(delay=delay, jitter=0.005)
        for host, delay in zip((SERVER, *CLIENTS), (0.010, 0.010, 0.020, 0.030, 0.040), strict=True)
    }
    with Network(tmp_path, hosts=5, links=links) as net:
        source = _source(net)
        server = _server(net, source)
        clients = [_client(net, host, server) for host in CLIENTS]
        for client in clients:
            client.wait_ready()
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, long(10, 60), "tcp", net.wrap(host))
            for host, client in zip(CLIENTS, clients, strict=True)
        ]
        for recorder in recorders:
            compare(source.sent, recorder.result().path, least=100).check()
        for client in clients:
            assert client.metrics().total("stripecast_packets_lost_total") == 0
            client.stop()
        server.stop()


def test_of_two_equal_candidates_the_nearer_is_taken(tmp_path: Path) -> None:
    """One tree; two parents with free slots at the same depth, one of them 50 ms away."""
    links = {3: Link(delay=0.050)}
    with Network(tmp_path, hosts=5, links=links) as net:
        source = _source(net)
        config = tmp_path / "one-stripe.yaml"
        config.write_text(f"channels: {{{CHANNEL}: {{source: '{source.url}', stripes: 1}}}}\n")
        server = ServerProxy(
            net.folder,
            {},
            arguments=["--config", str(config)],
            host=net.address(SERVER),
            wrap=net.wrap(SERVER),
        )
        top = _client(net, SERVER, server, "--max-children", "2")
        top.wait_ready()
        far = _client(net, 3, server)
        far.wait_ready()
        near = _client(net, 2, server)
        near.wait_ready()
        assert _parents(far) == _parents(near) == [_node(top)]
        wait_until(lambda: _known_delay(server, 3), 20, "all three have reported their delay")
        late = [_client(net, host, server) for host in (4, 5)]
        for client in late:
            client.wait_ready()
        assert [_parents(client) for client in late] == [[_node(near)]] * 2
        for client in (*late, near, far, top):
            client.stop()
        server.stop()


def _known_delay(server: ServerProxy, count: int) -> bool:
    nodes = server.api(f"channels/{CHANNEL}")["nodes"]
    assert isinstance(nodes, dict)
    reported = [one for one in nodes.values() if isinstance(one, dict) and one["delivered"]]
    return len(reported) >= count


def _first(client: ClientProxy) -> dict[str, object]:
    channels = client.api()["channels"]
    assert isinstance(channels, list)
    first = channels[0]
    assert isinstance(first, dict)
    return dict(first)


def _node(client: ClientProxy) -> str:
    return str(_first(client)["node"])


def _parents(client: ClientProxy) -> list[str]:
    parents = _first(client)["parents"]
    assert isinstance(parents, list)
    return [str(parent) for parent in parents]


def test_a_join_over_a_slow_network_takes_few_round_trips(tmp_path: Path) -> None:
    """Two candidates for a stripe: probing them costs two round trips, connecting included.

    Connect, Join and Offer, which waits 0.15 s for the dial-back; connect, Probe; Attach: five.
    """
    round_trip = 0.2
    with Network(tmp_path, hosts=5, links={2: Link(delay=round_trip / 2)}) as net:
        source = _source(net)
        server = _server(net, source)
        first = [_client(net, SERVER, server, "--max-children", "3") for _ in range(4)]
        for client in first:
            client.wait_ready()
        newcomer = _client(net, 2, server)
        newcomer.wait_ready()
        took = [at - _logged(newcomer, "listening")[0] for at in _logged(newcomer, "attached to")]
        assert max(took[:2]) < 5 * round_trip + 0.15 + SLACK, took
        for client in (newcomer, *first):
            client.stop()
        server.stop()


def _logged(client: ClientProxy, message: str) -> list[float]:
    """Return when, in seconds, the log says so."""
    lines = [json.loads(line) for line in client.text().splitlines() if line.startswith("{")]
    return [
        datetime.fromisoformat(line["time"]).timestamp()
        for line in lines
        if str(line["message"]).startswith(message)
    ]
