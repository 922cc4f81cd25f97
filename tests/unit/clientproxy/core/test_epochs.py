"""Which stream packets belong to, with EPOCH frames or by the server proxy's word alone."""

import pytest

from clientproxy.core.epochs import Epochs
from common.codec import encode_body
from common.errors import BadMessageError
from common.fields import Stream, Track
from common.frame import FrameType, Packet

H264 = Track(index=0, kind="video", codec="H264", clock_rate=90_000, payload_type=96)
H265 = Track(index=0, kind="video", codec="H265", clock_rate=90_000, payload_type=96)
OLD = Stream(1, 100, "v=0\r\n", (H264,))
NEW = Stream(2, 200, "v=0\r\n", (H265,))
AGAIN = Stream(1, 200, "v=0\r\n", (H264,))


@pytest.fixture
def epochs() -> Epochs:
    made = Epochs()
    assert made.begin(OLD, {}) == "first"
    return made


def data(*numbers: int) -> list[Packet]:
    return [Packet(number, 0, 0, 0, b"") for number in numbers]


def frame(number: int, stream: Stream) -> Packet:
    return Packet(number, 0, 0, 0, encode_body(stream), FrameType.EPOCH)


def test_what_was_told_counts_from_the_first_number_of_its_pull(epochs: Epochs) -> None:
    epochs.heard(NEW)
    assert epochs.due_at([]) is None
    assert epochs.due_at(data(198, 199)) is None
    assert epochs.due_at(data(199, 203, 204)) == 1
    assert epochs.stream == OLD
    assert epochs.take() == "other codecs"
    assert epochs.stream == NEW
    assert epochs.due_at(data(205)) is None


def test_the_same_codecs_are_told_as_such(epochs: Epochs) -> None:
    epochs.heard(AGAIN)
    assert epochs.due_at(data(200)) == 0
    assert epochs.take() == "same codecs"


def test_an_epoch_frame_that_is_there_says_it_itself(epochs: Epochs) -> None:
    epochs.heard(NEW)
    mark = frame(201, NEW)
    assert epochs.due_at([*data(199), mark, *data(202)]) is None
    assert epochs.frame(mark) == "other codecs"
    assert epochs.frame(frame(202, NEW)) == "none"
    assert epochs.due_at(data(203)) is None


def test_a_frame_that_cannot_be_read_leaves_it_to_what_was_told(epochs: Epochs) -> None:
    epochs.heard(NEW)
    with pytest.raises(BadMessageError):
        epochs.frame(Packet(200, 0, 0, 0, b"{}", FrameType.EPOCH))
    assert epochs.due_at(data(202)) == 0


def test_an_older_word_replaces_nothing(epochs: Epochs) -> None:
    epochs.frame(frame(200, NEW))
    for late in (OLD, NEW):
        epochs.heard(late)
        assert epochs.due_at(data(300)) is None


def test_no_word_takes_none_back(epochs: Epochs) -> None:
    epochs.heard(NEW)
    epochs.heard(None)
    assert epochs.due_at(data(200)) == 0


def test_other_numbers_begin_with_nothing_told(epochs: Epochs) -> None:
    epochs.heard(NEW)
    assert epochs.begin(None, {}) == "none"
    assert epochs.due_at(data(300)) is None
    assert epochs.frame(frame(50, OLD)) == "same codecs", "the numbers are others: a new pull"
