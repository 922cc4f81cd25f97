"""The bench is to be trusted: good streams are judged exact, bad ones are not."""

import json
import socket
import time
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from tests.support.capture import captures, compare_captures
from tests.support.exactness import compare
from tests.support.netns import CUT, Link, Network
from tests.support.players import FfmpegPlayer, FfmpegRecorder, GstPlayer, MpvPlayer, harm
from tests.support.sources import GstOptions, GstSource, VlcSource

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_gstreamer_to_ffmpeg_is_exact_and_every_fault_is_seen(tmp_path: Path) -> None:
    """Both transports at once; then the recording is damaged in every way that counts."""
    with GstSource(tmp_path) as source:
        lowers: list[Literal["tcp", "udp"]] = ["tcp", "udp"]
        recorders = [FfmpegRecorder(source.url, tmp_path, 4, lower) for lower in lowers]
        recordings = [recorder.result() for recorder in recorders]
    for recording in recordings:
        verdict = compare(source.sent, recording.path)
        verdict.check()
        assert verdict.tracks["video"].matched >= 70
        assert not harm(recording.faults)

    lines = recordings[0].path.read_text().splitlines()
    video = [i for i, line in enumerate(lines) if line.startswith("0,")]
    damaged = tmp_path / "damaged"

    def differs(text: list[str]) -> bool:
        damaged.write_text("\n".join(text) + "\n")
        return not compare(source.sent, damaged).exact

    a, b = video[20], video[21]
    assert differs(lines[:a] + lines[b:]), "a picture is missing"
    assert differs([*lines[: b + 1], *lines[b:]]), "a picture comes twice"
    assert differs([*lines[:a], lines[b], lines[a], *lines[b + 1 :]]), "two pictures are swapped"
    assert differs([line for line in lines if not line.startswith("1,")]), "there is no sound"
    assert differs([*lines[:a], lines[a][:-1] + "~", *lines[b:]]), "a picture is damaged"
    assert differs(lines[: video[5]]), "it ends at once"


@pytest.mark.parametrize(
    "options",
    [
        GstOptions(audio="opus"),
        GstOptions(video=None),
        GstOptions(video="heavy", audio=None),
        GstOptions(video="tiny"),
    ],
    ids=["opus", "audio-only", "heavy", "tiny"],
)
def test_other_clips_are_exact_too(tmp_path: Path, options: GstOptions) -> None:
    with GstSource(tmp_path, options) as source:
        recording = FfmpegRecorder(source.url, tmp_path, 3, "tcp").result()
    expect = [k for k, v in (("video", options.video), ("audio", options.audio)) if v]
    verdict = compare(source.sent, recording.path, expect)
    verdict.check()


def test_players_play_from_the_source(tmp_path: Path) -> None:
    with GstSource(tmp_path) as source:
        players = [kind(source.url, tmp_path, 6.0) for kind in (FfmpegPlayer, MpvPlayer, GstPlayer)]
        for player in players:
            result = player.result()
            assert result.pictures >= 50, str(result)
            begun_late = {"lost"} if result.player == "gst" else set()  # by its RTP-Info
            assert set(result.faults) <= begun_late, str(result)


def test_a_password_is_asked_for(tmp_path: Path) -> None:
    with GstSource(tmp_path, GstOptions(auth="eve:secret", auth_method="digest")) as source:
        without = FfmpegRecorder(source.url, tmp_path, 2)
        with_it = FfmpegRecorder(source.url_with("eve:secret"), tmp_path, 2)
        assert without.result().returncode != 0
        verdict = compare(source.sent, with_it.result().path)
        verdict.check()


def test_two_captures_of_vlc_are_equal_packet_for_packet(tmp_path: Path) -> None:
    with VlcSource(tmp_path) as source:
        one, two = captures([(source.url, "udp"), (source.url, "udp")], 4)
    verdict = compare_captures(one, two, least=40)
    verdict.check()
    assert not one.gaps("video")

    del two.rtp["video"][20]
    assert not compare_captures(one, two).exact
    del two.rtp["audio"]
    assert "no overlap" in str(compare_captures(one, two))


@pytest.mark.parametrize("video", ["loop", "h265"])
def test_captures_by_all_transports_are_equal(
    tmp_path: Path, video: Literal["loop", "h265"]
) -> None:
    with GstSource(tmp_path, GstOptions(video=video)) as source:
        url = source.url
        tcp, udp, http = captures([(url, "tcp"), (url, "udp"), (url, "http")], 3)
    for other in (udp, http):
        verdict = compare_captures(tcp, other)
        verdict.check()


def test_faults_of_the_source_show(tmp_path: Path) -> None:
    """A stall leaves a hole in the log's numbering, not in the stream; BYE reaches the client."""
    with GstSource(tmp_path) as source:
        recorder = FfmpegRecorder(source.url, tmp_path, 5, "tcp")
        source.expect_sent(60)
        source.stall("video")
        source.expect_sent(60, "audio")
        source.resume()
        recording = recorder.result()
        verdict = compare(source.sent, recording.path)
        verdict.check()
        numbers = [json.loads(line) for line in source.sent.read_text().splitlines()]
        video = [unit["n"] for unit in numbers if unit["track"] == "video"]
        assert max(b - a for a, b in pairwise(video)) > 1
        source.bye()
        after = FfmpegRecorder(source.url, tmp_path, 60, "tcp")
        source.drop()
        assert after.result().ended_by == "itself"


def _round_trip(address: str) -> float:
    """Seconds until a closed port refuses; the limit when nothing comes back."""
    best = 1.0
    for _ in range(3):
        with socket.socket() as probe:
            probe.settimeout(1.0)
            began = time.monotonic()
            try:
                probe.connect((address, 9))
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                best = min(best, time.monotonic() - began)
    return best


def test_a_network_delays_and_cuts_and_leaves_nothing(tmp_path: Path) -> None:
    with Network(tmp_path, hosts=2, links={2: Link(delay=0.04)}) as net:
        near, far = _round_trip(net.address(1)), _round_trip(net.address(2))
        assert near < 0.04
        assert 0.08 <= far < 0.5
        net.set_link(2, CUT)
        assert _round_trip(net.address(2)) >= 1.0
        inside = net.popen(1, ["ip", "-o", "addr"])
        inside.wait(10)
        assert net.address(1) in inside.text()
    with Network(tmp_path, hosts=2) as again:
        assert _round_trip(again.address(2)) < 0.08


def test_a_recording_across_a_slow_network_is_exact(tmp_path: Path) -> None:
    """TCP hides delay, jitter and loss; the bench agrees."""
    link = Link(delay=0.02, jitter=0.005, loss=0.01)
    with Network(tmp_path, hosts=2, links={2: link}) as net:
        options = GstOptions(address=net.address(1))
        with GstSource(tmp_path, options, wrap=net.wrap(1)) as source:
            recorder = FfmpegRecorder(source.url, tmp_path, 4, "tcp", wrap=net.wrap(2))
            compare(source.sent, recorder.result().path).check()
