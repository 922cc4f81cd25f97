"""The URL of `clientproxy watch`, and what is said of others."""

import re

import pytest

from clientproxy.commands.watchurl import parse
from common.ids import Address


@pytest.mark.parametrize(
    ("url", "server", "channel"),
    [
        ("rtsp://studio/cam", Address("studio", 7854), "cam"),
        ("RTSP://192.0.2.1:7900/cam/", Address("192.0.2.1", 7900), "cam"),
        ("rtsp://[2001:db8::1]/roof-1", Address("2001:db8::1", 7854), "roof-1"),
        ("rtsp://[2001:db8::1]:7900/ro%2Eof", Address("2001:db8::1", 7900), "ro.of"),
    ],
)
def test_a_server_proxy_and_a_channel(url: str, server: Address, channel: str) -> None:
    assert parse(url) == (server, channel)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("studio/cam", "does not begin with rtsp://: write rtsp://studio/cam"),
        ("http://studio:9854/cam", "does not begin with rtsp://: write rtsp://studio:9854/cam"),
        ("rtsp://studio", "names no channel: write rtsp://studio/CHANNEL"),
        ("rtsp://studio/", "names no channel"),
        ("rtsp://studio/a b", "names no channel: 'a b' is not"),
        ("rtsp://viewer:secret@studio/cam", "names a user"),
        ("rtsp://localhost:8554/studio:7854/cam", "write the server proxy's own, rtsp://studio:78"),
        ("rtsp:///cam", "names no host"),
        ("rtsp://12:30:45/cam", "names no host"),
        ("rtsp://studio:port/cam", "has no port between 0 and 65535"),
        ("", "does not begin with rtsp://: write rtsp://SERVER/CHANNEL"),
        ("rtsp://viewer:secret/secret@studio/cam", "names a user"),
        ("rtsp://viewer:secret#secret@studio/cam", "names a user"),
        ("rtsp://viewer:secret?secret@studio/cam", "names a user"),
        ("rtsp://viewer:secret\nsecret@studio/cam", "names a user"),
        ("viewer:secret@studio/cam", "names a user"),
        ("rtsp://studio#x/cam", "has a '#', which means nothing here: write rtsp://SERVER/CH"),
        ("rtsp://studio?x/cam", "has a '?', which means nothing here"),
        ("rtsp://studio/cam?x=1", "has a '?', which means nothing here"),
        ("rtsp://studio/cam//", "has one '/' too many: write rtsp://studio/cam"),
        ("rtsp://studio//cam", "has one '/' too many: write rtsp://studio/cam"),
        ("rtsp://studio//", "has one '/' too many: write rtsp://studio/CHANNEL"),
        ("rtsp://studio:0/cam", "names port 0"),
        ("rtsp:/studio/cam", "does not begin with rtsp://: write rtsp://studio/cam"),
        ("rtsp:studio/cam", "does not begin with rtsp://: write rtsp://studio/cam"),
        ("//studio/cam", "does not begin with rtsp://: write rtsp://studio/cam"),
        ("/cam", "does not begin with rtsp://: write rtsp://SERVER/cam"),
    ],
)
def test_what_is_something_else_is_told_what_to_write(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as told:
        parse(url)
    assert "secret" not in str(told.value)
