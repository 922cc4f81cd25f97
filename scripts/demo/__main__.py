"""Show the main job of Stripecast on one machine: a server proxy, four client proxies, a table.

    make demo [SOURCE=rtsp://…] [DEMO_SECONDS=N]

Exit codes: 0 ended as asked, 1 a daemon died or the source never came, 2 bad arguments.
"""

import argparse
import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from common.runtime.daemon import BAD_CONFIG, ENDED, FAILED, end_quietly
from common.runtime.log import redact
from common.runtime.table import Line, wrapped
from scripts.demo import view
from scripts.demo.daemons import ANY_PORT, Daemon, DemoError
from scripts.demo.terminal import Screen, in_front

CHANNEL = "demo"
CLIENTS = 4
FIRST_RTSP_PORT = 8554
REFRESH_TERMINAL = 1.0
REFRESH_PLAIN = 3.0
START_WITHIN = 60.0
"""Seconds that daemons may take until they listen, on the slowest machine."""
STILL_STARTING = 5.0
LOOK_INTERVAL = 0.1
PLAYERS = (
    "ffplay -rtsp_transport tcp {}",
    "mpv {}",
    "vlc {}   (Debian's and Ubuntu's own VLC has no RTSP: see README.md)",
    "gst-launch-1.0 playbin uri={}",
)


class Demo:
    """All processes, and the screen."""

    def __init__(self, source: str, logs: Path, screen: Screen) -> None:
        """Prepare; `run` starts the daemons."""
        self._source, self._logs = source, logs
        self._daemons: list[Daemon] = []
        self._screen = screen
        self._asked = self._ending = False
        self._source_line = ""

    async def run(self, seconds: float | None) -> None:
        """Show it until a signal comes or for `seconds`; raise DemoError where it fails."""
        self._take_signals()
        try:
            server, clients = await self._begin()
            async with asyncio.timeout(seconds):
                await self._show(server, clients)
        except TimeoutError:
            if not self._source_line.startswith(view.SOURCE_IS_UP):
                raise DemoError(self._source_line) from None
        except asyncio.CancelledError:
            if not self._asked:
                raise
        finally:
            self._ending = True
            await self._end()
        for daemon in self._daemons:
            daemon.check(ended_well=True)

    def _take_signals(self) -> None:
        loop, main = asyncio.get_running_loop(), asyncio.current_task()

        def end(number: signal.Signals) -> None:
            if self._asked:
                for daemon in self._daemons:
                    daemon.signal(signal.SIGKILL)
                os._exit(128 + number)
            self._asked = True
            if main is not None and not self._ending:
                main.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, end, number)

    async def _begin(self) -> tuple[Daemon, Sequence[Daemon]]:
        """Start the server proxy and the client proxies; say where they are."""
        self._screen.say("starting the server proxy")
        server = self._start("serverproxy", "--channel", f"{CHANNEL}={self._source}")
        await self._listening([server])
        self._screen.say(f"starting {CLIENTS} client proxies")
        clients = [
            self._start(
                "clientproxy", server.overlay, "--join", CHANNEL, "--rtsp", rtsp, number=number
            )
            for number, rtsp in enumerate(rtsp_addresses(), start=1)
        ]
        await self._listening(clients)
        self._screen.say(*how_to_watch([url(client) for client in clients]), "")
        self._screen.say(f"status as JSON: http://{server.http}/api/v1/channels/{CHANNEL}")
        self._screen.say(f"metrics:        http://{clients[0].http}/metrics", "")
        return server, clients

    async def _show(self, server: Daemon, clients: Sequence[Daemon]) -> None:
        """Refresh the table for ever; raise DemoError when a daemon has ended."""
        async with aiohttp.ClientSession() as web:
            while True:
                await self._draw(web, server, clients)
                await asyncio.sleep(REFRESH_TERMINAL if self._screen.is_terminal else REFRESH_PLAIN)
                for daemon in self._daemons:
                    daemon.check()

    def _start(self, program: str, *args: str, number: int | None = None) -> Daemon:
        name = program if number is None else f"{program} {number}"
        daemon = Daemon(name, program, args, self._logs)
        self._daemons.append(daemon)
        return daemon

    async def _listening(self, daemons: Sequence[Daemon]) -> None:
        began = told = time.monotonic()
        while waiting := [daemon for daemon in daemons if not daemon.listens()]:
            names = ", ".join(daemon.name for daemon in waiting)
            for daemon in waiting:
                if daemon.exit_code == BAD_CONFIG and daemon.name == "serverproxy":
                    fault = " ".join(daemon.last_lines()).partition(f"--channel {CHANNEL}: ")[2]
                    raise DemoError(f"SOURCE {fault}", BAD_CONFIG)
                daemon.check()
            now = time.monotonic()
            if now - began > START_WITHIN:
                raise DemoError(f"no port after {START_WITHIN:g} s: {names}")
            if now - told > STILL_STARTING:
                told = now
                self._screen.say(f"still starting: {names}")
            await asyncio.sleep(LOOK_INTERVAL)

    async def _draw(
        self, web: aiohttp.ClientSession, server: Daemon, clients: Sequence[Daemon]
    ) -> None:
        channel, answers = await asyncio.gather(
            server.get(web, f"/api/v1/channels/{CHANNEL}", view.Channel),
            asyncio.gather(*(one.get(web, "/api/v1/status", view.Client) for one in clients)),
        )
        ports = [":" + client.rtsp.rpartition(":")[2] for client in clients]
        width = self._screen.size[0] - 1
        self._source_line = view.source_line(redact(self._source), channel)
        rows = view.rows(dict(zip(ports, answers, strict=True)), width)
        trees = ["", *view.trees(channel)] if channel else []
        self._screen.show([*wrapped(self._source_line, width), *map(Line, [*rows, *trees])])

    async def _end(self) -> None:
        # Client proxies first: they take leave of a server proxy that is still there.
        for group in (self._daemons[1:], self._daemons[:1]):
            await asyncio.gather(*(daemon.end() for daemon in group))


