"""The bench of the fault tests measures what it says, and cuts what it says."""

import math
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.capture import Capture, RtpPacket
from tests.support.netbench import Cable, Hosts
from tests.support.nursery import enter
from tests.support.outcomes import faults_of
from tests.support.stalls import CLOCK_RATES, percentile, stall

pytestmark = pytest.mark.e2e

BEGAN = 1000.0
PACED = 0.04
"""Seconds from packet to packet."""


def _captured(held: range = range(0), lacking: range = range(0), until: int = 200) -> Capture:
    """Return a capture of paced packets; those of `held` come with the one behind them."""
    capture = Capture(began=BEGAN)
    for number in range(until):
        if number in lacking:
            continue
        come = (held.stop if number in held else number) * PACED
        for kind, rate in CLOCK_RATES.items():
            stamp = (0xFFFFF000 + round(number * PACED * rate)) & 0xFFFFFFFF
            packet = RtpPacket(number, stamp, True, 96, 1, 9, f"{kind}{number}", come)
            capture.rtp.setdefault(kind, []).append(packet)
    return capture


def test_a_stall_is_the_wait_for_packets_that_were_captured_meanwhile() -> None:
    """Packets 100 to 111 come 12 x 40 ms late; the even pace itself is no stall."""
    capture = _captured(held=range(100, 112))
    assert stall(_captured(), BEGAN + 4) == pytest.approx(0)
    assert stall(capture, BEGAN + 4) == pytest.approx(12 * PACED)
    assert stall(capture, BEGAN + 3.5) == pytest.approx(12 * PACED)
    assert stall(capture, BEGAN + 2.9) == pytest.approx(0), "it came more than a second later"
    assert stall(capture, BEGAN + 5) == pytest.approx(0), "it was over"
    assert stall(_captured(until=110), BEGAN + 4) == math.inf, "nothing more came"


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0, 0.5, 0.95, 1)] == [1, 50, 95, 100]
    assert percentile([7.0], 0.95) == 7.0


def test_a_packet_that_is_not_there_and_an_early_end_are_faults() -> None:
    direct = _captured()
    assert faults_of(_captured(), direct) == []
    assert faults_of(_captured(held=range(100, 112)), direct) == []
    assert len(faults_of(_captured(lacking=range(120, 121)), direct)) == 4, "both tracks, twice"
    assert len(faults_of(_captured(until=140), direct)) >= 2


def test_a_cable_lets_through_what_its_name_says(tmp_path: Path) -> None:
    passing: dict[Cable, tuple[bool, bool]] = {
        "whole": (True, True),
        "mute": (False, True),
        "deaf": (True, False),
        "cut": (False, False),
        "pulled": (False, False),
    }
    with Hosts(tmp_path, 2) as hosts:
        first, second = links = [_socket(hosts, host) for host in (1, 2)]
        for cable, (leaves, comes) in passing.items():
            hosts.set(1, "whole")
            assert _passes(first, second, True)
            assert _passes(second, first, True)
            hosts.set(1, cable)
            assert _passes(first, second, leaves) == leaves, cable
            assert _passes(second, first, comes) == comes, cable
        for link in links:
            link.close()


def _socket(hosts: Hosts, host: int) -> socket.socket:
    """Return a UDP socket on that host; only a thread enters its namespace."""

    def made() -> socket.socket:
        enter(hosts.namespace(host))
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.bind((hosts.address(host), 0))
        return link

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(made).result()


def _passes(source: socket.socket, target: socket.socket, expected: bool) -> bool:
    """Whether a datagram arrives; the first may be lost while addresses are asked for."""
    target.settimeout(0.05)
    mine = secrets.token_bytes(8)
    for _ in range(200 if expected else 5):
        with suppress(OSError):
            source.sendto(mine, target.getsockname())
            while target.recv(16) != mine:
                pass  # one that comes late from an earlier look
            return True
    return False
