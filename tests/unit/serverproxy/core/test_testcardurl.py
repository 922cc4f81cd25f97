"""Options of the test card."""

import pytest

from serverproxy.core import testcardurl


def test_every_option_has_a_default() -> None:
    assert testcardurl.parse("testcard:") == testcardurl.TestCardOptions(
        width=640, height=360, rate=25, bitrate=600, keyframe=1.0, audio=True, codec="h264"
    )


def test_options_are_read() -> None:
    url = "testcard:?size=1280x720&rate=30&bitrate=2000&keyframe=10&audio=0&codec=H265"
    assert testcardurl.parse(url) == testcardurl.TestCardOptions(
        width=1280, height=720, rate=30, bitrate=2000, keyframe=10.0, audio=False, codec="h265"
    )


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("size=641x360", "size"),
        ("size=big", "size"),
        ("size=9000x9000", "size"),
        ("rate=0", "rate"),
        ("rate=2.5", "rate"),
        ("bitrate=1", "bitrate"),
        ("bitrate=nan", "bitrate"),
        ("keyframe=0", "keyframe"),
        ("audio=yes", "audio"),
        ("codec=av1", "codec"),
        ("colour=red", "colour"),
        ("rate=25&rate=30", "twice"),
        ("rate", "OPTION=VALUE"),
    ],
)
def test_a_wrong_option_is_named(query: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        testcardurl.parse(f"testcard:?{query}")


@pytest.mark.parametrize("url", ["testcard:x", "testcards:", "rtsp://h"])
def test_another_url_is_no_test_card(url: str) -> None:
    with pytest.raises(ValueError, match="not a test card"):
        testcardurl.parse(url)
