"""The commands beside `run`: what they say of daemons that run, and a player that is started."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from tests.support.daemons import STRICT, ServerProxy
from tests.support.fleet import CHANNEL, Fleet
from tests.support.installed import skip_unless_installed
from tests.support.processes import BenchError, Process, wait_until
from tests.support.sources import ROOT

pytestmark = pytest.mark.e2e

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
PATIENCE = 60.0
PARENT, TIME = r"(?:server|n\d)", r"[\d.]+ m?s"


def said(*argv: str, code: int = 0) -> str:
    """Return what a command prints, where nobody watches."""
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


class Terminal:
    """A command on a terminal of its own, until Ctrl-C."""

    def __init__(self, *argv: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", *argv],
            env={**os.environ, **ENVIRONMENT, "TERM": "xterm", "LINES": "24"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def wait_for(self, pattern: str, times: int) -> None:
        """Wait until the output has a pattern so often."""
        end = time.monotonic() + PATIENCE
        while len(re.findall(pattern, self.text)) < times:
            if time.monotonic() > end:
                raise BenchError(f"no {times} {pattern!r} in {self.text}")
            if select.select([self._ours], [], [], 1.0)[0]:
                self.text += self._read().decode("utf-8", "replace")

    def _read(self) -> bytes:
        try:
            return os.read(self._ours, 65_536)
        except OSError:  # EIO: nobody has the terminal any more
            code = self._process.wait(PATIENCE)
            os.close(self._ours)
            raise BenchError(f"it has ended with exit code {code}: {self.text}") from None

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(PATIENCE)
        finally:
            os.close(self._ours)


class Watching(Process):
    """`clientproxy watch` on free ports."""

    def __init__(self, folder: Path, url: str, name: str, *arguments: str) -> None:
        argv = [sys.executable, "-m", "clientproxy", "watch", url, *arguments]
        for flag in ("--listen", "--rtsp", "--http"):
            argv += [flag, "127.0.0.1:0"]
        super().__init__(argv, folder / f"{name}.log", {**STRICT, **ENVIRONMENT})


def watched(server: ServerProxy) -> bool:
    """Say whether any node reports a player."""
    (channel,) = msgspec.convert(server.api()["channels"], list[dict[str, object]])
    return channel["players"] != 0


def test_watch_plays_in_a_real_player_and_ends_with_it(tmp_path: Path) -> None:
    skip_unless_installed("ffmpeg")
    server = ServerProxy(tmp_path, {CHANNEL: "testcard:"})
    server.wait_ready()
    url = f"rtsp://{server.overlay}/{CHANNEL}"
    ffmpeg = "ffmpeg -nostdin -loglevel error -rtsp_transport tcp -i {url}"
    short = Watching(tmp_path, url, "short", "--player", f"{ffmpeg} -t 1 -c copy -f null -")
    endless = f"sh -c 'echo player $$; exec {ffmpeg} -f null -'"
    long = Watching(tmp_path, url, "long", "--player", endless)
    none = Watching(tmp_path, f"rtsp://{server.overlay}/nope", "none", "--player", "none")

    assert none.wait(PATIENCE) == 1
    assert f"there is no channel 'nope'; there are: {CHANNEL}" in none.tail()
    assert short.wait(PATIENCE) == 0, short.tail()
    played = r"first picture after .*\nrtsp://127\.0\.0\.1:\d+/cam\nstarting ffmpeg"
    assert re.search(played, short.tail())
    player = int(long.expect(r"^player (\d+)", PATIENCE)[1])
    wait_until(lambda: watched(server), PATIENCE, "a player is reported")
    os.kill(long.pid, signal.SIGINT)  # to that process alone
    assert long.wait(PATIENCE) == 0, long.tail()
    with pytest.raises(ProcessLookupError):
        os.kill(player, 0)
    server.stop()


def test_a_command_that_dies_on_its_terminal_is_told() -> None:
    died = Terminal("serverproxy", "frobnicate")
    with pytest.raises(BenchError, match=r"exit code 2: .*'frobnicate' is not a command"):
        died.wait_for("never", 1)


def test_status_of_both_daemons(tmp_path: Path) -> None:
    with Fleet(tmp_path, "testcard:", 2) as fleet:
        fleet.settle()
        client = fleet.clients[0]
        at, node = fleet.server.http, fleet.node(client).partition("-")[0]
        live = Terminal("serverproxy", "status", "--http", at)
        live.wait_for(rf"\n{node} ", times=2)
        assert live.interrupt() == 0
        table = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", live.text)
        rate = r"[\d.]+ [kM]bit/s"
        assert re.search(rf"^{CHANNEL} +up \d+ \w+ +H264\+\w+ +{rate} +2 +0 ", table, re.MULTILINE)
        row = rf"^{node} +127\.0\.0\.1:\d+ +{PARENT} +{PARENT} +{TIME} "
        assert re.search(row, table, re.MULTILINE)

        own = said("clientproxy", "status", "--http", client.http)
        assert re.search(rf"^{CHANNEL}: [A-Z].*\.$", own, re.MULTILINE)
        assert re.search(rf"^ +1  {PARENT} 127\.0\.0\.1:\d+ +{TIME} +{TIME} ", own, re.MULTILINE)
        everything = json.loads(said("serverproxy", "status", "--json", "--http", at))
        assert set(everything["channels"][0]["nodes"]) == set(fleet.by_node())
