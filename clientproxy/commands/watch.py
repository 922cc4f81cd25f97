"""`clientproxy watch`: join a channel of a server proxy, and start a player on it."""

import argparse
import asyncio
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from clientproxy.app import ClientProxy
from clientproxy.commands.players import choose, filled, url_of
from clientproxy.commands.progress import Parent, Progress, Sight
from clientproxy.config import ClientConfig, load
from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.node import Node
from clientproxy.net.readiness import TRY_AGAIN
from common.runtime import log, output
from common.runtime.addresses import from_here
from common.runtime.daemon import ENDED, FAILED, PortError, Stop, run_daemon
from common.runtime.output import complain
from common.runtime.tasks import Tasks

LOOK = 0.05
"""Seconds between two looks at the node."""
PLAYER_ENDS_WITHIN = 1.0
"""Seconds from SIGTERM to SIGKILL for the player."""
BRIEF = 3.0
"""Seconds; a player that has failed before that could not play at all."""
_KILLED = 128
"""Exit code of what a signal has ended, less the signal's number, as shells count."""
_GIVES_UP = 404
"""RTSP status of what waiting does not mend: no such channel, or sent away."""


def watch(args: argparse.Namespace) -> int:
    """Do the command; return its exit code: the player's. Raises ConfigError."""
    command = choose(args.player, shutil.which, _plays_rtsp)
    server, channel = args.url
    args.server, args.join = str(server), [channel]
    config = load(args)
    log.configure(args.log_level or "error", config.log_format)
    fixed = {key for key in ("listen", "rtsp", "http") if getattr(args, key) is not None}
    return run_daemon(Watch(config, channel, command, fixed).run)


def _plays_rtsp(program: str) -> bool:
    """Say whether a player can open RTSP: Debian builds VLC without live555."""
    if Path(program).name != "vlc" or not sys.platform.startswith("linux"):
        return True
    here = Path(program).resolve().parents[1]
    return here != Path("/usr") or any(here.glob("lib/**/vlc/plugins/access/liblive555_plugin.so"))


class Watch:
    """One client proxy, and one player on it."""

    def __init__(
        self, config: ClientConfig, channel: str, command: list[str], fixed: set[str]
    ) -> None:
        """Watch a channel of `config.server` with a player's command (`players.choose`).

        The ports of the keys that are `fixed` are taken as they are, or not at all.
        """
        self._config, self._channel, self._command, self._fixed = config, channel, command, fixed
        self._asked = Stop()

    async def run(self, stop: Stop) -> int:
        """Watch until the player ends, or `stop` is set; return the exit code."""
        self._asked = stop
        stop.on_reload(stop.set)  # SIGHUP: the terminal was closed, nobody watches any more
        while True:
            proxy, over, tasks = ClientProxy(self._config), Stop(), Tasks()
            guide = tasks.spawn(self._guide(proxy, over), name="watch")
            try:
                await proxy.run(over)
            except PortError as error:
                self._take_another(error)
            else:
                return await guide
            finally:
                await tasks.close()

    def _take_another(self, error: PortError) -> None:
        """Go on with any free port where the usual one is taken. Raises the error again."""
        address = error.address
        if error.key in self._fixed or not address.port:
            raise error
        changed = {error.key: address._replace(port=0)}
        self._config = self._config.model_copy(update=changed)

    async def _guide(self, proxy: ClientProxy, over: Stop) -> int:
        """Say how it goes, start the player, end the client proxy after it."""
        try:
            code = await self._play(proxy)
        except ChannelUnavailableError as error:
            complain(error.why)
            code = FAILED
        finally:
            over.set()
        # Ctrl-C comes to a player on the same terminal too, whatever it makes of that.
        return ENDED if self._asked.is_set() else code

    async def _play(self, proxy: ClientProxy) -> int:
        loop = asyncio.get_running_loop()
        began = loop.time()
        rtsp, overlay = await proxy.listens("rtsp"), await proxy.listens("overlay")
        progress = Progress(str(self._config.server), self._channel, overlay.port, began)
        patience = self._config.join_timeout
        while not progress.done:
            if self._asked.is_set():
                return ENDED
            self._look(proxy, progress, patient=loop.time() - began < patience)
            await asyncio.sleep(LOOK)
        output.write(f"{url_of(from_here(rtsp), self._channel)}\n")
        if not self._command:
            complain("no player is started: open this URL in any; Ctrl-C ends it")
            await self._follow(proxy, progress, None)
            return ENDED
        url = url_of(from_here(rtsp), self._channel, self._config.access)
        return await self._with_player(proxy, progress, filled(self._command, url))

    async def _with_player(self, proxy: ClientProxy, progress: Progress, argv: list[str]) -> int:
        loop, name = asyncio.get_running_loop(), Path(argv[0]).name
        complain(f"starting {name}")
        began = loop.time()
        try:
            player = await asyncio.create_subprocess_exec(*argv)
        except OSError as error:  # a script without its interpreter, for instance
            complain(f"{name} cannot be started: {error.strerror}; --player takes another command")
            return FAILED
        try:
            await self._follow(proxy, progress, player)
        finally:
            code = await _end(player)
        if code and loop.time() - began < BRIEF and not self._asked.is_set():
            complain(
                f"{name} has ended with exit code {code}: what it said is above; --player takes"
                " another command"
            )
        return code

    async def _follow(
        self, proxy: ClientProxy, progress: Progress, player: asyncio.subprocess.Process | None
    ) -> None:
        """Wait for the end of the player, or for Ctrl-C; say what comes between."""
        while (player is None or player.returncode is None) and not self._asked.is_set():
            self._look(proxy, progress, patient=True)
            await asyncio.sleep(LOOK)

    def _look(self, proxy: ClientProxy, progress: Progress, *, patient: bool) -> None:
        """Say what is new. Raises ChannelUnavailableError where waiting makes no sense."""
        node = proxy.node(self._channel)
        if node is None:
            raise ChannelUnavailableError(_GIVES_UP, "the operator of the server proxy ended it")
        if (error := node.readiness.error) is not None and error.status == _GIVES_UP:
            raise error
        for line in progress.see(_sight(node), asyncio.get_running_loop().time()):
            complain(line)
        later = error is not None and error.status == TRY_AGAIN
        if later and node.stripes is None and not patient:
            why = f"giving up after {self._config.join_timeout:g} s"
            raise ChannelUnavailableError(TRY_AGAIN, why)


def _sight(node: Node) -> Sight:
    if node.stripes is None:
        return Sight(trouble=node.readiness.trouble)
    uplink, offer = node.stripes.uplink, node.stripes.offer
    parents = [uplink.search.parent(stripe) for stripe in node.stripes.stripes]
    return Sight(
        node=offer.node,
        reachable=bool(offer.addresses),
        parents=tuple(
            None if parent is None else Parent(parent, str(uplink.peer(stripe)), uplink.rtt(stripe))
            for stripe, parent in zip(node.stripes.stripes, parents, strict=True)
        ),
        source_up=node.readiness.source_up,
        source_trouble=node.readiness.source_trouble,
        trouble=node.readiness.trouble,
        delivered=node.feed.stats.delivered > 0,
    )


async def _end(player: asyncio.subprocess.Process) -> int:
    """End the player by its id, with a little patience; return its exit code."""
    with suppress(ProcessLookupError):
        player.terminate()
    try:
        async with asyncio.timeout(PLAYER_ENDS_WITHIN):
            await player.wait()
    except TimeoutError:
        pass
    finally:
        if player.returncode is None:
            player.kill()
    code = await player.wait()
    return code if code >= 0 else _KILLED - code
