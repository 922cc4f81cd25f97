"""The client proxy as a whole: its channels, the overlay port, the players' port, the HTTP side."""

import asyncio
import logging

from clientproxy.config import ClientConfig
from clientproxy.metrics import ClientMetrics, PlayerMetrics
from clientproxy.net.channels import JoinedChannels
from clientproxy.net.figures import Figures
from clientproxy.net.node import Node
from clientproxy.net.rtsp_server import RtspServer
from clientproxy.net.summary import summary
from common.ids import Address
from common.runtime.daemon import Stop, opening
from common.runtime.files import load
from common.runtime.http import HttpServer
from common.runtime.listener import Listener
from common.runtime.metrics import registry
from common.runtime.notify import keep_informed
from common.runtime.tasks import Tasks

log = logging.getLogger(__name__)


class ClientProxy:
    """All parts of this daemon."""

    def __init__(self, config: ClientConfig) -> None:
        """Prepare; nothing is opened yet."""
        self._config = config
        self._tasks = Tasks()
        self._channels = JoinedChannels(config)
        self._listener = Listener(self._channels.first_handler)
        self._rtsp = RtspServer(
            self._channels,
            self._tasks,
            access=lambda: self._channels.config.access,
            lag=self._channels.lag,
        )
        figures = ClientMetrics(self._figures), PlayerMetrics(self._rtsp.stats)
        self._http = HttpServer(
            registry=registry(self._channels.lag, *figures), status=self._status, ready=self._ready
        )
        self._http.serve_files(load("common", "clientproxy"))
        self._http.serve_events(lambda _: self._status(), subjects=False)
        self._ports: dict[str, str] = {}
        self._listening = asyncio.Event()

    async def listens(self, name: str) -> Address:
        """Wait until it listens; return where, for `overlay`, `rtsp` or `http`."""
        await self._listening.wait()
        return Address.parse(self._ports[name], 0)

    def node(self, channel: str) -> Node | None:
        """Return the node of a channel of the configured server proxy."""
        server = self._channels.config.server
        return None if server is None else self._channels.nodes.get((channel, server))

    async def run(self, stop: Stop) -> None:
        """Serve until `stop` is set. Raises PortError where a port is taken."""
        config = self._config
        try:
            with opening("listen", config.listen):
                overlay = await self._listener.start(config.listen)
            with opening("rtsp", config.rtsp):
                rtsp = await self._rtsp.start(config.rtsp)
            with opening("http", config.http):
                http = await self._http.start(config.http)
            self._ports = {"overlay": str(overlay), "rtsp": str(rtsp), "http": str(http)}
            log.info("listening", extra=self._ports)
            if self._rtsp.beyond_loopback and config.access is None:
                log.warning(
                    "players of other machines may watch without a password: set rtsp_username and"
                    " rtsp_password, or listen on rtsp: 127.0.0.1:%d",
                    rtsp.port,
                )
            await self._channels.capture.start(config.capture)
            self._channels.overlay = overlay
            self._channels.join_all()
            self._listening.set()
            linger = self._tasks.spawn(self._channels.run(), name="linger")
            stop.on_reload(self._channels.reload)
            informed = keep_informed(self._summary, beats=lambda: self._channels.lag.beats)
            self._tasks.spawn(informed, name="service manager")
            await stop.wait(linger)
        finally:
            await self._rtsp.close()
            await self._channels.close()
            await self._channels.capture.close()
            await self._tasks.close()
            await self._listener.close()
            await self._http.close()

    def _summary(self) -> str:
        return summary(self._channels.nodes.values(), self._channels.config.join)

    def _figures(self) -> list[Figures]:
        return [Figures(node) for node in self._channels.nodes.values()]

    def _status(self) -> dict[str, object]:
        server = self._channels.config.server
        return {
            "daemon": "clientproxy",
            "server": None if server is None else str(server),
            **self._ports,
            "channels": [figures.detail() for figures in self._figures()],
            "sessions": self._rtsp.sessions,
        }

    def _ready(self) -> tuple[bool, str]:
        config = self._channels.config
        missing = set(config.join) - {
            node.channel
            for node in self._channels.nodes.values()
            if node.server == config.server and node.joined
        }
        return not missing, f"not joined yet: {', '.join(sorted(missing))}"


async def run(config: ClientConfig, stop: Stop) -> None:
    """Run the client proxy until `stop` is set."""
    await ClientProxy(config).run(stop)
