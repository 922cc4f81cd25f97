"""A daemon that is to listen everywhere, where somebody else has the port of one family."""

import errno
import socket
from collections.abc import Iterator

import pytest

from clientproxy.net.rtsp_server import RtspServer
from common.ids import Address
from common.runtime.link import Handler
from common.runtime.listener import Listener
from common.runtime.tasks import Tasks
from tests.support.rtsp_feed import StandInChannels


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """Return a port on which somebody listens, in that family alone."""
    try:
        sock = socket.socket(request.param)
    except OSError as error:
        pytest.skip(f"no such family here: {error}")
    with sock:
        if request.param == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(("", 0))
        except OSError as error:
            pytest.skip(f"no such address here: {error}")
        sock.listen()
        yield sock.getsockname()[1]


async def test_the_rtsp_server_does_not_start_on_half_a_port(taken: int) -> None:
    tasks = Tasks()
    server = RtspServer(StandInChannels(), tasks)
    with pytest.raises(OSError, match="in use") as fault:
        await server.start(Address("", taken))
    assert fault.value.errno == errno.EADDRINUSE
    await server.close()
    await tasks.close()


async def test_the_overlay_does_not_start_on_half_a_port(taken: int) -> None:
    def never() -> Handler:
        raise AssertionError

    listener = Listener(never)
    with pytest.raises(OSError, match="in use") as fault:
        await listener.start(Address("", taken))
    assert fault.value.errno == errno.EADDRINUSE
    await listener.close()
