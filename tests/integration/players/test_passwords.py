"""A server that asks for a password: what it says, to whom, and how long it listens to guesses."""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from hashlib import md5

import pytest

from clientproxy.net.rtsp_server import RtspServer
from common.ids import Address
from common.rtsp.auth import MAX_WRONG, NONCE_LIFETIME, REALM, Access
from common.runtime.tasks import Tasks
from tests.integration.players.conftest import Stage
from tests.support.rtsp_dialogue import Talk
from tests.support.rtsp_tunnel import TunnelTalk, opened_post

USER, PASSWORD = "viewer", "s3cret-word"
TCP01 = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"


def basic(password: str = PASSWORD) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()


def digest(nonce: str, method: str, uri: str, password: str = PASSWORD) -> str:
    def h(text: str) -> str:
        return md5(text.encode(), usedforsecurity=False).hexdigest()

    response = h(f"{h(f'{USER}:{REALM}:{password}')}:{nonce}:{h(f'{method}:{uri}')}")
    return (
        f'Authorization: Digest username="{USER}", realm="{REALM}", nonce="{nonce}",'
        f' uri="{uri}", response="{response}"'
    )


@pytest.fixture
async def locked(stage: Stage) -> AsyncIterator[Stage]:
    """Serve the same channel behind a password."""
    loop, tasks = asyncio.get_running_loop(), Tasks()
    server = RtspServer(
        stage.channels,
        tasks,
        access=lambda: Access(USER, PASSWORD),
        clock=lambda: loop.time() + made.skew,
    )
    made = Stage(server, Address("127.0.0.1", 0), stage.channels, stage.feed, tasks)
    made.address = await server.start(made.address)
    yield made
    await server.close()
    await tasks.close()


async def challenge(talk: Talk) -> str:
    """Ask without a password; return the nonce."""
    talk.send(f"DESCRIBE {talk.base}/cam RTSP/1.0\r\nCSeq: {talk.cseq}\r\n\r\n".encode())
    head = (await talk.reader.readuntil(b"\r\n\r\n")).decode()
    talk.cseq += 1
    assert head.startswith("RTSP/1.0 401 Unauthorized\r\n")
    assert head.index("WWW-Authenticate: Digest realm=") < head.index("WWW-Authenticate: Basic")
    return head.partition('nonce="')[2].partition('"')[0]


@pytest.mark.parametrize(
    "method", ["DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER"]
)
async def test_nothing_but_options_is_to_be_had_without_a_password(
    locked: Stage, method: str
) -> None:
    async with Talk(locked.address) as talk:
        assert (await talk.ask("OPTIONS", "/cam")).status == 200
        path = "/cam/trackID=0" if method == "SETUP" else "/cam"
        assert (await talk.ask(method, path, TCP01)).status == 401
    assert locked.players() == 0


async def test_digest_opens_each_request(locked: Stage) -> None:
    async with Talk(locked.address) as talk:
        nonce = await challenge(talk)
        track = f"{talk.base}/cam/trackID=0"
        reply = await talk.ask("SETUP", track, TCP01, digest(nonce, "SETUP", f"{talk.base}/cam/"))
        assert reply.status == 200  # live555 names the channel there
        session = f"Session: {reply.session}"
        url = f"{talk.base}/cam/"
        assert (await talk.ask("PLAY", url, session)).status == 401
        assert (await talk.ask("PLAY", url, session, digest(nonce, "PLAY", url))).status == 200
        locked.skew += NONCE_LIFETIME * 5
        keep_alive = digest(nonce, "GET_PARAMETER", url)
        assert (await talk.ask("GET_PARAMETER", url, session, keep_alive)).status == 200
        async with Talk(locked.address) as other:
            reply = await other.ask("GET_PARAMETER", url, session, keep_alive)
            assert reply.status == 401


async def test_basic_opens_too(locked: Stage) -> None:
    async with Talk(locked.address) as talk:
        assert (await talk.ask("DESCRIBE", "/cam", basic())).status == 200
        assert (await talk.ask("DESCRIBE", "/cam", basic("wrong"))).status == 401


async def test_a_tunnel_may_bring_its_password_with_the_get(locked: Stage) -> None:
    """As QuickTime does; who brings none there is asked in RTSP."""
    async with TunnelTalk(locked.address) as talk, opened_post(locked.address) as post:
        await talk.open(basic())
        talk.through = post
        assert (await talk.ask("DESCRIBE", "/cam")).status == 200
    async with TunnelTalk(locked.address) as talk, opened_post(locked.address) as post:
        await talk.open()
        talk.through = post
        assert (await talk.ask("DESCRIBE", "/cam")).status == 401
        assert (await talk.ask("DESCRIBE", "/cam", basic())).status == 200


async def test_guesses_are_slow_few_and_logged_without_the_guess(
    locked: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    with caplog.at_level(logging.DEBUG, logger="clientproxy"):
        async with Talk(locked.address) as talk, Talk(locked.address) as other:
            began = loop.time()
            for number in range(MAX_WRONG):
                path = f"rtsp://{USER}:guess{number}@{locked.address}/cam"
                assert (await talk.ask("DESCRIBE", path, basic(f"guess{number}"))).status == 401
            assert loop.time() - began > 0.3 * MAX_WRONG
            await talk.wait_closed()
            assert (await other.ask("DESCRIBE", "/cam", basic())).status == 200
    assert caplog.text.count("wrong user name or password") == MAX_WRONG
    for secret in ("guess", PASSWORD, basic().split()[2]):
        assert secret not in caplog.text


async def test_without_a_password_nobody_is_asked(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        assert (await talk.ask("DESCRIBE", "/cam", basic("anything"))).status == 200


@pytest.mark.parametrize(("host", "beyond"), [("127.0.0.1", False), ("::1", False), ("", True)])
async def test_the_server_knows_whether_others_can_reach_it(
    stage: Stage, host: str, beyond: bool
) -> None:
    await stage.server.start(Address(host, 0))
    assert stage.server.beyond_loopback == beyond
