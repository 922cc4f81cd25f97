"""The server proxy as a whole: channels, their sources, the overlay port and the HTTP side."""

import asyncio
import logging
from functools import partial

from common.runtime.daemon import Stop, opening
from common.runtime.http import HttpServer
from common.runtime.listener import Listener
from common.runtime.metrics import LoopLag, registry
from common.runtime.notify import keep_informed
from common.runtime.tasks import Tasks
from serverproxy.config import ServerConfig
from serverproxy.metrics import ServerMetrics
from serverproxy.net.first import FirstMessage
from serverproxy.net.served import ServedChannels
from serverproxy.net.status import status
from serverproxy.net.summary import summary
from serverproxy.net.web import serve

log = logging.getLogger(__name__)

TICK = 0.05


class ServerProxy:
    """All channels of this daemon behind one overlay port."""

    def __init__(self, config: ServerConfig) -> None:
        """Prepare the channels; nothing is opened yet."""
        self.tasks = Tasks()
        self._served = ServedChannels(config, self.tasks)
        self.channels = self._served.by_name
        self._config, self._lag = config, LoopLag()
        self.overlay = self.http = ""
        """Addresses taken, once it listens."""

    async def run(self, stop: Stop) -> None:
        """Serve until `stop` is set. Raises PortError where a port is taken."""
        first = FirstMessage(self.channels)
        listener = Listener(lambda: first)
        web = self._web()
        try:
            with opening("listen", self._config.listen):
                overlay = await listener.start(self._config.listen)
            with opening("http", self._config.http):
                http = await web.start(self._config.http)
            self.overlay, self.http = str(overlay), str(http)
            log.info("listening", extra={"overlay": self.overlay, "http": self.http})
            await self._served.capture.start(self._config.capture)
            self._served.open()
            tick = self.tasks.spawn(self._tick(), name="tick")
            stop.on_reload(self._served.reload)
            sentence = partial(summary, self.channels)
            informed = keep_informed(sentence, beats=lambda: self._lag.beats)
            self.tasks.spawn(informed, name="service manager")
            await stop.wait(tick)
        finally:
            self._served.close()
            await listener.close()  # who comes back by now is for the next process
            await self._served.capture.close()
            await self.tasks.close()
            await web.close()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(TICK)
            now = loop.time()
            self._lag.woken(now - last, TICK)
            self._served.tick(now - last, self._lag)
            last = now

    def _web(self) -> HttpServer:
        token = self._config.http_token
        http = HttpServer(
            registry=registry(self._lag, ServerMetrics(self.channels)),
            status=lambda: status(self.channels, self.overlay, self.http),
            ready=self._ready,
            token=None if token is None else token.get_secret_value(),
        )
        serve(http, self.channels, self._served.close_one)
        return http

    def _ready(self) -> tuple[bool, str]:
        """One source is enough: a camera that is down must not take the others with it."""
        up = any(channel.feed.up for channel in self.channels.values())
        return up, f"no source is up: {', '.join(sorted(self.channels)) or 'no channel'}"


async def run(config: ServerConfig, stop: Stop) -> None:
    """Run the server proxy until `stop` is set."""
    await ServerProxy(config).run(stop)
