"""Bytes in pieces, as a network brings them."""

from itertools import pairwise


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """Return the bytes in the pieces that any numbers make of them."""
    edges = [0, *sorted(one % (len(data) + 1) for one in at), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]
