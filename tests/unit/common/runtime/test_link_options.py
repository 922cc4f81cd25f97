"""What the kernel is told about each link."""

import asyncio
import socket
from unittest.mock import create_autospec

import pytest

from common.runtime.link import NOTSENT_LOWAT_BYTES, USER_TIMEOUT_MS, Idle, Link


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="not of this system")
async def test_unacknowledged_bytes_end_a_link_and_few_wait_in_the_kernel() -> None:
    sock = create_autospec(socket.socket, instance=True)
    transport = create_autospec(asyncio.Transport, instance=True)
    names = {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2), "socket": sock}
    transport.get_extra_info.side_effect = names.get
    Link(Idle()).connection_made(transport)
    told = {call.args[1]: call.args[2] for call in sock.setsockopt.call_args_list}
    assert told[socket.TCP_USER_TIMEOUT] == USER_TIMEOUT_MS
    assert told[socket.TCP_NOTSENT_LOWAT] == NOTSENT_LOWAT_BYTES
    transport.set_write_buffer_limits.assert_called_with(high=0)