def rtsp_addresses() -> list[str]:
    """Return where players come to: the usual ports if all are free, else any."""
    ports = range(FIRST_RTSP_PORT, FIRST_RTSP_PORT + CLIENTS)
    if not all(map(_free, ports)):
        return [ANY_PORT] * CLIENTS
    return [f"127.0.0.1:{port}" for port in ports]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def url(client: Daemon) -> str:
    """Return what players open at this client proxy."""
    return f"rtsp://{client.rtsp}/{CHANNEL}"


def how_to_watch(urls: Sequence[str]) -> list[str]:
    """Return a command per player, each at another client proxy."""
    commands = [player.format(at) for player, at in zip(PLAYERS, urls, strict=True)]
    return ["", "watch it, in any player, at any of the four:", *(f"  {one}" for one in commands)]


def seconds(text: str) -> float | None:
    """Read a length of time; empty: no end."""
    if text and not 0 < float(text) < 1e9:  # noqa: PLR2004 - rules out nan and infinity
        raise ValueError(text)
    return float(text) if text else None


def main() -> int:
    """Run the demo; return its exit code."""
    end_quietly()
    parser = argparse.ArgumentParser(prog="make demo", description=(__doc__ or "").split("\n")[0])
    source, end = os.environ.get("DEMO_SOURCE") or "testcard:", os.environ.get("DEMO_SECONDS", "")
    parser.add_argument("--source", default=source, help="rtsp://, rtsps:// or testcard:")
    parser.add_argument("--seconds", type=seconds, default=end, help="end by itself after so long")
    args = parser.parse_args()
    logs, screen = Path(tempfile.mkdtemp(prefix="stripecast-demo-")), Screen()
    code = ENDED
    try:
        screen.say(f"Stripecast: one source, two trees, {CLIENTS} client proxies; Ctrl-C ends it")
        screen.say(f"logs: {logs}")
        with in_front():
            asyncio.run(Demo(args.source, logs, screen).run(args.seconds))
        screen.say("ended; no process is left")
    except DemoError as error:
        screen.say(f"demo: {error}")
        code = error.code
    except BrokenPipeError:
        # Whoever read the output has gone; Python must not write the rest at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if code == FAILED:
        screen.say(f"the logs are in {logs}")
    else:
        shutil.rmtree(logs)
    return code


if __name__ == "__main__":
    sys.exit(main())
