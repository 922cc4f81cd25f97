"""The commands of docs/players.md, run without a screen."""

import asyncio
import os
import re
import shlex
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import pytest

from clientproxy.commandline import main
from clientproxy.config import check
from clientproxy.net.rtsp_server import RtspServer
from common.ids import Address
from common.rtsp.auth import Access
from tests.integration.players.conftest import Stage
from tests.support import rtsp_clip
from tests.support.installed import skip_unless_installed
from tests.support.live import Live
from tests.support.processes import Process, wait_until

pytestmark = pytest.mark.e2e

DOC = Path(__file__).parents[3] / "docs" / "players.md"
PASSWORD = "PASSWORD"
SECONDS = 40
PICTURES = 20
HEADLESS = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
PLAYERS = ("ffplay", "ffmpeg", "mpv", "gst-launch-1.0", "vlc")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", DOC.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found


def commands(*programs: str) -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.split()[0] in programs]


def test_every_command_is_one_that_is_tried() -> None:
    assert sum(len(block.splitlines()) for block in blocks("sh")) == len(
        commands(*PLAYERS, "clientproxy")
    )
    assert {line.split()[0] for line in commands(*PLAYERS)} == set(PLAYERS)


@pytest.mark.parametrize("line", commands("clientproxy"))
@pytest.mark.usefixtures("capsys")
def test_the_client_proxy_takes_these_arguments(line: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(line)[1:], "--help"])
    assert ended.value.code == 0


def test_the_configuration_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYER_PASSWORD", PASSWORD)
    (text,) = blocks("yaml")
    file = tmp_path / "clientproxy.yaml"
    file.write_text(text)
    assert check(file).access == Access("viewer", PASSWORD)


@cache
def clip() -> rtsp_clip.Clip:
    pytest.importorskip("av")
    return rtsp_clip.make_clip(SECONDS)


@pytest.fixture
async def addresses(stage: Stage) -> AsyncIterator[dict[str, str]]:
    """Serve a clip at what the document writes: this machine, IPv6, and behind a password."""
    stage.feed.sdp = (await asyncio.to_thread(clip)).sdp
    locked = RtspServer(stage.channels, stage.tasks, access=lambda: Access("viewer", PASSWORD))
    found = {
        "localhost:8554": stage.address,
        "[::1]:8554": await stage.server.start(Address("::1", 0)),
        "192.0.2.7:8554": await locked.start(Address("127.0.0.1", 0)),
    }
    stage.tasks.spawn(Live(stage.feed).play(clip().packets, SECONDS), name="stream")
    yield {written: str(address) for written, address in found.items()}
    await locked.close()


def headless(line: str, addresses: dict[str, str], folder: Path) -> list[str]:
    """Return a command that counts pictures instead of showing them."""
    for written, real in addresses.items():
        line = line.replace(written, real)
    port = addresses["localhost:8554"].rpartition(":")[2]
    program, *arguments = shlex.split(line.replace("http-port=8554", f"http-port={port}"))
    match program:
        case "ffplay":
            return [program, "-loglevel", "level+info", "-vf", "showinfo=checksum=0", *arguments]
        case "ffmpeg":
            return [program, "-nostdin", *arguments[:-1], str(folder / arguments[-1])]
        case "mpv":
            quiet = ["--no-config", "--vo=null", "--ao=null", "--input-terminal=no"]
            return [program, *quiet, "--msg-level=all=v", "--vf=lavfi=[showinfo]", *arguments]
        case "gst-launch-1.0":
            sink = "fakesink silent=false sync=true"
            if arguments[0] == "playbin":
                return [program, "-v", *arguments, f"video-sink={sink}", "audio-sink=fakesink"]
            return [program, "-v", *arguments[:-1], *sink.split()]
        case _:
            return [program, *arguments]


class Counted(Process):
    """A player that says a line for each picture."""

    pictures = 0

    def on_line(self, line: str, at: float) -> None:
        self.pictures += "pts_time:" in line or "chain   ******" in line


@pytest.mark.parametrize("line", commands("ffplay", "mpv", "gst-launch-1.0"))
async def test_a_player_shows_pictures(
    line: str, addresses: dict[str, str], tmp_path: Path
) -> None:
    program = line.split(maxsplit=1)[0]
    skip_unless_installed("gst" if program.startswith("gst") else program)
    player = Counted(headless(line, addresses, tmp_path), tmp_path / "player.log", HEADLESS)
    try:
        await asyncio.to_thread(
            wait_until, lambda: player.pictures >= PICTURES, 30.0, f"pictures: {player.argv}"
        )
    finally:
        await asyncio.to_thread(player.kill)


@pytest.mark.parametrize("line", commands("ffmpeg"))
async def test_ffmpeg_records(line: str, addresses: dict[str, str], tmp_path: Path) -> None:
    skip_unless_installed("ffmpeg")
    player = Process(headless(line, addresses, tmp_path), tmp_path / "ffmpeg.log")
    assert await asyncio.to_thread(player.wait, 40.0) == 0, player.tail()
    assert len(await asyncio.to_thread((tmp_path / "cam.mkv").read_bytes)) > 50_000


def has_live555() -> bool:
    return any(Path("/usr/lib").glob("*/vlc/plugins/access/liblive555_plugin.so"))


@pytest.mark.parametrize("line", commands("vlc"))
async def test_vlc_shows_pictures(line: str, addresses: dict[str, str], tmp_path: Path) -> None:
    """Only where it has live555: the package of Debian has not, as the document says."""
    skip_unless_installed("cvlc")
    if not has_live555() or os.geteuid() == 0:
        pytest.skip("this VLC has no RTSP, or may not run as root")
    argv = headless(line, addresses, tmp_path)
    argv = ["cvlc", "-vv", "--vout=dummy", "--aout=dummy", "--play-and-exit", *argv[1:]]
    player = Process(argv, tmp_path / "vlc.log")
    try:
        await asyncio.to_thread(player.expect, "Received first picture", 30.0)
    finally:
        await asyncio.to_thread(player.kill)
