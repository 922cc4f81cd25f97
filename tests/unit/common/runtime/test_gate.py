"""Who may ask a daemon over HTTP, and who may tell it what to do: each rule with its attack."""

import asyncio
import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from common.ids import Address
from common.runtime.http import MAX_BODY_BYTES, Action, HttpServer

TOKEN = "open-sesame-0123456789"
PRESS = "/api/v1/things/bell/press"


class Press(msgspec.Struct, forbid_unknown_fields=True):
    times: int = 1


class Bell:
    def __init__(self, token: str | None) -> None:
        self.rung = 0
        self.server = HttpServer(
            registry=CollectorRegistry(),
            status=lambda: {"rung": self.rung},
            ready=lambda: (True, ""),
            token=token,
        )
        self.server.serve_action("/api/v1/things/{name}/press", Action(Press, self.press))
        self.address = Address("", 0)

    def press(self, parts: object, body: Press) -> dict[str, object]:
        self.rung += body.times
        return {"rung": self.rung}


@pytest.fixture
async def bell(request: pytest.FixtureRequest) -> AsyncIterator[Bell]:
    bell = Bell(getattr(request, "param", TOKEN))
    bell.address = await bell.server.start(Address("127.0.0.1", 0))
    yield bell
    await bell.server.close()


async def ask(
    bell: Bell, path: str = PRESS, method: str = "POST", body: str = "{}", **headers: str
) -> tuple[int, dict[str, object]]:
    """Send a request; return status and JSON. A header given as '' is left out."""
    sent = {
        "Host": f"localhost:{bell.address.port}",
        "Content-Type": "application/json",
        "Connection": "close",
        "Content-Length": str(len(body)),
    }
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in sent.items() if value]
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(bell.address.host, bell.address.port)
        writer.write("\r\n".join([*lines, "", body]).encode())
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    head, _, text = answer.partition("\r\n\r\n")
    found: dict[str, object] = json.loads(text)
    assert ("application/problem+json" in head) == ("detail" in found)
    return int(head.split()[1]), found


async def test_a_json_body_from_this_machine_is_enough(bell: Bell) -> None:
    assert await ask(bell) == (202, {"rung": 1})
    assert await ask(bell, body='{"times": 3}') == (202, {"rung": 4})


@pytest.mark.parametrize("bell", [None], indirect=True)
async def test_without_a_token_this_machine_may_still(bell: Bell) -> None:
    assert (await ask(bell))[0] == 202
    assert (await ask(bell, Authorization="Bearer "))[0] == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9854", "localhost.evil.example", "0x7f000001.evil", "["]
)
async def test_a_name_that_leads_to_loopback_is_not_answered(bell: Bell, host: str) -> None:
    """DNS rebinding: the browser takes the page of `evil.example` for the daemon's own."""
    status, problem = await ask(bell, Host=host)
    assert (status, bell.rung) == (421, 0)
    assert "no other name" in str(problem["detail"])
    assert (await ask(bell, "/api/v1/status", "GET", "", Host=host))[0] == 421


@pytest.mark.parametrize("host", ["localhost", "cam.localhost", "127.0.0.1", "[::1]:9854"])
async def test_localhost_and_addresses_are_answered(bell: Bell, host: str) -> None:
    assert (await ask(bell, Host=host))[0] == 202


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_what_a_form_can_send_is_refused(bell: Bell, kind: str) -> None:
    status, _ = await ask(bell, Content_Type=kind)
    assert (status, bell.rung) == (415, 0)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "http://["]
)
async def test_another_page_is_refused(bell: Bell, origin: str) -> None:
    assert (await ask(bell, Origin=origin))[0] == 403
    assert (await ask(bell, Origin=origin, Authorization=f"Bearer {TOKEN}"))[0] == 403
    assert bell.rung == 0


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_the_browser_says_of_the_page_counts(bell: Bell, site: str) -> None:
    assert (await ask(bell, Sec_Fetch_Site=site))[0] == 403


async def test_the_own_page_may(bell: Bell) -> None:
    origin = f"http://localhost:{bell.address.port}"
    assert (await ask(bell, Origin=origin, Sec_Fetch_Site="same-origin"))[0] == 202


async def test_a_script_of_another_page_gets_no_leave_to_ask(bell: Bell) -> None:
    """Without a preflight that is answered, a browser sends no JSON to another origin."""
    status, _ = await ask(
        bell, method="OPTIONS", body="", Origin="https://evil.example", Content_Type=""
    )
    assert status == 405


@pytest.mark.parametrize("header", ["Forwarded", "X_Forwarded_For", "X_Real_IP", "Via"])
async def test_what_a_proxy_passes_on_needs_the_token(bell: Bell, header: str) -> None:
    status, problem = await ask(bell, **{header: "for=203.0.113.9"})
    assert (status, bell.rung) == (401, 0)
    assert "http_token" in str(problem["detail"])
    sesame = {header: "for=203.0.113.9", "Authorization": f"Bearer {TOKEN}"}
    assert (await ask(bell, **sesame))[0] == 202


@pytest.mark.parametrize("given", ["Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer"])
async def test_a_wrong_token_is_refused_also_from_this_machine(bell: Bell, given: str) -> None:
    assert (await ask(bell, Authorization=given))[0] == 401
    assert bell.rung == 0


@pytest.mark.parametrize("body", ["", "{", "[]", '{"times": "often"}', '{"when": 1}', "12", "nul"])
async def test_a_body_that_is_something_else_is_a_problem_with_a_sentence(
    bell: Bell, body: str
) -> None:
    status, problem = await ask(bell, body=body)
    if body == "":
        assert status == 202  # nothing to say is nothing said
        return
    assert (status, bell.rung) == (400, 0)
    assert problem["title"] == "Bad Request"
    assert str(problem["detail"]).startswith("The body is not what this action takes")


async def test_a_body_is_bounded(bell: Bell) -> None:
    status, problem = await ask(bell, body=" " * (MAX_BODY_BYTES + 1))
    assert (status, problem["detail"]) == (413, "The body is too long.")


async def test_actions_are_asked_for_with_post_only(bell: Bell) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        status, problem = await ask(bell, method=method)
        assert (status, bell.rung) == (405, 0)
        assert problem["detail"] == f"{PRESS} does not take {method}."


@pytest.mark.parametrize("bell", [TOKEN, None], indirect=True)
async def test_a_page_is_told_whether_it_may_act(
    bell: Bell, request: pytest.FixtureRequest
) -> None:
    """As it asks: with the headers that an action would have."""
    has_token = request.node.callspec.params["bell"] is not None

    async def told(**headers: str) -> object:
        status, found = await ask(bell, "/api/v1/operator", "GET", Content_Type="", **headers)
        assert status == 200
        assert found["token"] is has_token
        return found["allowed"]

    assert await told() is True
    assert await told(X_Forwarded_For="192.0.2.7") is False
    assert await told(Origin="http://evil.example") is False
    assert await told(Authorization="Bearer nothing-of-it") is False
    told_with = await told(X_Forwarded_For="192.0.2.7", Authorization=f"Bearer {TOKEN}")
    assert told_with is has_token
