"""Serial number arithmetic (RFC 1982): RTP's 16-bit sequence numbers and 32-bit timestamps wrap.

Never compare such numbers with `<`: ask for their distance, or extend them to a number that
does not wrap. The channel-wide 64-bit sequence number needs none of this.
"""


def distance16(number: int, since: int) -> int:
    """Return how far 16-bit `number` lies ahead of `since`, in -32768..32767."""
    return ((number - since + 0x8000) & 0xFFFF) - 0x8000


def distance32(number: int, since: int) -> int:
    """Return how far 32-bit `number` lies ahead of `since`, in -2**31..2**31 - 1."""
    return ((number - since + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


def extend16(number: int, near: int) -> int:
    """Return the unwrapped number closest to `near` whose low 16 bits are `number`."""
    return near + distance16(number, near & 0xFFFF)
