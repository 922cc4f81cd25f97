"""The main job: ten client proxies, unmodified players on each, packet for packet.

Rows Z1, Z2, Z4 to Z11, Z16, Z20, Z25, S1, S3 to S8, S36, Z45 of the checklist.
"""

from pathlib import Path

import pytest

from tests.support.capture import captures, compare_captures
from tests.support.clips import ClipName, clip
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, FULL, Fleet, long
from tests.support.players import FfmpegRecorder, GstPlayer, MpvPlayer, harm
from tests.support.processes import wait_until
from tests.support.rtsp_client import Transport
from tests.support.sockets import bytes_sent, connections
from tests.support.sources import GstOptions, GstSource, VlcSource

pytestmark = pytest.mark.e2e

SIX, TEN = 6, 10
LOWERS: tuple[Transport, Transport] = ("udp", "tcp")


def test_what_ten_ffmpegs_receive_is_what_a_gstreamer_source_sent(tmp_path: Path) -> None:
    """H.264 and AAC, over UDP and TCP, bit for bit; GStreamer and mpv play beside them."""
    seconds = long(8, 30)
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, seconds, LOWERS[number % 2])
            for number, client in enumerate(fleet.clients)
        ]
        gst = GstPlayer(fleet.clients[0].url(CHANNEL), tmp_path, seconds)
        mpv = MpvPlayer(fleet.clients[1].url(CHANNEL), tmp_path, seconds)
        verdicts = [compare(source.sent, one.result().path, least=100) for one in recorders]
        assert [str(verdict) for verdict in verdicts if not verdict.exact] == []
        for player in (gst.result(), mpv.result()):
            assert player.pictures >= 25 * seconds * 0.5, str(player)
            assert not harm(player.faults), str(player)
        fleet.assert_nothing_lost()


def test_what_ten_viewers_receive_is_what_a_vlc_source_sent(tmp_path: Path) -> None:
    """Debian's VLC as the server: what comes through is what comes directly, packet by packet."""
    seconds = long(8, 30)
    with VlcSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        through = [
            (client.url(CHANNEL), LOWERS[number % 2]) for number, client in enumerate(fleet.clients)
        ]
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, seconds, LOWERS[number % 2])
            for number, client in enumerate(fleet.clients)
        ]
        direct, *got = captures([(source.url, "udp"), *through], seconds)
        verdicts = [compare_captures(direct, one, least=50) for one in got]
        assert [str(verdict) for verdict in verdicts if not verdict.exact] == []
        assert all(not one.gaps(kind) for one in got for kind in ("video", "audio"))
        for one in recorders:
            recording = one.result()
            assert recording.path.stat().st_size > 10_000, str(recording)
            assert not harm(recording.faults), str(recording)
        fleet.assert_nothing_lost()


def test_each_stripe_leaves_the_server_proxy_once(tmp_path: Path) -> None:
    """Sent bytes are those of the source with 1 and with 10 viewers; the kernel counts the same."""
    seconds = long(8, 30)
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, 1) as fleet:
        assert _ratio(fleet, seconds) <= 1.02
        fleet.add(TEN - 1)
        fleet.settle()
        assert _ratio(fleet, seconds) <= 1.02
        # What passes between a scrape and a look at the sockets belongs to neither: two scrapes.
        first, kernel_before, second = _counted(fleet), _kernel(fleet), _counted(fleet)
        fleet.clients[0].wait_metric(
            "stripecast_packets_delivered_total",
            fleet.clients[0].metrics().total("stripecast_packets_delivered_total") + 300,
        )
        third, kernel_after, fourth = _counted(fleet), _kernel(fleet), _counted(fleet)
        kernel = sum(kernel_after[pair] - kernel_before.get(pair, 0) for pair in kernel_after)
        counted = f"the counters say {third - second} to {fourth - first}, the kernel {kernel}"
        assert 0.95 * (third - second) <= kernel <= 1.05 * (fourth - first), counted


