class RTP:
    m: int
    pt: int
    cc: int
    seq: int
    ts: int
    ssrc: int
    data: bytes
    def __init__(self, packet: bytes = ..., /, **fields: object) -> None: ...
    def __bytes__(self) -> bytes: ...
