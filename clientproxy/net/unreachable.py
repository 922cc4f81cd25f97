"""Why a server proxy cannot be reached, as one sentence that says what to do."""

import errno
import socket

from common.ids import Address
from common.runtime.reasons import number_of

_NO_WAY = {errno.EHOSTUNREACH: "No route to host", errno.ENETUNREACH: "Network is unreachable"}


def unreachable(server: Address, error: OSError) -> str:
    """Return what connecting to the server proxy came to."""
    name = f"server proxy {server}"
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return (
                f"{name} cannot be looked up ({error.strerror}): is this machine online, does its"
                " DNS answer?"
            )
        return f"{name} cannot be found ({error.strerror}): is the host's name right?"
    if isinstance(error, TimeoutError):
        return (
            f"{name} does not answer: is its host on, and does a firewall let TCP port"
            f" {server.port} in?"
        )
    number = number_of(error, (errno.ECONNREFUSED, *_NO_WAY))
    if number == errno.ECONNREFUSED:
        return (
            f"{name} refuses connections: is serverproxy running there, and is {server.port} its"
            " port?"
        )
    if number in _NO_WAY:
        return f"{name} cannot be reached ({_NO_WAY[number]}): is this machine's network up?"
    why = error.strerror or str(error) or type(error).__name__
    return f"{name} cannot be reached ({why}): is serverproxy running there, and is the port open?"


def no_server_proxy(server: Address, how: str) -> str:
    """Return what to say of somebody who answers Join with something else."""
    return (
        f"{server} {how}: is {server.port} the port of a server proxy? (7854 unless configured"
        " otherwise)"
    )


def hangs_up(server: Address) -> str:
    """Return what to say of somebody who closes the link before it has answered Join."""
    return (
        f"{server} closes links without an answer: either it takes no more connections for now, as"
        f" its log then says, or {server.port} is not the port of a server proxy (7854 unless"
        " configured otherwise)"
    )
