import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest
from prometheus_client import CollectorRegistry, Counter

from common.ids import Address
from common.runtime.files import load
from common.runtime.http import Action, HttpServer
from tests.support.ports import has_ipv6


class Press(msgspec.Struct, forbid_unknown_fields=True):
    times: int = 1


class Daemon:
    """What a daemon tells its HTTP server."""

    def __init__(self) -> None:
        self.reason = "no source yet"
        self.snapshots = self.pressed = 0
        self.registry = CollectorRegistry()
        Counter("stripecast_things", "Things.", registry=self.registry).inc(3)

    def status(self) -> dict[str, object]:
        return {"listen": "127.0.0.1:7854"}

    def ready(self) -> tuple[bool, str]:
        return not self.reason, self.reason

    def channel(self, name: str) -> dict[str, object] | None:
        return {"name": name} if name == "cam" else None

    def snapshot(self, subject: str) -> dict[str, object]:
        self.snapshots += 1
        return {"subject": subject, "number": self.snapshots}

    def press(self, parts: Mapping[str, str], body: Press) -> dict[str, object]:
        self.pressed += body.times
        return {"pressed": parts["name"], "times": body.times}

    def broken(self) -> dict[str, object]:
        raise KeyError("a bug")


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
async def address(daemon: Daemon) -> AsyncIterator[Address]:
    server = HttpServer(
        registry=daemon.registry,
        status=daemon.status,
        ready=daemon.ready,
        token="open sesame",
    )
    server.serve_json({"/api/v1/channels/{name}": daemon.channel, "/broken": daemon.broken})
    server.serve_files(load("common"))
    server.serve_events(daemon.snapshot)
    server.serve_action("/api/v1/things/{name}/press", Action(Press, daemon.press))
    yield await server.start(Address("127.0.0.1", 0))
    await server.close()


async def exchange(address: Address, request: bytes) -> bytes:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


async def get(
    address: Address, path: str, method: str = "GET", body: str = "", **headers: str
) -> tuple[int, str, str]:
    """Return status, content type and body."""
    sent = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(body))}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    request = "\r\n".join([*lines, "", body])
    head, _, body = (await exchange(address, request.encode())).decode().partition("\r\n\r\n")
    status, *answered = head.split("\r\n")
    kind = [value for value in answered if value.lower().startswith("content-type:")]
    return int(status.split()[1]), "".join(kind).partition(": ")[2], body


async def test_metrics_are_those_of_the_registry(address: Address) -> None:
    status, kind, body = await get(address, "/metrics")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert "stripecast_things_total 3.0\n" in body


async def test_healthz_says_alive_before_ready(address: Address, daemon: Daemon) -> None:
    assert (await get(address, "/healthz"))[0] == 200
    assert await get(address, "/readyz") == (503, "text/plain; charset=utf-8", "no source yet\n")
    daemon.reason = ""
    assert (await get(address, "/readyz"))[0] == 200


async def test_json_routes(address: Address) -> None:
    status, kind, body = await get(address, "/api/v1/status")
    assert (status, kind) == (200, "application/json; charset=utf-8")
    assert json.loads(body) == {"listen": "127.0.0.1:7854"}
    assert json.loads((await get(address, "/api/v1/channels/cam"))[2]) == {"name": "cam"}


async def test_what_is_not_there_is_a_404(address: Address) -> None:
    status, kind, body = await get(address, "/api/v1/channels/%3Cscript%3E")
    assert (status, kind) == (404, "application/problem+json")
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at /api/v1/channels/<script>.",
    }
    assert (await get(address, "/nowhere"))[0] == 404


async def test_nothing_can_be_changed(address: Address) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert (await get(address, "/api/v1/status", method))[0] == 405


@pytest.mark.parametrize(
    ("request_line", "detail"),
    [
        ("FOO /api/v1/status HTTP/1.1", "This is no method of HTTP."),
        ("GET /api/v1/status HTTP/x.y", "This is no request of HTTP/1.1, or a too long one."),
    ],
)
async def test_what_is_no_request_is_a_problem_that_repeats_nothing(
    address: Address, request_line: str, detail: str
) -> None:
    answer = await exchange(address, f"{request_line}\r\nHost: localhost\r\n\r\n".encode())
    head, _, body = answer.decode().partition("\r\n\r\n")
    assert head.split(" ", 1)[1].startswith("400 Bad Request\r\n")
    assert "Content-Type: application/problem+json\r\n" in head
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": detail,
    }


async def test_a_bug_in_a_route_is_logged_and_ends_that_request_only(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    status, kind, body = await get(address, "/broken")
    assert (status, kind) == (500, "application/problem+json")
    assert json.loads(body)["detail"] == "This request failed; the log of the daemon says why."
    assert "a bug" in caplog.text
    assert (await get(address, "/healthz"))[0] == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 10_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000,
        b"DESCRIBE rtsp://localhost/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        b'00012\n{"MessageType"',
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
)
async def test_garbage_ends_its_own_connection_and_nothing_else(
    address: Address, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert b"200 OK" not in await exchange(address, garbage)
    assert (await get(address, "/healthz"))[0] == 200
    assert [one for one in caplog.records if one.name != "asyncio"] == []  # asyncio: a slow machine


@pytest.mark.parametrize(
    ("header", "status"),
    [(b"Authorization: Bearer \xff", 401), (b"Content-Encoding: gzip", 400)],
)
async def test_an_action_with_a_header_that_lies_is_a_problem(
    address: Address, daemon: Daemon, header: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await exchange(
        address,
        b"POST /api/v1/things/bell/press HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n" + header + b"\r\n\r\n{}",
    )
    assert answer.startswith(b"HTTP/1.1 %d" % status)
    assert b"application/problem+json" in answer
    assert daemon.pressed == 0
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain;version=x;q=z",
        "application/openmetrics-text;version=1.x",
        "text/plain;version=;escaping=?",
        "application/openmetrics-text;version=9.9;escaping=no",
        "\x00;=,;;=",
    ],
)
async def test_metrics_for_whoever_accepts_what_is_not_there(address: Address, accept: str) -> None:
    status, _, body = await get(address, "/metrics", Accept=accept)
    if "\x00" not in accept:
        assert status == 200
        assert "stripecast_things_total 3.0\n" in body
    assert status < 500


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing(
    address: Address, daemon: Daemon
) -> None:
    second = HttpServer(registry=daemon.registry, status=daemon.status, ready=daemon.ready)
    with pytest.raises(OSError, match="in use"):
        await second.start(address)
    await second.close()


async def test_closing_twice_is_harmless(daemon: Daemon) -> None:
    server = HttpServer(registry=daemon.registry, status=daemon.status, ready=daemon.ready)
    address = await server.start(Address("127.0.0.1", 0))
    await server.close()
    await server.close()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await get(address, "/healthz")


async def test_the_port_that_it_took_is_that_of_all_addresses(daemon: Daemon) -> None:
    """It took two for `:0`, one of each family, and named one."""
    server = HttpServer(registry=daemon.registry, status=daemon.status, ready=daemon.ready)
    taken = await server.start(Address("", 0))
    assert taken.host == ""
    for host in ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",):
        status, _, body = await get(Address(host, taken.port), "/healthz")
        assert (status, body) == (200, "alive\n")
    await server.close()
