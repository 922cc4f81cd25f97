"""Both daemons, as processes, tell a service manager how they do."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.processes import end_all
from tests.support.service_manager import ServiceManager


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def systemd() -> Iterator[ServiceManager]:
    with ServiceManager(watchdog=30) as manager:
        yield manager


def test_a_server_proxy_is_ready_without_its_source(
    tmp_path: Path, systemd: ServiceManager
) -> None:
    """A camera that is down is no failure: the unit is up and says what is missing."""
    source = {"cam": "rtsp://127.0.0.1:1/"}
    server = ServerProxy(tmp_path, source, env=systemd.env, fresh=True)
    assert systemd.next(60) == "READY=1"
    systemd.expect(r"STATUS=0 of 1 sources up, 0 nodes, 0 players; down: cam \(.+\)")
    systemd.expect("WATCHDOG=1")
    server.send(signal.SIGHUP)
    systemd.expect("RELOADING=1")
    systemd.expect("READY=1")
    server.stop()
    systemd.expect("STOPPING=1")


def test_a_client_proxy_is_ready_without_its_server_proxy(
    tmp_path: Path, systemd: ServiceManager
) -> None:
    """After a power failure all machines boot at once: nobody's boot waits for another's."""
    client = ClientProxy(tmp_path, "127.0.0.1:1", join=["cam"], env=systemd.env, fresh=True)
    assert systemd.next(60) == "READY=1"
    systemd.expect("STATUS=not joined yet: cam; 0 players")
    systemd.expect("WATCHDOG=1")
    assert not client.ready()
    client.stop()
    systemd.expect("STOPPING=1")


def test_the_sentence_follows_what_happens(tmp_path: Path, systemd: ServiceManager) -> None:
    server = ServerProxy(tmp_path, {"cam": "testcard:"}, env=systemd.env, fresh=True)
    systemd.expect("STATUS=1 of 1 sources up, 0 nodes, 0 players")
    with ServiceManager() as other:
        client = ClientProxy(tmp_path, server.overlay, env=other.env, fresh=True)
        other.expect("STATUS=no channel is joined: waiting for a player")
        client.stop()
        relay = ClientProxy(tmp_path, server.overlay, join=["cam"], env=other.env, fresh=True)
        other.expect("STATUS=joined: cam; 0 players")
        systemd.expect("STATUS=1 of 1 sources up, 1 nodes, 0 players")
        relay.stop()
    server.stop()
