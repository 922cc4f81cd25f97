from dpkt.udp import UDP

class IP:
    len: int
    id: int
    p: int
    src: bytes
    dst: bytes
    data: UDP
    def __init__(self, *, src: bytes, dst: bytes, p: int, ttl: int, data: UDP) -> None: ...
    def __len__(self) -> int: ...
