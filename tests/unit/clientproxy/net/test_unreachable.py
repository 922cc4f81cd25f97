"""A server proxy that cannot be reached: which of the ways it is, and what to look at."""

import errno
import os
import socket

import pytest

from clientproxy.net.unreachable import no_server_proxy, unreachable
from common.ids import Address

SERVER = Address("studio", 7854)


def of(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "host's name right?"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "is this machine online"),
        (TimeoutError(), "does not answer: is its host on, and does a firewall let TCP port 7854"),
        (of(errno.ETIMEDOUT), "does not answer: is its host on"),
        (of(errno.ECONNREFUSED), "refuses connections: is serverproxy running there"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 7854, 0, 0)"),
            "refuses connections",
        ),
        (of(errno.EHOSTUNREACH), "(No route to host): is this machine's network up?"),
        (of(errno.EMFILE), "cannot be reached (Too many open files): is serverproxy running"),
        (OSError(), "cannot be reached (OSError)"),
    ],
)
def test_each_way_has_its_sentence(error: OSError, words: str) -> None:
    sentence = unreachable(SERVER, error)
    assert sentence.startswith("server proxy studio:7854 ")
    assert words in sentence


def test_who_speaks_something_else_is_asked_for_the_port() -> None:
    sentence = no_server_proxy(Address("studio", 8554), "speaks another protocol")
    assert sentence.startswith("studio:8554 speaks another protocol: is 8554 the port")
