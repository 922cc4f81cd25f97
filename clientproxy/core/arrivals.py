"""What a parent may send: sequence numbers that rise, in their stripe, and not from nowhere.

Rules
-----
1. In one stripe sequence numbers rise, and `number mod stripes` is the stripe.
2. A parent may leave out `MAX_JUMP` numbers: more would shut out all honest parents after it. Only
   the first frame of another server process may be further ahead: such a process begins at its
   start time, which the group clock gives to within `MAX_CLOCK_STEP`.
3. What was never given is not missing: nothing between two server processes is.
"""

from collections.abc import Sequence

from common.clock import MAX_CLOCK_STEP
from common.errors import BadFrameError, BadMessageError
from common.frame import FLAG_FIRST, Packet
from common.ids import Stripe

MAX_JUMP = 1 << 22
"""Sequence numbers that a parent may leave out."""


def check_numbers(
    packets: Sequence[Packet], stripe: Stripe, *, stripes: int, known: int, group_time_us: int
) -> None:
    """Raise BadFrameError for numbers that cannot be; `known` is one that is not in doubt."""
    last, most = -1, known + MAX_JUMP
    for seq, _, _, flags, _, _ in packets:
        if flags & FLAG_FIRST:
            most = max(most, group_time_us + MAX_CLOCK_STEP * 1_000_000)
        if seq % stripes != stripe or not last < seq <= most:
            raise BadFrameError(f"sequence number {seq} in stripe {stripe}")
        last = seq
        if flags & FLAG_FIRST:
            most = last + MAX_JUMP


def missing(first: int, *, expected: int, begins: int, stripes: int) -> int:
    """Return how many packets of one stripe are missing before `first`, which a parent has.

    `expected` is the number that is lacking; `begins` the first one of the present server process.
    Raises BadMessageError where `first` is absurd.
    """
    if first > max(expected, begins) + MAX_JUMP:
        raise BadMessageError(f"stream from {first} on, {expected} was asked for")
    return max(0, first - max(expected, min(first, begins))) // stripes
