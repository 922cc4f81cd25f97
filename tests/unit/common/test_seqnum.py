"""Serial numbers that wrap."""

from hypothesis import given
from hypothesis import strategies as st

from common.seqnum import distance16, distance32, extend16


def test_the_distance_of_16_bit_numbers_crosses_the_wrap() -> None:
    assert distance16(2, 65_534) == 4
    assert distance16(65_534, 2) == -4
    assert distance16(0x8000, 0) == -0x8000


def test_the_distance_of_32_bit_numbers_crosses_the_wrap() -> None:
    assert distance32(5, 2**32 - 5) == 10
    assert distance32(2**32 - 5, 5) == -10


@given(st.integers(0, 2**50), st.integers(-0x8000, 0x7FFF))
def test_a_number_that_is_near_is_extended_to_itself(near: int, step: int) -> None:
    assert extend16((near + step) & 0xFFFF, near) == near + step
