import asyncio
import logging
import ssl as ssl_module
from collections.abc import Callable, Sequence
from typing import Self

from aiortsp.rtsp.auth import Auth
from aiortsp.rtsp.parser import RTSPBinary, RTSPParser, RTSPRequest, RTSPResponse

class RTSPConnection(asyncio.Protocol):
    host: str
    port: int
    username: str | None
    password: str | None
    accept_auth: list[str]
    default_timeout: float
    logger: logging.Logger
    ssl: ssl_module.SSLContext | None
    result: asyncio.Future[str]
    active_requests: dict[int, asyncio.Future[RTSPResponse]]
    parser: RTSPParser
    binary_handlers: dict[int, Callable[[bytes], object]]
    _transport: asyncio.Transport | None
    _auth: Auth | None
    def __init__(
        self,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
        accept_auth: Sequence[str] | None = None,
        logger: logging.Logger | None = None,
        ssl: ssl_module.SSLContext | None = None,
        timeout: float = 10,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...
    async def prepare(self) -> None: ...
    def close(self) -> None: ...
    def register_binary_handler(self, callback: Callable[[bytes], object]) -> int: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    @property
    def running(self) -> bool: ...
    def on_binary(self, binary: RTSPBinary) -> None: ...
    def on_response(self, response: RTSPResponse) -> None: ...
    def on_request(self, request: RTSPRequest) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def handle_401(self, resp: RTSPResponse) -> bool: ...
    def handle_ok(self, resp: RTSPResponse) -> None: ...
    def send_message(
        self, msg: str, cseq: int, headers: dict[str, str], body: bytes | None = None
    ) -> None: ...
    async def send_request(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - its own name
        body: bytes | None = None,
    ) -> RTSPResponse: ...
    def send_response(
        self, request: RTSPRequest, code: int, msg: str, headers: dict[str, str] | None = None
    ) -> None: ...
    def send_binary(self, idx: int, data: bytes) -> None: ...
