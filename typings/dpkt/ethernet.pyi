from typing import overload

from dpkt.ip import IP

class Ethernet:
    data: IP
    @overload
    def __init__(self, frame: bytes, /) -> None: ...
    @overload
    def __init__(self, *, src: bytes, dst: bytes, data: IP) -> None: ...
    def __bytes__(self) -> bytes: ...