def _counted(fleet: Fleet) -> float:
    """Return the bytes that the server proxy says it has sent."""
    names = ("stripecast_sent_bytes_total", "stripecast_overhead_bytes_total")
    metrics = fleet.server.metrics()
    return sum(metrics.total(name) for name in names)


def _kernel(fleet: Fleet) -> dict[tuple[str, str], int]:
    """Return the bytes that the kernel has sent, for each connection at its overlay port."""
    sent = bytes_sent(fleet.server.pid)
    return {pair: count for pair, count in sent.items() if pair[0] == fleet.server.overlay}


def _ratio(fleet: Fleet, seconds: float) -> float:
    """Return sent / source bytes over some seconds of stream."""
    before = fleet.server.metrics()
    packets = before.total("stripecast_source_packets_total")
    rate = 25 * 2 + 47  # packets a second, about
    fleet.server.wait_metric("stripecast_source_packets_total", packets + rate * seconds, 120)
    after = fleet.server.metrics()
    sent, source = (
        after.total(name) - before.total(name)
        for name in ("stripecast_sent_bytes_total", "stripecast_source_bytes_total")
    )
    return sent / source


def test_the_trees_of_the_api_are_the_trees_in_the_sockets(tmp_path: Path) -> None:
    """Every edge is an established connection of both processes, and there is no other."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        fleet.settle()
        by_node = fleet.by_node()
        overlay = {"root": fleet.server.overlay} | {
            node: client.overlay for node, client in by_node.items()
        }
        owner = {address: node for node, address in overlay.items()}

        def in_api() -> list[tuple[str, str]]:
            """Beside parents and standbys each node has its control link to the server proxy."""
            edges = [(child, parent) for tree in fleet.trees() for child, parent in tree.items()]
            edges += [(node, s) for node, one in by_node.items() for s in fleet.standbys(one)]
            return sorted([*edges, *((node, "root") for node in by_node)])

        def in_kernel() -> list[tuple[str, str]]:
            return sorted(
                (node, owner[remote])
                for node, client in by_node.items()
                for _, remote in connections(client.pid)
                if remote in owner
            )

        # A move may be under way while both are read.
        wait_until(lambda: in_api() == in_kernel(), 60, "sockets as the trees say")


def test_forty_kilobits_a_second_to_ten_clients(tmp_path: Path) -> None:
    """The paper's own test (Z2): 40 kbit/s, ten clients, all complete."""
    seconds = long(5, 60)
    options = GstOptions(video="tiny", audio=None)
    with GstSource(tmp_path, options) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, seconds) for client in fleet.clients
        ]
        verdicts = [
            compare(source.sent, one.result().path, expect=("video",), least=30)
            for one in recorders
        ]
        assert [str(verdict) for verdict in verdicts if not verdict.exact] == []
        fleet.assert_nothing_lost()


FIVE: tuple[ClipName, ...] = ("paper",) * 5
LOADS: tuple[ClipName, ...] = (*FIVE, "sd", "hd") if FULL else ("paper",)


@pytest.mark.parametrize("load", LOADS)
def test_what_six_receive_of_the_load_of_spreadit(tmp_path: Path, load: ClipName) -> None:
    """SpreadIt's own clip and six clients, five runs; then 2 and 4 Mbit/s (S36, Z45)."""
    seconds = long(4, 37.12)
    options = GstOptions(video=load)
    with GstSource(tmp_path, options) as source, Fleet(tmp_path, source.url, SIX) as fleet:
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, seconds, LOWERS[number % 2])
            for number, client in enumerate(fleet.clients)
        ]
        verdicts = [compare(source.sent, one.result().path, least=30) for one in recorders]
        assert [str(verdict) for verdict in verdicts if not verdict.exact] == []
        fleet.assert_nothing_lost()


def test_the_load_of_spreadit_is_what_the_paper_says() -> None:
    """834,352 bytes in 37.12 s."""
    made = clip("paper")
    sound = made.aac.stat().st_size * 37.12 / (1500 * 1024 / made.aac_rate)
    assert made.video.stat().st_size + sound == pytest.approx(834_352, rel=0.1)
