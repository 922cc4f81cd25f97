"""`--pcap`: what a capture says of where packets went, as other programs read it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clientproxy.net.node import Node
from common.runtime.capture import Capture, Target
from tests.support.installed import skip_unless_installed
from tests.support.overlay import InProcessNode, until
from tests.support.pcap_readers import SAP_PORT, Datagram, read, tshark
from tests.support.synthetic import Viewer, number_of, packet, synthetic

FILE_BYTES = 1 << 22
ROOT, SOURCE, PLAYERS = "0.0", "255.1", "255.2"


def host(node: Node) -> str:
    """Return what an address ends in for a node."""
    assert node.stripes is not None
    number = int(node.stripes.offer.node.partition("-")[0].removeprefix("n"))
    return f"{number // 100}.{number % 100}"


def flows(found: list[Datagram]) -> dict[tuple[str, str], list[Datagram]]:
    """Return the RTP packets by sender and receiver."""
    by: dict[tuple[str, str], list[Datagram]] = {}
    for one in found:
        if one.port != SAP_PORT:
            by.setdefault((one.sender, one.receiver), []).append(one)
    return by


async def capture_to(file: Path) -> Capture:
    capture = Capture()
    await capture.start(Target(str(file), FILE_BYTES, 2))
    return capture


SENT = [packet(0).payload, *(packet(number, 1_000).payload for number in range(1, 401))]


async def record(folder: Path, within: float) -> list[str]:
    """Let two nodes join and get `SENT`, all captured; return what their addresses end in."""
    hosts, nodes, viewers = [], [], []
    async with synthetic() as server:
        server.channel.feed.capture = await capture_to(folder / "server.pcap")
        server.up()
        server.push(1)
        for number in range(2):
            one = InProcessNode(server.address)
            hosts.append(one)
            one.channels.capture = await capture_to(folder / f"{number}.pcap")
            nodes.append(await one.join("cam"))
            await until(lambda: all(node.joined for node in nodes), within, "the node has joined")
            viewers.append(Viewer(nodes[-1]))
            server.push(200, 1_000)
        last = [len(SENT) - 1]
        await until(lambda: all(v.numbers[-1:] == last for v in viewers), within, "all is there")
        names = [host(node) for node in nodes]
        for one in hosts:
            await one.channels.capture.close()
            await one.close()
        await server.channel.feed.capture.close()
    return names


async def test_both_daemons_capture_what_comes_and_goes(
    tmp_path: Path, seconds: Callable[[float], float]
) -> None:
    """Bit for bit what the source sent: from it, per stripe from and to each node, to players."""
    skip_unless_installed("tcpdump")
    names = await record(tmp_path, seconds(20))

    found = flows(read(tmp_path / "server.pcap"))
    source = found.pop((f"10.99.{SOURCE}", f"10.99.{ROOT}"))
    assert [one.payload for one in source] == SENT
    assert [one.seq for one in source] == list(range(401))
    assert [one.at for one in source] == sorted(one.at for one in source)
    assert {one.port for one in source} == {50_000}
    # The channel-wide number in each packet joins what the daemons saw of it.
    payloads = {one.number: one.payload for one in source}
    to_nodes = {f"10.{stripe}.{name}" for stripe in (0, 1) for name in names}
    assert {receiver for _, receiver in found} <= to_nodes
    for (sender, _), packets in found.items():
        stripe = int(sender.split(".")[1])
        assert sender == f"10.{stripe}.{ROOT}"
        assert all(payloads[one.number] == one.payload for one in packets)
        assert {(one.number - source[0].number) % 2 for one in packets} in ({0}, {1})

    relayed = 0
    for number, name in enumerate(names):
        found = flows(read(tmp_path / f"{number}.pcap"))
        delivered = found.pop((f"10.99.{name}", f"10.99.{PLAYERS}"))
        first = number_of(delivered[0].payload)
        assert [one.payload for one in delivered] == SENT[first:]
        own = {f"10.{stripe}.{name}" for stripe in (0, 1)}
        received = {one.number for ends, ps in found.items() if ends[1] in own for one in ps}
        in_order = sorted(received, key=lambda one: (one - source[0].number) & 0xFFFF)
        # Its logs reach further back than what it plays: others may come under it.
        assert [payloads[one] for one in in_order[-len(delivered) :]] == SENT[first:]
        relayed += sum(len(ps) for ends, ps in found.items() if ends[0] in own)
        assert all(own & set(ends) for ends in found)
    assert relayed


async def test_wireshark_decodes_it_without_being_told_anything(
    tmp_path: Path, seconds: Callable[[float], float]
) -> None:
    """By the announcements: H.264 in RTP, its flows by their names."""
    if not shutil.which("tshark"):
        pytest.skip("not installed: tshark, which is large: tcpdump judges the rest")
    file = tmp_path / "node.pcap"
    async with synthetic() as server:
        server.up()
        one = InProcessNode(server.address)
        one.channels.capture = await capture_to(file)
        node = await one.join("cam")
        await until(lambda: node.joined, seconds(20), "the node has joined")
        viewer = Viewer(node)
        server.push(100)
        await until(lambda: viewer.numbers[-1:] == [99], seconds(20), "all is there")
        assert node.stripes is not None
        name = node.stripes.offer.node
        await one.channels.capture.close()
        await one.close()
    rows = tshark(file, "_ws.col.Protocol", "rtp.seq", "ip.dst", "sdp.session_name")
    assert {row[0] for row in rows} == {"SAP/SDP", "H.264"}
    assert {row[3] for row in rows if row[0] == "SAP/SDP"} == {
        f"cam, stripe 0: root to {name}",
        f"cam, stripe 1: root to {name}",
        f"cam: {name} to players",
    }
    delivered = [int(row[1]) for row in rows if row[2] == f"10.99.{PLAYERS}" and row[1]]
    assert delivered == list(range(100))
