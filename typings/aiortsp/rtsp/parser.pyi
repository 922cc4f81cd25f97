from collections.abc import Iterator
from typing import Literal

class RTSPMessage:
    @property
    def type(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    @property
    def length(self) -> int: ...

class HTTPLikeMsg(RTSPMessage):
    headers: dict[str, str | list[str]]
    cseq: int
    content_type: str | None
    content_length: int

class RTSPRequest(HTTPLikeMsg):
    type: Literal["request"]
    method: str
    request_url: str

class RTSPResponse(HTTPLikeMsg):
    type: Literal["response"]
    status: int
    status_msg: str

class RTSPBinary(RTSPMessage):
    type: Literal["binary"]
    @property
    def id(self) -> int: ...

class RTSPParser:
    def parse(self, data: bytes) -> Iterator[RTSPRequest | RTSPResponse | RTSPBinary]: ...
