"""How a source is lost, how it comes back, and the one line that says what is wrong."""

import asyncio
import logging
import socket

import pytest

from common import rtcp
from serverproxy.net.source import Source, SourceSettings, pull
from tests.integration.source.scripted import (
    SECONDS,
    Answer,
    Request,
    ScriptedServer,
    Watcher,
    frame,
    packet,
    running,
    serving,
)
from tests.support.ports import free_port

SECRET = "s3same"


def source(url: str, watcher: Watcher, *, timeout: float = 5.0) -> Source:
    settings = SourceSettings(url=url, transport="tcp", timeout=timeout)
    return Source(settings, watcher, channel="cam")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings and errors of the log, but for those of a busy loop."""
    return [
        one.getMessage()
        for one in caplog.records
        if one.levelno >= logging.WARNING and one.name != "asyncio"
    ]


async def failing(url: str, caplog: pytest.LogCaptureFixture, *, patience: float = 5.0) -> str:
    """Let a source fail twice; return the one line that it logs."""
    caplog.set_level(logging.DEBUG)
    watcher = Watcher()
    pulled = source(url, watcher, timeout=patience)
    async with asyncio.timeout(SECONDS), running(pulled.run):
        await watcher.until(lambda: bool(watcher.downs))
        while pulled.stats.failures < 2:  # noqa: ASYNC110 - nobody tells of the second one
            await asyncio.sleep(0.02)
    (line,) = lines(caplog)
    assert "source rtsp" in line
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text
    assert watcher.downs == [pulled.last_error]
    assert watcher.ups == []
    return line


def with_secret(url: str) -> str:
    return url.replace("://", f"://ali:{SECRET}@")


@pytest.mark.parametrize(
    ("method", "answer", "said"),
    [
        ("DESCRIBE", lambda one: one.reply("404 Not Found"), "check the path"),
        ("DESCRIBE", lambda one: one.reply("503 Service Unavailable"), "close other viewers"),
        ("DESCRIBE", lambda one: one.reply("403 Forbidden"), "check its rights"),
        ("DESCRIBE", lambda one: one.reply("500 Oops"), "answered 500 Oops to DESCRIBE"),
        (
            "DESCRIBE",
            lambda one: one.reply("401 Unauthorized", WWW_Authenticate='Basic realm="r"'),
            "wrong user name or password",
        ),
        (
            "OPTIONS",
            lambda one: one.reply(
                "401 Unauthorized", WWW_Authenticate='Digest realm="r", nonce="n"'
            ),
            "wrong user name or password",
        ),
        ("DESCRIBE", lambda one: one.reply(body=b"v=0\r\n"), "no audio or video"),
        ("DESCRIBE", lambda one: one.reply("302 Found"), "without saying where to"),
        ("DESCRIBE", lambda one: one.reply("302 Found", Location="http://x/"), "no RTSP URL"),
        ("SETUP", lambda one: one.reply("461 Unsupported Transport"), "set transport to"),
        ("PLAY", lambda one: one.reply("455 Method Not Valid"), "answered 455"),
        ("DESCRIBE", lambda _: b"RTSP/1.0 nonsense\r\n\r\n", "status line"),
        ("DESCRIBE", lambda _: b"RTSP/1.0 200 OK\r\nX: " + b"x" * 20_000, "headers of more than"),
        (
            "DESCRIBE",
            lambda _: b"RTSP/1.0 200 OK\r\nContent-Length: 99999\r\n\r\n",
            "at most 65536",
        ),
        ("OPTIONS", lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not an RTSP server"),
        ("OPTIONS", lambda _: b"SSH-2.0-OpenSSH_9.2p1\r\n", "is not an RTSP server"),
    ],
)
async def test_each_failure_is_one_line_that_says_what_to_do(
    method: str, answer: Answer, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(ScriptedServer(**{method: answer})) as server:
        assert said in await failing(with_secret(server.url), caplog)


async def test_a_missing_password_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    server = ScriptedServer(
        DESCRIBE=lambda one: one.reply("401 Unauthorized", WWW_Authenticate='Basic realm="r"')
    )
    async with serving(server):
        line = await failing(server.url, caplog)
    assert "set username and password" in line
    assert all("authorization" not in request.headers for request in server.requests)


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
async def test_a_server_that_stalls_is_given_up(
    method: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "REQUEST_TIMEOUT", 1.0)
    async with serving(ScriptedServer(**{method: lambda _: None})) as server:
        line = await failing(with_secret(server.url), caplog)
    assert f"does not answer {method}" in line


async def test_a_server_may_answer_more_slowly_than_silence_is_borne(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`source_timeout` bounds the silence of a source that plays, not the time of an answer."""
    server = ScriptedServer(DESCRIBE=lambda _: None)
    watcher = Watcher()
    async with serving(server), running(source(server.url, watcher, timeout=0.5).run):
        await server.until(lambda: bool(server.asked("DESCRIBE")))
        await asyncio.sleep(1.5)
        (asked,) = server.asked("DESCRIBE")
        asked.writer.write(server.usual(asked))
        await server.played()
        await server.send(frame(0, packet(1)))
        await watcher.until(lambda: len(watcher.ups) == 1)
    assert lines(caplog) == []


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "PLAY"])
async def test_a_server_that_hangs_up_is_said(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = ScriptedServer()

    def hang_up(_: object) -> None:
        server.hang_up()

    server.answers[method] = hang_up
    async with serving(server):
        line = await failing(with_secret(server.url), caplog)
    assert "closed the connection" in line


async def test_a_server_that_hangs_up_between_requests_is_not_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As it is, aiortsp would wait for an answer on the closed connection."""
    server = ScriptedServer()

    def answer_and_hang_up(one: Request) -> None:
        one.writer.write(server.usual(one))
        one.writer.close()

    server.answers["DESCRIBE"] = answer_and_hang_up
    async with serving(server):
        line = await failing(with_secret(server.url), caplog, patience=SECONDS)
    assert "closed the connection" in line


async def test_nobody_listening_is_said(caplog: pytest.LogCaptureFixture) -> None:
    url = with_secret(f"rtsp://127.0.0.1:{free_port()}/live")
    assert "refuses connections" in await failing(url, caplog)


async def test_several_addresses_that_refuse_are_one_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = with_secret(f"rtsp://localhost:{free_port()}/live")
    assert "refuses connections" in await failing(url, caplog)


async def test_an_unknown_host_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "check the name" in await failing(with_secret("rtsp://nowhere.invalid/x"), caplog)


async def test_a_port_that_takes_and_says_nothing_is_given_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "REQUEST_TIMEOUT", 1.0)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = with_secret(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/x")
        assert "does not answer OPTIONS" in await failing(url, caplog)


def bye(ssrc: int) -> bytes:
    return rtcp.receiver_report(ssrc) + rtcp.bye(ssrc)


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ("hang up", "closed the connection"),
        ("bye", "RTCP BYE"),
        ("silence", "no RTP for"),
        ("keep-alive", "keep-alive failed"),
        ("forgotten", "454"),
        ("announce", "ANNOUNCE"),
    ],
)
async def test_a_source_is_lost_once_and_comes_back(
    loss: str, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "REQUEST_TIMEOUT", 2.0)
    watcher = Watcher()
    server = ScriptedServer()
    if loss in ("keep-alive", "forgotten"):
        server.answers["SETUP"] = lambda one: one.reply(
            Session="17;timeout=2", Transport=one.headers["transport"]
        )
    if loss == "keep-alive":
        server.answers["GET_PARAMETER"] = lambda _: None
    if loss == "forgotten":
        server.answers["GET_PARAMETER"] = lambda one: one.reply("454 Session Not Found")
    timeout = 1.5 if loss == "silence" else SECONDS
    async with serving(server):
        pulled = source(server.url, watcher, timeout=timeout)
        async with running(pulled.run):
            await server.played()
            await server.send(frame(0, packet(1, ssrc=1)) + frame(2, packet(1, ssrc=2)))
            await watcher.until(lambda: len(watcher.ups) == 1)
            if loss == "hang up":
                server.hang_up()
            elif loss == "bye":
                await server.send(frame(1, bye(1)))
                await server.send(frame(3, bye(2)))
            elif loss == "announce":
                await server.send(b"ANNOUNCE * RTSP/1.0\r\nCSeq: 9\r\n\r\n")
            while not watcher.downs and loss == "forgotten":
                await server.send(frame(0, packet(2)))
                await asyncio.sleep(0.05)
            await watcher.until(lambda: bool(watcher.downs))
            await server.played(2)
            await server.send(frame(0, packet(100)))
            await watcher.until(lambda: len(watcher.ups) == 2)
            assert pulled.state == "up"
    assert len(watcher.downs) == 1
    assert reason in watcher.downs[0]
    assert [line for line in lines(caplog) if reason in line]
    assert pulled.stats.pulls == 2


@pytest.mark.parametrize("refusal", [None, "501 Not Implemented", "400 Bad Request"])
async def test_a_source_that_plays_on_without_answers_to_keep_alives_is_kept(
    refusal: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """OPTIONS follows before the session's timeout, for servers that count nothing else."""
    loop = asyncio.get_running_loop()
    watcher = Watcher()
    server = ScriptedServer()
    server.answers["SETUP"] = lambda one: one.reply(
        Session="17;timeout=2", Transport=one.headers["transport"]
    )
    server.answers["GET_PARAMETER"] = lambda one: one.reply(refusal) if refusal else None
    async with serving(server), running(source(server.url, watcher).run):
        await server.played()
        server.answers["OPTIONS"] = server.answers["GET_PARAMETER"]
        number, began, spare_at = 0, loop.time(), 0.0
        while len(server.asked("OPTIONS")) < 4:
            if not spare_at and len(server.asked("OPTIONS")) > 1:
                spare_at = loop.time() - began
            number += 1
            await server.send(frame(0, packet(number)))
            await asyncio.sleep(0.02)
    assert watcher.downs == []
    assert spare_at < pull.REQUEST_TIMEOUT
    assert len(server.asked("GET_PARAMETER")) == 1
    assert len([line for line in lines(caplog) if "keep-alive" in line]) == 1


async def test_each_outage_of_a_steady_source_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watcher = Watcher()
    server = ScriptedServer()

    async def play_and_hang_up(count: int) -> None:
        await server.played(count)
        await server.send(frame(0, packet(count)))
        await watcher.until(lambda: len(watcher.ups) == count)
        await asyncio.sleep(2.2)  # only then it is steady
        server.hang_up()
        await watcher.until(lambda: len(watcher.downs) == count)

    async with serving(server), running(source(server.url, watcher).run):
        await play_and_hang_up(1)
        await play_and_hang_up(2)
    assert len(lines(caplog)) == 2
    assert caplog.text.count("is up: video H264, audio OPUS") == 2


async def test_a_bye_on_one_track_of_two_is_not_the_end() -> None:
    watcher = Watcher()
    async with serving(ScriptedServer()) as server, running(source(server.url, watcher).run):
        await server.played()
        await server.send(frame(0, packet(1, ssrc=1)) + frame(2, packet(1, ssrc=2)))
        await server.send(frame(1, bye(1)) + frame(3, bye(99)))
        await server.until(lambda: len(server.packets) >= 2)  # the next reports: it lives on
        await server.send(frame(2, packet(2, ssrc=2)))
        await watcher.until(lambda: watcher.numbers(1) == [1, 2])
    assert watcher.downs == []


async def test_the_same_failure_is_not_logged_again_and_another_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watcher = Watcher()
    server = ScriptedServer(DESCRIBE=lambda one: one.reply("404 Not Found"))
    async with serving(server):
        pulled = source(server.url, watcher)
        async with running(pulled.run):
            await server.until(lambda: len(server.asked("DESCRIBE")) == 3)
            server.answers["DESCRIBE"] = lambda one: one.reply("503 Service Unavailable")
            await watcher.until(lambda: len(watcher.downs) == 2)
    assert len(lines(caplog)) == 2
    assert watcher.downs[1] == pulled.last_error


def test_what_is_no_rtsp_url_is_refused() -> None:
    with pytest.raises(ValueError, match="rtsp://"):
        Source(SourceSettings(url="http://h/"), Watcher(), channel="cam")


def test_settings_do_not_show_their_secrets() -> None:
    settings = SourceSettings(url=with_secret("rtsp://h/"), username="ali", password=SECRET)
    assert SECRET not in repr(settings)
