"""The HTTP side of a daemon: metrics, health, status, pages, and what an operator may ask for."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from common.ids import Address
from common.runtime import connections
from common.runtime.connections import Connections
from common.runtime.eventstream import EventStream
from common.runtime.gate import check_action, known_hosts, may_act
from common.runtime.ports import OpenPort, listen
from common.runtime.problem import AnsweringProtocol, ProblemError, problems

log = logging.getLogger(__name__)

JsonObject = Mapping[str, object]
JsonRoute = Callable[..., JsonObject | None]
"""Takes the parts of the path that stand in braces, by name; None is a 404."""

CLOSE_TIMEOUT = 1.0
"""Seconds that requests under way get when the server closes."""
MAX_BODY_BYTES = 16_384
"""Body of an action."""

EVENTS = "/api/v1/events"
_FIELDS = {"channel": "name", "stripe": "stripe", "node": "node"}
"""Fields of a log line by their names in the path or the answer of an action."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

OPERATOR = "/api/v1/operator"
Body = TypeVar("Body", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Action(Generic[Body]):
    """What an operator may ask for, with POST."""

    body: type[Body]
    """What the JSON body has to be."""
    run: Callable[[Mapping[str, str], Body], JsonObject]
    """Takes the parts of the path and the body; raises ProblemError. Answered with 202."""

    def __call__(self, parts: Mapping[str, str], body: bytes) -> JsonObject:
        """Read the body and do it."""
        try:
            request = msgspec.json.decode(body or b"{}", type=self.body)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise ProblemError(400, f"The body is not what this action takes: {error}.") from None
        return self.run(parts, request)


class HttpServer:
    """`/metrics`, `/healthz`, `/readyz`, `/api/v1/status`, and what the daemon adds."""

    def __init__(
        self,
        *,
        registry: CollectorRegistry,
        status: Callable[[], JsonObject],
        ready: Callable[[], tuple[bool, str]],
        token: str | None = None,
    ) -> None:
        """Take who answers; `ready` gives whether the daemon is, and the reason why not.

        With `token`, actions may come from other machines.
        """
        self._registry, self._ready, self._token = registry, ready, token
        self._gets: dict[str, Handler] = {"/api/v1/status": _json_handler(status)}
        self._posts: dict[str, Handler] = {}
        self._events: EventStream | None = None
        self._runner: web.AppRunner | None = None
        self._port: OpenPort | None = None
        self._connections = Connections()

    def serve_json(self, routes: Mapping[str, JsonRoute]) -> None:
        """Add what GET finds under paths such as `/api/v1/channels/{name}`."""
        self._gets |= {path: _json_handler(route) for path, route in routes.items()}

    def serve_files(self, handlers: Mapping[str, Handler]) -> None:
        """Add files (`files.load`)."""
        self._gets |= handlers

    def serve_events(self, snapshot: Callable[[str], object], *, subjects: bool = True) -> None:
        """Add the stream of snapshots of `/api/v1/events` (`eventstream`)."""
        self._events = EventStream(snapshot, subjects=subjects)
        self._gets[EVENTS] = self._events.answer

    @property
    def routes(self) -> list[str]:
        """What is served: `GET /metrics` and so on."""
        gets = ["/metrics", "/healthz", "/readyz", *self._gets]
        return [*(f"GET {path}" for path in gets), *(f"POST {path}" for path in self._posts)]

    @property
    def listeners(self) -> int:
        """Pages that are fed now."""
        return 0 if self._events is None else self._events.listeners

    def serve_action(self, path: str, action: Action[Body]) -> None:
        """Add something to do, and with the first one `/api/v1/operator`: who may."""
        self._gets[OPERATOR] = self._operator

        async def answer(request: web.Request) -> web.Response:
            check_action(request, self._token)
            done = action(request.match_info, await _body(request))
            known = {**request.match_info, **done}
            fields = {field: known[name] for field, name in _FIELDS.items() if name in known}
            fields["peer"] = request.remote
            log.info("operator: %s %s", request.path, done, extra=fields)
            return _json(done, 202)

        self._posts[path] = answer

    async def start(self, address: Address) -> Address:
        """Listen; return the address taken. Raises OSError where the port is not to be had."""
        logging.getLogger("aiohttp.server").addFilter(_without_bad_requests)
        logging.getLogger("aiohttp.access").disabled = True
        runner = web.AppRunner(self._application(), shutdown_timeout=CLOSE_TIMEOUT)
        await runner.setup()
        server, loop = runner.server, asyncio.get_running_loop()
        assert server is not None
        factory = self._connections.factory(
            lambda: AnsweringProtocol(server, loop=loop, keepalive_timeout=connections.IDLE_TIMEOUT)
        )
        try:
            self._port = await listen(factory, address)
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        return Address(address.host and self._port.hosts[0], self._port.number)

    async def close(self) -> None:
        """Listen no more and end all requests. Closing again changes nothing."""
        if self._events is not None:
            self._events.close()
        if self._port is not None:
            await self._port.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(
            client_max_size=MAX_BODY_BYTES,
            middlewares=[self._connections.spoken, problems, known_hosts],
        )
        app.on_response_prepare.append(_add_headers)
        app.router.add_get("/metrics", _metrics_handler(self._registry))
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        for path, handler in self._gets.items():
            app.router.add_get(path, handler)
        for path, handler in self._posts.items():
            app.router.add_post(path, handler)
        return app

    async def _operator(self, request: web.Request) -> web.Response:
        return _json({"allowed": may_act(request, self._token), "token": self._token is not None})

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _text(200, "alive")

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready, reason = self._ready()
        return _text(200, "ready") if ready else _text(503, reason)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def _without_bad_requests(record: logging.LogRecord) -> bool:
    """Return whether a record of aiohttp's server is more than what a peer sent amiss."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError | web.RequestPayloadError):
        return True
    log.debug("a request that is not HTTP was refused: %s", type(error).__name__)
    return False


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(connections.ASKS_WITHIN):
            return await request.read()
    except TimeoutError:
        raise ProblemError(408, "The body did not come.") from None
    except web.RequestPayloadError:
        sentence = "The body is not encoded as its headers say."
        raise ProblemError(400, sentence) from None


def _metrics_handler(registry: CollectorRegistry) -> Handler:
    handler = make_aiohttp_handler(registry)

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (TypeError, ValueError):  # of an Accept that is none
            headers = request.headers.copy()
            headers.popall("Accept", None)
            return await handler(request.clone(headers=headers))

    return answer


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")


def _json(found: JsonObject, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(found),
        content_type="application/json",
        charset="utf-8",
    )


def _json_handler(route: JsonRoute) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        if (found := route(**request.match_info)) is None:
            raise web.HTTPNotFound
        return _json(found)

    return answer
