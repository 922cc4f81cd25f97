"""The doctor's examination, beside a server proxy and beside what is none, in one process."""

import asyncio
import errno
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from clientproxy.config import ClientConfig
from clientproxy.core.diagnosis.diagnose import diagnose
from clientproxy.core.diagnosis.measured import Measured, State
from clientproxy.net.doctor import examination, ports, progress, reach, visit
from clientproxy.net.doctor.examination import examine
from clientproxy.net.doctor.progress import Progress
from common.codec import encode_message
from common.ids import Address
from common.messages import VERSION, Refused
from common.runtime.tasks import Tasks
from serverproxy.net import dialback
from tests.integration.overlay.conftest import Join
from tests.integration.overlay.test_late_dialback import slow
from tests.support.overlay import until
from tests.support.ports import free_port
from tests.support.synthetic import Viewer, synthetic


async def examined(
    server: Address, channel: str | None = None, *, seconds: float = 0.6, **settings: object
) -> Measured:
    """Examine with ports that nobody has."""
    any_ports = dict.fromkeys(("listen", "rtsp", "http"), "127.0.0.1:0")
    keys = {"server": str(server), **any_ports, **settings}
    config = ClientConfig.model_validate(keys)
    return await examine(config, channel, seconds, Progress())


@asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[Address]:
    """Send these bytes to whoever connects, then close."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield Address(*server.sockets[0].getsockname())


# --- a visit


async def test_a_visit_measures_the_stream_and_leaves_everything_as_it_was(
    join: Join, seconds: Callable[[float], float]
) -> None:
    async with synthetic() as server:
        server.up()
        play = server.play()
        watched: list[Viewer] = []
        await join(server, watch=watched)
        await join(server, watch=watched)
        measured = await examined(server.address)
        sample = measured.sample
        assert sample is not None
        assert measured.server.channels == ("cam",)
        assert sample.offered
        assert sample.reached == (f"127.0.0.1:{sample.tested_port}",)
        assert [track.codec for track in sample.tracks] == ["H264"]
        assert sample.lost == 0
        assert all(parent.node is not None and parent.received for parent in sample.parents)
        assert sample.first_packet is not None
        assert len(measured.round_trips) >= 2
        assert measured.clock is not None
        assert abs(measured.clock.offset) < seconds(0.5)
        assert diagnose(measured).exit_code == 0
        await until(lambda: server.channel.nodes == 2, seconds(10), "it has left")
        count = [len(one.numbers) for one in watched]
        more = lambda: all(  # noqa: E731
            len(one.numbers) > before + 50 for one, before in zip(watched, count, strict=True)
        )
        await until(more, seconds(20), "the others are fed")
        play.cancel()
        assert all(one.exact for one in watched)


async def test_the_visitor_takes_no_children(join: Join, seconds: Callable[[float], float]) -> None:
    """Nobody shall depend on a node that is about to leave."""
    async with synthetic() as server:
        server.up()
        play = server.play()
        task = server.tasks.spawn(examined(server.address, seconds=1.5), name="doctor")
        await until(lambda: server.channel.nodes == 1, seconds(10), "the doctor is there")
        (doctor,) = server.channel.control.membership.members
        assert server.channel.control.membership.trees.slots(doctor) == 0
        await join(server)
        await task
        play.cancel()


async def test_in_a_full_channel_it_takes_nobodys_place(join: Join) -> None:
    """With slots it took a leaf's, and fed that leaf until it left."""
    async with synthetic(repair_slots=0) as server:
        server.up()
        play = server.play()
        await join(server)
        await join(server, max_children=0)
        measured = await examined(server.address)
        play.cancel()
        diagnosis = diagnose(measured)
        assert (server.channel.joins["ok"], server.channel.joins["full"]) == (2, 1)
        assert measured.sample is not None
        assert not measured.sample.offered
        assert measured.sample.reached == (f"127.0.0.1:{measured.sample.tested_port}",)
        assert diagnosis.exit_code == 0
        said = {one.topic: one.what for one in diagnosis.findings}
        assert said["stream"] == "Channel cam has no free slot, so the stream was not looked at."
        assert "reaches this machine" in said["reachable"]
        assert "upload" not in said


