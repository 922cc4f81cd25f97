"""Which channels there are, in the sentence that refuses one."""

import pytest

from common.fields import MAX_SENTENCE
from common.refusals import channels_named, unknown_channel


@pytest.mark.parametrize("known", [(), ("cam",), ("cam", "door", "none-of-these")])
def test_the_channels_come_out_of_the_sentence_as_they_went_in(known: tuple[str, ...]) -> None:
    assert channels_named(unknown_channel("?", reversed(known))) == known


def test_the_sentence_is_one_for_people() -> None:
    assert unknown_channel("x", ["cam", "a"]) == "there is no channel 'x'; there are: a, cam"


def test_another_sentence_names_no_channels() -> None:
    assert channels_named("no slot is free for you now") is None


@pytest.mark.parametrize(
    ("names", "found"),
    [("\x1b[2Jx, cam", ("cam",)), ("b\nverdict: fine", None), ("../../x, .., " + "a" * 65, None)],
)
def test_what_no_channel_can_be_called_is_none(names: str, found: tuple[str, ...] | None) -> None:
    assert channels_named(f"there is no channel '?'; there are: {names}") == found


def test_of_a_list_that_was_cut_off_the_last_name_is_left_out() -> None:
    names = [f"channel-{number:04}" for number in range(100)]
    cut = unknown_channel("?", names)[:MAX_SENTENCE]
    found = channels_named(cut)
    assert found is not None
    assert list(found) == names[: len(found)]
    assert len(found) > 50
