"""Every process of an end-to-end test ends with it; the logs are shown when it has failed."""

from collections.abc import Generator, Iterator

import pytest

from tests.support import nursery
from tests.support.processes import LAUNCHED, end_all


@pytest.fixture(scope="session", autouse=True)
def _daemons_are_forked() -> Iterator[None]:
    with nursery.shared():
        yield


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and report.failed and call.excinfo is not None:
        for process in LAUNCHED:
            report.sections.append((f"log of {process}", process.tail(60)))
        report.sections.append(("bench", f"{item.nodeid}: {len(LAUNCHED)} processes"))
    return report