async def test_it_waits_for_a_dial_back_that_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialback, "dial_back", slow(1.5))
    async with synthetic() as server:
        server.up()
        play = server.play()
        measured = await examined(server.address)
        play.cancel()
        assert measured.sample is not None
        assert measured.sample.reached


async def test_who_is_never_reached_is_waited_for_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialback, "dial_back", slow(60.0))
    monkeypatch.setattr(visit, "DIALLED_FOR", 1.0)
    async with synthetic() as server:
        server.up()
        play = server.play()
        measured = await examined(server.address)
        play.cancel()
        assert diagnose(measured).level == "warning"
        assert "You pass nothing on" in [one.what[:19] for one in diagnose(measured).findings]


async def test_a_source_that_is_down_ends_the_visit_early() -> None:
    async with synthetic() as server:
        measured = await examined(server.address, seconds=10.0)
        assert diagnose(measured).verdict.startswith("The source of channel cam is down: not conn")
        assert len(measured.round_trips) >= 2


async def test_every_wait_ends_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "ALL_WITHIN", 0.0)
    async with synthetic() as server:
        server.up()
        async with asyncio.timeout(visit.PLACE_WITHIN):
            measured = await examined(server.address, seconds=10.0)
        assert measured.sample is not None
        assert not measured.sample.offered


def test_all_waits_together_are_the_twenty_seconds_that_are_promised() -> None:
    leaving = 2.0
    assert examination.ALL_WITHIN + leaving <= 20.0
    before = reach.LOOK_UP_WITHIN + reach.CONNECT_WITHIN + 2 * reach.ANSWER_WITHIN
    tried = ports.AGAIN_AFTER + ports.ASK_WITHIN
    assert before + tried + visit.PLACE_WITHIN <= examination.ALL_WITHIN


async def test_a_port_whose_name_nobody_looks_up_is_waited_for_only_so_long(
    monkeypatch: pytest.MonkeyPatch, seconds: Callable[[float], float]
) -> None:
    monkeypatch.setattr(reach, "LOOK_UP_WITHIN", 0.2)
    over, known = threading.Event(), reach._numbers  # noqa: SLF001

    def silent(address: Address) -> list[str] | str:
        if address.host == "silent.example":
            over.wait(60)
        return known(address)

    monkeypatch.setattr(reach, "_numbers", silent)
    try:
        async with synthetic() as server:
            async with asyncio.timeout(seconds(20)):
                measured = await examined(server.address, listen="silent.example:7855")
    finally:
        over.set()
    (port,) = (one for one in measured.ports if one.key == "listen")
    assert port.state == "impossible"
    assert "no name server answers" in port.why
    assert measured.sample is not None
    assert measured.sample.offered


