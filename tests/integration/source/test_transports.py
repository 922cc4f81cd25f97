"""UDP: order, losses, strangers, IPv6; and falling back from one transport to the other."""

import asyncio
import hashlib
import socket
import ssl
from pathlib import Path
from typing import Literal

import pytest

from common import rtcp, rtp
from serverproxy.net.source import Source, SourceSettings
from tests.integration.source.scripted import (
    Request,
    ScriptedServer,
    Watcher,
    frame,
    packet,
    running,
    serving,
)
from tests.support.rtp_packets import report_blocks
from tests.support.sources import make_certificate


def source(
    server: ScriptedServer,
    watcher: Watcher,
    transport: Literal["auto", "tcp", "udp"] = "udp",
    timeout: float = 5.0,
) -> Source:
    settings = SourceSettings(url=server.url, transport=transport, timeout=timeout)
    return Source(settings, watcher, channel="cam")


async def received(one: socket.socket) -> bytes:
    """Wait for a datagram."""
    one.setblocking(False)
    async with asyncio.timeout(20):
        return await asyncio.get_running_loop().sock_recv(one, 2048)


async def test_udp_packets_are_put_in_order_and_losses_counted() -> None:
    watcher = Watcher()
    async with serving(ScriptedServer()) as server:
        pulled = source(server, watcher)
        async with running(pulled.run):
            await server.played()
            for number in (65_534, 0, 65_535, 2, 3, 2):
                server.send_udp(0, packet(number))
            server.send_udp(1, packet(9))
            await watcher.until(lambda: len(watcher.packets) == 6)
            server.send_udp(0, packet(1))  # too late
            server.send_udp(0, packet(4))
            await watcher.until(lambda: watcher.numbers()[-1] == 4)
    assert watcher.numbers(0) == [65_534, 65_535, 0, 2, 3, 4]
    assert watcher.numbers(1) == [9]
    assert (pulled.stats.reordered, pulled.stats.late, pulled.stats.duplicates) == (1, 1, 1)


async def test_the_way_is_opened_and_reports_go_to_the_rtcp_port() -> None:
    async with serving(ScriptedServer()) as server, running(source(server, Watcher()).run):
        await server.played()
        assert rtp.parse(await received(server.udp[0])) is not None
        assert rtcp.is_valid(await received(server.udp[1]))
        server.send_udp(0, packet(1, ssrc=77))
        while not (blocks := report_blocks(await received(server.udp[1]))):
            pass
    assert blocks[0].ssrc == 77
    assert all(port % 2 == 0 for port, _ in server.client_ports)


async def test_strangers_cannot_put_packets_in() -> None:
    watcher = Watcher()
    async with serving(ScriptedServer()) as server:
        pulled = source(server, watcher)
        async with running(pulled.run):
            await server.played()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind(("127.0.0.2", 0))
                stranger.sendto(packet(6), ("127.0.0.1", server.client_ports[0][0]))
            server.send_udp(0, packet(7))
            await watcher.until(lambda: bool(watcher.packets))
    assert watcher.numbers() == [7]
    assert pulled.stats.foreign == 1


async def test_another_address_that_the_server_names_may_send() -> None:
    watcher = Watcher()
    server = ScriptedServer()
    server.answers["SETUP"] = lambda one: one.reply(
        Session="17", Transport=f"{server.transport(one)};source=127.0.0.2"
    )
    async with serving(server), running(source(server, watcher).run):
        await server.played()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.2", 0))
            other.sendto(packet(6), ("127.0.0.1", server.client_ports[0][0]))
            await watcher.until(lambda: watcher.numbers() == [6])


async def test_a_single_server_port_is_taken() -> None:
    """Aiortsp as it is ends with a ValueError."""
    server = ScriptedServer()
    server.answers["SETUP"] = lambda one: one.reply(
        Session="17", Transport=f"{server.transport(one).rpartition('-')[0]}"
    )
    watcher = Watcher()
    async with serving(server), running(source(server, watcher).run):
        await server.played()
        server.send_udp(0, packet(6))
        await watcher.until(lambda: watcher.numbers() == [6])


