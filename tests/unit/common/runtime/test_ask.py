"""How a command finds its daemon, and what it says where that does not answer."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from common.errors import ConfigError
from common.ids import Address
from common.runtime.ask import Api, AskError, MissingError, where

DEFAULT = Address("127.0.0.1", 9854)


@contextmanager
def answering(answers: dict[str, bytes]) -> Iterator[Address]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_request(self, code: object = "", size: object = "") -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Address("127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join()


def test_a_daemon_is_asked_and_its_answer_taken_in_shape() -> None:
    answers = {"/api/v1/status": b'{"daemon": "serverproxy"}', "/n": b"[1, 2]"}
    with answering(answers) as address:
        api = Api("serverproxy", address)
        api.check()
        assert api.ask("/n", list[int]) == [1, 2]
        with pytest.raises(AskError, match="is no serverproxy of this version"):
            api.ask("/n", dict[str, int])
        with pytest.raises(MissingError):
            api.get("/gone")


def test_the_other_daemon_is_named_with_the_command_for_it() -> None:
    with (
        answering({"/api/v1/status": b'{"daemon": "clientproxy"}'}) as address,
        pytest.raises(AskError) as told,
    ):
        Api("serverproxy", address).check()
    assert str(told.value) == (
        f"{address} is a clientproxy: write `clientproxy status --http {address}`"
    )


def test_what_says_that_it_is_something_else_is_not_repeated() -> None:
    evil = b'{"daemon": "\\u001b[31mEVIL\\nx"}'
    with (
        answering({"/api/v1/status": evil}) as address,
        pytest.raises(
            AskError, match=r"is no serverproxy of this version \(it is something else\)"
        ),
    ):
        Api("serverproxy", address).check()


@pytest.mark.parametrize(
    "body", [b"\xff{}", b"<html>", b'{"x": ' + b"[" * 500_000, b'{"daemon": 3}']
)
def test_what_is_no_answer_is_a_sentence(body: bytes) -> None:
    with (
        answering({"/api/v1/status": body}) as address,
        pytest.raises(AskError, match="is no serverproxy of this version"),
    ):
        Api("serverproxy", address).check()


def test_who_trickles_has_no_longer_than_who_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.runtime.ask.ANSWER_WITHIN", 0.5)
    cut = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            link, _ = server.accept()
            with link:
                link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                try:
                    while True:
                        link.sendall(b" ")
                        time.sleep(0.05)
                except OSError:
                    cut.set()

        threading.Thread(target=trickle, daemon=True).start()
        with pytest.raises(AskError, match="no answer"):
            Api("serverproxy", Address(*server.getsockname())).get("/n")
        assert cut.wait(30), "the link is not cut"


def test_a_name_that_nobody_looks_up_is_waited_for_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("common.runtime.ask.ANSWER_WITHIN", 0.2)
    over = threading.Event()

    def silent(*_: object, **__: object) -> object:
        over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no name server")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    try:
        with pytest.raises(AskError, match="no answer"):
            Api("serverproxy", Address("silent.invalid", 1)).get("/n")
    finally:
        over.set()


def test_nobody_there_is_a_sentence_that_says_what_to_do() -> None:
    with socket.socket() as taken:  # and does not listen
        taken.bind(("127.0.0.1", 0))
        address = Address(*taken.getsockname())
        with pytest.raises(AskError) as told:
            Api("serverproxy", address).check()
    assert str(told.value).startswith(
        f"no serverproxy answers at {address} (Connection refused): start one with `serverprox"
    )


def test_an_endless_answer_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.runtime.ask.MAX_ANSWER_BYTES", 10)
    with answering({"/n": b"[" + b" " * 20 + b"]"}) as address, pytest.raises(AskError):
        Api("serverproxy", address).get("/n")


@pytest.mark.parametrize(
    ("http", "text", "found"),
    [
        (None, None, "127.0.0.1:9854"),
        ("[::1]:9900", "http: 127.0.0.1:1", "[::1]:9900"),
        (None, "http: 0.0.0.0:9900", "127.0.0.1:9900"),
        (None, "http: :9900", "127.0.0.1:9900"),
        (None, 'http: "[::]:9900"', "[::1]:9900"),
        (None, 'http: "127.0.0.1:${PORT}"', "127.0.0.1:9901"),
        (None, "listen: :1\nchannels: {cam: {password: '${credential:x}'}}", "127.0.0.1:9854"),
    ],
)
def test_the_flag_wins_over_the_file_and_that_over_the_default(
    http: str | None,
    text: str | None,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "9901")
    file = None
    if text is not None:
        file = tmp_path / "serverproxy.yaml"
        file.write_text(text)
    assert str(where(http, file, DEFAULT)) == found


@pytest.mark.parametrize(
    ("http", "text", "words"),
    [
        ("9854", None, "--http: '9854' has no port"),
        ("127.0.0.1:0", None, "--http: 127.0.0.1:0 is any free port: say which one it took"),
        (None, "http: 12", "http: '12' has no port"),
        (None, "http: '${NOT_SET}'", "http: "),
    ],
)
def test_an_address_that_is_none_is_refused(
    http: str | None, text: str | None, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "serverproxy.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError) as told:
        where(http, file if text is not None else None, DEFAULT)
    assert words in str(told.value)