async def test_what_this_machine_itself_refuses_is_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def prohibited(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", prohibited)
    found = await reach.reach(Address("192.0.2.1", 7854))
    (attempt,) = found.attempts
    assert (attempt.outcome, attempt.why) == ("unreachable", "Permission denied")


async def test_a_port_that_is_taken_is_told_and_another_one_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        async with synthetic() as server:
            server.up()
            play = server.play()
            measured = await examined(server.address, listen=taken)
            play.cancel()
    (port,) = (one for one in measured.ports if one.key == "listen")
    assert (port.state, port.address) == ("taken", taken)
    assert measured.sample is not None
    assert measured.sample.tested_port != port.port
    assert f"`listen`: {taken}" in diagnose(measured).verdict


async def test_a_port_that_another_doctor_has_is_no_problem() -> None:
    listen = f"127.0.0.1:{free_port()}"
    async with synthetic() as server:
        server.up()
        play = server.play()
        longer = examined(server.address, seconds=15.0, listen=listen)
        first = server.tasks.spawn(longer, name="first")
        await until(lambda: server.channel.nodes == 1, 20, "the first doctor is there")
        measured = await examined(server.address, listen=listen)
        first.cancel()
        play.cancel()
    levels = {one.key: one.state for one in measured.ports}
    assert levels == {"listen": "another client proxy", "rtsp": "free", "http": "free"}
    assert diagnose(measured).exit_code == 0


async def test_a_port_that_another_doctor_only_tries_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[int] = []
    known = ports._state  # noqa: SLF001

    async def state(hosts: ports.Hosts, port: int) -> tuple[State, str]:
        tries.append(port)
        return ("taken", "") if len(tries) == 1 else await known(hosts, port)

    monkeypatch.setattr(ports, "_state", state)
    async with answering(b"") as nobody:
        measured = await examined(nobody)
    assert {one.state for one in measured.ports} == {"free"}


async def test_a_port_that_cannot_be_opened_says_why() -> None:
    async with answering(b"") as nobody:
        measured = await examined(nobody, rtsp="192.0.2.1:8554")
    (port,) = (one for one in measured.ports if one.key == "rtsp")
    assert (port.state, port.why) == ("impossible", "Cannot assign requested address")


# --- who answers


REFUSED = Refused(reason="version", sentence="I speak version 9 of the overlay protocol")


@pytest.mark.parametrize(
    ("data", "answer", "said"),
    [
        (
            b"HTTP/1.0 400 Bad Request\r\nServer: x\r\n",
            "something else",
            "HTTP/1.0 400 Bad Request",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "something else", "SSH-2.0-OpenSSH_9.2"),
        (b"\x1b[31m\x00" * 50, "something else", "\\x1b[31m\\x00"),
        (b"00005\nhello", "something else", "00005"),
        (b"00099\nhello", "something else", "00099"),
        (b"", "nothing", ""),
        (encode_message(REFUSED), "another version", "version 9"),
    ],
)
async def test_what_answers_is_told_apart(data: bytes, answer: str, said: str) -> None:
    async with answering(data) as address:
        found = await reach.reach(address)
    assert found.answer == answer
    assert said in found.said
    assert len(found.said) <= reach.MAX_SAID
    assert found.said.isprintable()


async def test_a_server_proxy_that_names_its_channels_in_other_words_is_still_one() -> None:
    other = Refused(reason="unknown_channel", sentence="no such thing")
    async with answering(encode_message(other)) as address:
        found = await reach.reach(address)
    assert (found.answer, found.channels) == ("server proxy", None)


async def test_a_server_cannot_steer_the_terminal_of_who_asks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "PLACE_WITHIN", 0.2)
    evil = "there is no channel '?'; there are: \x1b]0;owned\x07cam, b\nverdict: all is well, door"
    refused = Refused(reason="unknown_channel", sentence=evil)
    async with answering(encode_message(refused)) as address:
        measured = await examined(address)
        assert measured.server.channels == ("door",)
        Progress().say("asking for a place in channel cam\x1b[2J")
    err = capsys.readouterr().err
    assert "channel door …" in err
    assert "channel cam\\x1b[2J …" in err
    assert all(line.isprintable() for line in err.split("\n"))


async def test_what_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "ANSWER_WITHIN", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = await reach.reach(Address("127.0.0.1", silent.getsockname()[1]))
    assert found.answer == "nothing"


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = await reach.reach(Address("nobody.invalid", 7854))
    assert found.unknown_name == "Name or service not known"
    assert found.attempts == ()


async def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(encode_message(REFUSED)) as address:
        numbers = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", address.port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", address.port)),
        ]
        monkeypatch.setattr(reach, "_numbers", lambda _: [reach._host(n[0], n[4]) for n in numbers])  # noqa: SLF001
        found = await reach.reach(Address("two.example", address.port))
    assert [(one.family, one.outcome) for one in found.attempts][1] == ("IPv4", "connected")
    assert found.attempts[0].outcome in {"refused", "unreachable"}
    assert found.answer == "another version"
    assert VERSION != 9


# --- progress


async def test_what_takes_long_is_said_again(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    seconds: Callable[[float], float],
) -> None:
    monkeypatch.setattr(progress, "SILENT_FOR", 0.2)
    said: list[str] = []
    shown = Progress()
    shown.say("waiting")
    tasks = Tasks()
    tasks.spawn(shown.run(), name="progress")

    def again() -> bool:
        said.extend(capsys.readouterr().err.splitlines())
        return len(said) >= 3

    await until(again, seconds(10), "it is said again")
    await tasks.close()
    assert said[0] == "waiting …"
    assert re.fullmatch(r"waiting … \d+ s", said[1])