async def test_udp_works_over_ipv6() -> None:
    """Aiortsp as it is gets no packet and no error."""
    watcher = Watcher()
    async with (
        serving(ScriptedServer(), host="::1") as server,
        running(source(server, watcher).run),
    ):
        await server.played()
        assert server.requests[0].url.startswith("rtsp://[::1]:")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.bind(("::1", 0))
            sender.sendto(packet(6), ("::1", server.client_ports[0][0]))
        await watcher.until(lambda: watcher.numbers() == [6])


async def test_auto_falls_back_to_udp_at_once_on_461() -> None:
    def setup(one: Request) -> bytes:
        if "/TCP" in one.headers["transport"]:
            return one.reply("461 Unsupported Transport")
        return server.usual(one)

    watcher = Watcher()
    server = ScriptedServer(SETUP=setup)
    async with serving(server), running(source(server, watcher, "auto").run):
        await server.played()
        server.send_udp(0, packet(1))
        await watcher.until(lambda: watcher.numbers() == [1])
        server.hang_up()
        await server.played(2)
    asked = [one.headers["transport"] for one in server.asked("SETUP")]
    assert ["/TCP" in transport for transport in asked] == [True, False, False, False, False]
    assert watcher.downs == ["the source closed the connection"]


async def test_auto_falls_back_where_no_rtp_comes() -> None:
    watcher = Watcher()
    async with serving(ScriptedServer()) as server:
        pulled = source(server, watcher, "auto", timeout=1.0)
        async with running(pulled.run):
            await server.played(2)  # the first one got no RTP
            while not watcher.packets:
                server.send_udp(0, packet(1))
                await asyncio.sleep(0.05)
    assert "client_port" in server.asked("SETUP")[-1].headers["transport"]
    assert watcher.downs == []


async def test_no_rtp_over_any_transport_is_said() -> None:
    watcher = Watcher()
    async with (
        serving(ScriptedServer()) as server,
        running(source(server, watcher, "auto", timeout=1.0).run),
    ):
        await watcher.until(lambda: bool(watcher.downs))
    assert "over TCP" in watcher.downs[0]
    assert "over UDP" in watcher.downs[0]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "camera.pem"
    make_certificate(path, path.with_suffix(".key"), "127.0.0.1")
    return path


def fingerprint(certificate: Path) -> str:
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    return hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize(
    ("trust", "reason"),
    [
        ("ca", ""),
        ("fingerprint", ""),
        ("both", ""),
        ("nothing", "certificate of 127.0.0.1"),
        ("wrong ca", "certificate of 127.0.0.1"),
        ("wrong fingerprint", "not the one that is set"),
        ("wrong name", "IP address mismatch"),
        ("no file", "cannot read the certificates"),
    ],
)
async def test_rtsps_is_verified(trust: str, reason: str, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    given = fingerprint(certificate)
    other = certificate.with_name("other.pem")
    make_certificate(other, other.with_suffix(".key"), "127.0.0.1")
    settings: dict[str, dict[str, str]] = {
        "ca": {"ca": str(certificate)},
        "fingerprint": {"fingerprint": given},
        "both": {"ca": str(certificate), "fingerprint": given},
        "nothing": {},
        "wrong ca": {"ca": str(other), "fingerprint": given},
        "wrong fingerprint": {"fingerprint": "0" * 64},
        "wrong name": {"ca": str(certificate)},
        "no file": {"ca": "/nowhere.pem"},
    }
    watcher = Watcher()
    host = "127.0.0.2" if trust == "wrong name" else "127.0.0.1"
    async with serving(ScriptedServer(), tls=context, host=host) as server:
        url = f"rtsps://ali:sesame@{host}:{server.port}/live"
        chosen = settings[trust]
        pulled = Source(
            SourceSettings(url=url, ca=chosen.get("ca"), fingerprint=chosen.get("fingerprint")),
            watcher,
            channel="cam",
        )
        async with running(pulled.run):
            if reason:
                await watcher.until(lambda: bool(watcher.downs))
            else:
                await server.played()
                await server.send(frame(0, packet(1)))
                await watcher.until(lambda: watcher.numbers() == [1])
    if reason:
        assert reason in watcher.downs[0]
        assert server.requests == []
