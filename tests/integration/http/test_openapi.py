"""The API is what its description says: requests made from the description, and from its breach."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from prometheus_client import CollectorRegistry
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from common.ids import Address
from common.runtime.http import HttpServer
from common.runtime.tasks import Tasks
from serverproxy.metrics import ServerMetrics
from serverproxy.net.status import status
from serverproxy.net.web import DESCRIPTION, serve
from tests.support.crowd import Crowd

ROOT = Path(__file__).parents[3]
API = ROOT / "docs" / "api.md"
FILE = ROOT / "serverproxy" / "web" / "openapi.yaml"
SCHEMA = schemathesis.openapi.from_dict(yaml.safe_load(FILE.read_text()))
ENDLESS = "GET /api/v1/events"
EXAMPLES = 40


class Served:
    """A server proxy's HTTP side over a crowd, in a thread with a loop of its own."""

    def __init__(self) -> None:
        self.address: Future[str] = Future()
        self._end: Callable[[], object] = lambda: None
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.thread.start()
        self.url = f"http://{self.address.result(60)}"

    async def _run(self) -> None:
        ended, tasks = asyncio.Event(), Tasks()
        loop = asyncio.get_running_loop()
        self._end = partial(loop.call_soon_threadsafe, ended.set)
        crowd = Crowd("cam", 8, tasks=tasks)
        crowd.report(lambda number: (0.001 * number, 1, 0))
        channels = {"cam": crowd.channel}
        registry = CollectorRegistry()
        registry.register(ServerMetrics(channels))
        http = HttpServer(
            registry=registry,
            status=lambda: status(channels, "127.0.0.1:7854", "127.0.0.1:9854"),
            ready=lambda: (True, ""),
        )
        serve(http, channels, lambda _name: None)
        self.address.set_result(str(await http.start(Address("127.0.0.1", 0))))
        await ended.wait()
        await http.close()
        await tasks.close()

    def close(self) -> None:
        self._end()
        self.thread.join(20)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy between us and loopback
        yield session


class Asked(Protocol):
    """A request made from the description (`schemathesis.Case`)."""

    def call_and_validate(
        self,
        *,
        base_url: str,
        session: requests.Session,
        checks: list[CheckFunction],
        timeout: float,
    ) -> object: ...


DESCRIBED = {
    f"{one.ok().method.upper()} {one.ok().path}": one.ok()
    for one in SCHEMA.get_all_operations()
    if isinstance(one, Ok)
}
OPERATIONS = [one for one in DESCRIBED if one != ENDLESS]
CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]


@pytest.mark.parametrize(
    ("operation", "mode"),
    [
        *((one, GenerationMode.POSITIVE) for one in OPERATIONS),
        # Whatever GET asks for is only a name.
        *((one, GenerationMode.NEGATIVE) for one in OPERATIONS if one.startswith("POST")),
    ],
)
def test_every_answer_is_one_that_the_description_foresees(
    served: Served, session: requests.Session, operation: str, mode: GenerationMode
) -> None:
    strategy = DESCRIBED[operation].as_strategy(generation_mode=mode)

    @settings(
        derandomize=True,
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def check(case: Asked) -> None:
        case.call_and_validate(base_url=served.url, session=session, checks=CHECKS, timeout=20)

    check()


def test_the_description_is_served_and_names_every_route(
    served: Served, session: requests.Session
) -> None:
    found = session.get(served.url + DESCRIPTION, timeout=20)
    assert found.status_code == 200
    assert found.text == FILE.read_text()
    tasks = Tasks()

    async def routes() -> set[str]:
        http = HttpServer(registry=CollectorRegistry(), status=dict, ready=lambda: (True, ""))
        serve(http, {}, lambda _name: None)
        await tasks.close()
        return set(http.routes)

    pages = {route for route in asyncio.run(routes()) if "/web/" in route or route == "GET /"}
    assert asyncio.run(routes()) - pages - {f"GET {DESCRIPTION}"} == set(DESCRIBED)


def test_every_refusal_of_the_document_is_described_for_every_action() -> None:
    """405 and 503 are no answer to an action."""
    (errors,) = re.findall(r"^\*\*Errors\*\*(.*)$", API.read_text(), re.MULTILINE)
    paths = yaml.safe_load(FILE.read_text())["paths"]
    described = [set(one["post"]["responses"]) for one in paths.values() if "post" in one]
    assert len(described) == 4
    assert all(
        one == {"202", *re.findall(r"\b\d{3}\b", errors)} - {"405", "503"} for one in described
    )


@pytest.mark.parametrize("folder", ["common/runtime", "serverproxy/net"])
def test_every_refusal_of_the_code_is_in_the_document(folder: str) -> None:
    code = "".join(file.read_text() for file in (ROOT / folder).glob("*.py"))
    raised = set(re.findall(r"ProblemError\(\s*(\d{3})", code))
    assert raised
    assert raised <= set(re.findall(r"\b\d{3}\b", API.read_text()))


NODE = "/api/v1/channels/cam/nodes/n5-test"


@pytest.mark.parametrize(
    ("action", "body", "keys"),
    [
        ("move", {"stripe": 0}, {"node", "stripe", "from", "to"}),
        ("drain", {"drained": True}, {"node", "drained", "slots"}),
        ("drain", {"drained": False}, {"node", "drained", "slots"}),
        ("kick", {}, {"node"}),
    ],
)
def test_an_action_is_taken_and_told_to_those_who_watch(
    served: Served,
    session: requests.Session,
    action: str,
    body: dict[str, str | int | bool],
    keys: set[str],
) -> None:
    answer = session.post(f"{served.url}{NODE}/{action}", json=body, timeout=20)
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == keys
    events = session.get(f"{served.url}/api/v1/channels/cam", timeout=20).json()["events"]
    assert events[-1]["kind"] == "asked"
    assert "n5-test" in events[-1]["reason"]


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/api/v1/channels/lobby/close", {}, 404, "There is no channel 'lobby'"),
        ("/api/v1/channels/cam/nodes/n99/drain", {}, 404, "There is no node 'n99' in channel cam."),
        (f"{NODE}/move", {"stripe": 2}, 400, "Channel cam has no stripe 2."),
        (f"{NODE}/move", {}, 400, "missing required field `stripe`"),
        (f"{NODE}/move", {"stripe": 0, "parent": "n99"}, 409, "There is no node n99."),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    served: Served,
    session: requests.Session,
    path: str,
    body: dict[str, str | int | bool],
    status: int,
    sentence: str,
) -> None:
    answer = session.post(served.url + path, json=body, timeout=20)
    assert answer.status_code == status
    assert sentence in answer.json()["detail"]
