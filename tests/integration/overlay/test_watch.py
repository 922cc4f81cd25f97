"""`clientproxy watch` in this process, on a server proxy that the test feeds."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from clientproxy.commands.watch import Watch
from clientproxy.config import ClientConfig
from common.ids import Address
from common.runtime.daemon import PortError, Stop
from tests.support.overlay import until
from tests.support.synthetic import SyntheticServer, synthetic

PORTS = ("listen", "rtsp", "http")
ASKS = """
import socket, sys
from urllib.parse import urlsplit
url = urlsplit(sys.argv[1])
with socket.create_connection((url.hostname, url.port), 10) as link:
    link.sendall(f"DESCRIBE {sys.argv[1]} RTSP/1.0\\r\\nCSeq: 1\\r\\n\\r\\n".encode())
    sys.exit(7 if link.recv(65536).startswith(b"RTSP/1.0 200 ") else 8)
"""
"""A player that ends with 7 where it is described what it opens."""
STAYS = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""
"""A player that heeds nobody."""

Output = pytest.CaptureFixture[str]


def configured(server: Address, **settings: object) -> ClientConfig:
    ports = dict.fromkeys(PORTS, "127.0.0.1:0")
    return ClientConfig.model_validate(
        {"server": str(server), "join": ("cam",), **ports, **settings}
    )


def player(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", script, *(arguments or ("{url}",))]


@pytest.fixture
def taken() -> Iterator[dict[str, str]]:
    """Ports that somebody else has."""
    with ExitStack() as stack:
        found = {}
        for key in PORTS:
            sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            found[key] = f"127.0.0.1:{sock.getsockname()[1]}"
        yield found


async def ended(watch: Watch, stop: Stop, within: float) -> int:
    async with asyncio.timeout(within):
        return await watch.run(stop)


def playing(server: SyntheticServer) -> None:
    server.up()
    server.play()


async def test_it_says_its_steps_takes_free_ports_and_ends_with_the_player(
    taken: dict[str, str], capsys: Output, seconds: Callable[[float], float]
) -> None:
    async with synthetic() as server:
        playing(server)
        watch = Watch(configured(server.address, **taken), "cam", player(ASKS), set())
        assert await ended(watch, Stop(), seconds(20)) == 7
        out, err = capsys.readouterr()
        (url,) = out.splitlines()
        assert url.startswith("rtsp://127.0.0.1:")
        assert url.endswith("/cam")
        assert taken["rtsp"] not in url
        lines = err.splitlines()
        where = server.address
        assert lines[0] == f"reaching server proxy {where} for channel cam"
        assert lines[1].startswith("joined as n")
        begins = [line.split(" (")[0] for line in sorted(lines[2:4])]
        assert begins == [f"stripe {n} from the server proxy, {where}" for n in (0, 1)]
        assert lines[4].startswith("first picture after ")
        assert lines[5] == f"starting {Path(sys.executable).name}"


async def test_a_port_that_was_asked_for_is_not_replaced(
    taken: dict[str, str], seconds: Callable[[float], float]
) -> None:
    async with synthetic() as server:
        watch = Watch(configured(server.address, **taken), "cam", [], {"rtsp"})
        with pytest.raises(PortError, match=taken["rtsp"]):
            await ended(watch, Stop(), seconds(20))


async def test_ctrl_c_ends_the_player_too_however_it_behaves(
    tmp_path: Path, seconds: Callable[[float], float]
) -> None:
    file, stop = tmp_path / "pid", Stop()
    async with synthetic() as server:
        playing(server)
        watch = Watch(configured(server.address), "cam", player(STAYS, str(file)), set())
        running = server.tasks.spawn(watch.run(stop), name="watch")
        await until(lambda: file.exists() and bool(file.read_text()), seconds(20), "it plays")
        stop.set()
        async with asyncio.timeout(seconds(10)):
            assert await running == 0
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)


async def test_a_terminal_that_is_closed_ends_it(
    seconds: Callable[[float], float], capsys: Output
) -> None:
    stop, out = Stop(), ""

    def played() -> bool:
        nonlocal out
        out += capsys.readouterr().out
        return out.endswith("/cam\n")

    async with synthetic() as server:
        playing(server)
        watch = Watch(configured(server.address), "cam", [], set())
        running = server.tasks.spawn(watch.run(stop), name="watch")
        await until(played, seconds(20), "the URL is printed")
        stop.reload()
        async with asyncio.timeout(seconds(10)):
            assert await running == 0


async def test_a_player_that_a_signal_ends_counts_as_shells_count(
    seconds: Callable[[float], float], capsys: Output
) -> None:
    async with synthetic() as server:
        playing(server)
        command = player("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        watch = Watch(configured(server.address), "cam", command, set())
        assert await ended(watch, Stop(), seconds(20)) == 128 + signal.SIGKILL
        assert "has ended with exit code 137" in capsys.readouterr().err


async def test_a_player_that_cannot_be_executed_is_said_once(
    tmp_path: Path, seconds: Callable[[float], float], capsys: Output
) -> None:
    script = tmp_path / "player"
    script.write_text("#!/nonexist\n")
    script.chmod(0o755)
    async with synthetic() as server:
        playing(server)
        watch = Watch(configured(server.address), "cam", [str(script), "{url}"], set())
        assert await ended(watch, Stop(), seconds(20)) == 1
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "starting player",
        "player cannot be started: No such file or directory; --player takes another command",
    ]


async def test_an_unknown_channel_ends_it_with_those_that_exist(
    seconds: Callable[[float], float], capsys: Output
) -> None:
    async with synthetic() as server:
        server.rename("cam", "roof")
        watch = Watch(configured(server.address), "cam", player(ASKS), set())
        assert await ended(watch, Stop(), seconds(20)) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines()[1:] == [
            f"server proxy {server.address} refused channel cam: there is no channel 'cam'; there"
            " are: roof"
        ]


async def test_a_server_proxy_that_is_not_there_is_given_up(
    seconds: Callable[[float], float], capsys: Output
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = Address(*nobody.getsockname())
        watch = Watch(configured(address, join_timeout=0.5), "cam", player(ASKS), set())
        assert await ended(watch, Stop(), seconds(20)) == 1
    err = capsys.readouterr().err
    assert f"server proxy {address} refuses connections: is serverproxy running there" in err
    assert err.endswith("giving up after 0.5 s\n")


async def test_a_source_that_is_down_is_waited_for(
    seconds: Callable[[float], float], capsys: Output
) -> None:
    said = ""

    def says(words: str) -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return words in said

    async with synthetic() as server:
        server.channel.feed.source_down("camera:554 refuses connections")
        watch = Watch(configured(server.address, join_timeout=0.5), "cam", player(ASKS), set())
        running = server.tasks.spawn(watch.run(Stop()), name="watch")
        words = "the source does not play: camera:554 refuses connections (since "
        await until(lambda: says(words), seconds(20), words)
        await until(lambda: says("still waiting for the source ("), seconds(20), "still")
        playing(server)
        async with asyncio.timeout(seconds(20)):
            assert await running == 7
        assert says("the source plays\n")


async def test_credentials_go_to_the_player_and_nowhere_else(
    tmp_path: Path, seconds: Callable[[float], float], capsys: Output
) -> None:
    file = tmp_path / "url"
    script = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    access = {"rtsp_username": "viewer", "rtsp_password": "s3cret"}
    async with synthetic() as server:
        playing(server)
        command = player(script, str(file), "{url}")
        watch = Watch(configured(server.address, **access), "cam", command, set())
        assert await ended(watch, Stop(), seconds(20)) == 0
    assert file.read_text().startswith("rtsp://viewer:s3cret@127.0.0.1:")
    assert "s3cret" not in "".join(capsys.readouterr())
