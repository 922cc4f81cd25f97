"""Reasons of the system."""

import errno
import socket

import pytest

from common.runtime.reasons import number_of, reason


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(errno.EADDRINUSE, "error while attempting to bind"), "Address already in use"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not kn"),
        (OSError("Multiple exceptions: one, two"), "Multiple exceptions: one, two"),
    ],
)
def test_the_reason_is_the_systems_own(error: OSError, why: str) -> None:
    assert reason(error).startswith(why)


def test_a_joint_error_has_the_first_number_that_is_known() -> None:
    joint = OSError("Multiple exceptions: [Errno 113] no route, [Errno 111] refused")
    assert number_of(joint, (111, 113)) == 111
    assert number_of(joint, (1,)) is None
    assert number_of(OSError(5, "[Errno 111]"), (111,)) == 5
