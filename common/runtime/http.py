"""The HTTP side of a daemon: metrics, health, status, pages. Nothing here changes state."""

import logging
from collections.abc import Callable, Mapping

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from common.ids import Address

log = logging.getLogger(__name__)

JsonObject = Mapping[str, object]
JsonRoute = Callable[..., JsonObject | None]
"""Takes the parts of the path that stand in braces, by name; None is a 404."""

CLOSE_TIMEOUT = 1.0
"""Seconds that requests under way get when the server closes."""

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class HttpServer:
    """`/metrics`, `/healthz`, `/readyz`, `/api/v1/status`, and what the daemon adds."""

    def __init__(
        self,
        *,
        registry: CollectorRegistry,
        status: Callable[[], JsonObject],
        ready: Callable[[], tuple[bool, str]],
        json_routes: Mapping[str, JsonRoute] | None = None,
        pages: Mapping[str, Callable[[], str]] | None = None,
    ) -> None:
        """Take who answers.

        `ready` gives whether the daemon is, and the reason why not. `json_routes` maps paths such
        as `/api/v1/channels/{name}` to functions, `pages` maps paths to functions that return HTML.
        """
        self._registry, self._ready = registry, ready
        self._json_routes: dict[str, JsonRoute] = {"/api/v1/status": status, **(json_routes or {})}
        self._pages = dict(pages or {})
        self._runner: web.AppRunner | None = None

    async def start(self, address: Address) -> Address:
        """Listen; return the address taken. Raises OSError where the port is not to be had."""
        logging.getLogger("aiohttp.server").addFilter(_without_bad_requests)
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=CLOSE_TIMEOUT)
        await runner.setup()
        site = web.TCPSite(runner, address.host or None, address.port)
        try:
            await site.start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        host, port, *_ = runner.addresses[0]
        return Address(address.host and str(host), int(port))

    async def close(self) -> None:
        """Listen no more and end all requests. Closing again changes nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metrics", make_aiohttp_handler(self._registry))
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        for path, route in self._json_routes.items():
            app.router.add_get(path, _json_handler(route))
        for path, page in self._pages.items():
            app.router.add_get(path, _page_handler(page))
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _text(200, "alive")

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready, reason = self._ready()
        return _text(200, "ready") if ready else _text(503, reason)


def _without_bad_requests(record: logging.LogRecord) -> bool:
    """Return whether a record of aiohttp's server is more than what a peer sent amiss."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError):
        return True
    log.debug("a request that is not HTTP was refused: %s", type(error).__name__)
    return False


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=_HEADERS)


def _json_handler(route: JsonRoute) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        found = route(**request.match_info)
        if found is None:
            return web.json_response({"error": "not found"}, status=404, headers=_HEADERS)
        return web.json_response(found, headers=_HEADERS)

    return answer


def _page_handler(page: Callable[[], str]) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=page(), content_type="text/html", headers=_HEADERS)

    return answer
