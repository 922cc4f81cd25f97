"""What a parent may send: sequence numbers that rise, in their stripe, and not from nowhere.

Rules
-----
1. In one stripe sequence numbers rise, and `number mod stripes` is the stripe.
2. A parent may leave out `MAX_JUMP` numbers, and what a source may have sent since the newest
   packet that the node holds was captured: it may have slept for hours. More would shut out all
   honest parents after it. Only the first frame of another server process may be further ahead:
   such a process begins at its start time, which the group clock gives to within `MAX_CLOCK_STEP`.
3. What was never given is not missing: nothing between two server processes is.
"""

from collections.abc import Sequence

from common.clock import MAX_CLOCK_STEP
from common.errors import BadFrameError, BadMessageError
from common.frame import FLAG_FIRST, Packet
from common.ids import Stripe

MAX_JUMP = 1 << 22
"""Sequence numbers that a parent may leave out."""
PACKET_US = 10
"""Microseconds between two packets, at the least: 1 Gbit/s in packets of 1,250 bytes."""


def most_missing(newest_capture_us: int, group_time_us: int) -> int:
    """Return how many numbers may be left out after the packet captured at `newest_capture_us`.

    That time is a parent's word: a day counts at most.
    """
    asleep_us = min(max(0, group_time_us - newest_capture_us), MAX_CLOCK_STEP * 1_000_000)
    return MAX_JUMP + asleep_us // PACKET_US


def check_numbers(
    packets: Sequence[Packet],
    stripe: Stripe,
    *,
    stripes: int,
    known: int,
    jump: int,
    group_time_us: int,
) -> None:
    """Raise BadFrameError for numbers that cannot be.

    `known` is a number that is not in doubt, `jump` how many may be missing after it.
    """
    last, most = -1, known + jump
    for seq, _, _, flags, _, _ in packets:
        if flags & FLAG_FIRST:
            most = max(most, group_time_us + MAX_CLOCK_STEP * 1_000_000)
        if seq % stripes != stripe or not last < seq <= most:
            raise BadFrameError(f"sequence number {seq} in stripe {stripe}")
        last = seq
        if flags & FLAG_FIRST:
            most = last + MAX_JUMP


def missing(first: int, *, expected: int, begins: int, stripes: int, jump: int) -> int:
    """Return how many packets of one stripe are missing before `first`, which a parent has.

    `expected` is the number that is lacking; `begins` the first one of the present server process.
    Raises BadMessageError where `first` is absurd: more than `jump` numbers are missing.
    """
    if first > max(expected, begins) + jump:
        raise BadMessageError(f"stream from {first} on, {expected} was asked for")
    return max(0, first - max(expected, min(first, begins))) // stripes
