class UDP:
    sport: int
    dport: int
    ulen: int
    data: bytes
    def __init__(self, *, sport: int, dport: int, data: bytes) -> None: ...
    def __len__(self) -> int: ...
