"""One continuous stream per track, whatever the source does, and reports that fit it."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from clientproxy.core.playout import Outgoing, Playout, Start
from common import rtcp, rtp
from common.fields import SenderReport, Track
from common.frame import FLAG_KEYFRAME, FLAG_RTCP, Packet
from tests.support.rtp_packets import rtp_packet

SECOND = 1_000_000
UNIX = 1_790_000_000 * SECOND
NTP_UNIX = 2_208_988_800
VIDEO = Track(index=0, kind="video", codec="H264", clock_rate=90_000, payload_type=96)
AUDIO = Track(index=1, kind="audio", codec="MPEG4-GENERIC", clock_rate=48_000, payload_type=97)


class Source:
    """A track of a source: its numbers go on with time."""

    def __init__(self, track: Track, seq: int, stamp: int, ssrc: int) -> None:
        self.track, self.seq, self.stamp, self.ssrc = track, seq, stamp, ssrc

    def packet(self, number: int, at: float, *, late: float = 0.0, flags: int = 0) -> Packet:
        """Return packet `number` with the picture of `at` seconds, captured `late` s after it."""
        payload_type = self.track.payload_type
        stamp = (self.stamp + round(at * self.track.clock_rate)) % 2**32
        header = rtp.Header(True, payload_type, (self.seq + number) % 2**16, stamp, self.ssrc)
        body = f"{self.track.kind} {number}".encode()
        capture_us = UNIX + round((at + late) * SECOND)
        return Packet(number, capture_us, self.track.index, flags, rtp_packet(header, body))

    def report(self, at: float, ntp_seconds: float) -> SenderReport:
        """Return what the source says of the instant `at`."""
        stamp = (self.stamp + round(at * self.track.clock_rate)) % 2**32
        return SenderReport(self.ssrc, int(ntp_seconds * 2**32), stamp)


class Sent(NamedTuple):
    """RTP packets of one track, as sent."""

    seqs: list[int]
    stamps: list[int]
    ssrcs: set[int]


def sent(out: Sequence[Outgoing], track: int) -> Sent:
    headers = [rtp.parse(o.payload) for o in out if o.track == track and not o.rtcp]
    known = [header for header in headers if header is not None]
    return Sent([h.sequence for h in known], [h.timestamp for h in known], {h.ssrc for h in known})


def infos(out: Sequence[Outgoing]) -> dict[int, rtcp.SenderInfo]:
    found = {o.track: rtcp.sender_info(o.payload) for o in out if o.rtcp}
    return {track: info for track, info in found.items() if info is not None}


def seconds_at(info: rtcp.SenderInfo, stamp: int, rate: int) -> float:
    """Return the NTP time that a report gives to a timestamp."""
    ahead = (stamp - info.rtp + 2**31) % 2**32 - 2**31
    return info.ntp / 2**32 + ahead / rate


def playout(*tracks: Track, reports: dict[int, SenderReport] | None = None) -> Playout:
    made = Playout("session")
    made.add_tracks(tracks)
    made.note_reports({} if reports is None else reports)
    return made


def seconds(batch: Sequence[Packet]) -> float:
    """Return when packets come that come as soon as they are captured."""
    return (batch[-1].capture_us - UNIX) / SECOND if batch else 0.0


def start(
    play: Playout, backlog: Sequence[Packet], now: float | None = None
) -> tuple[list[Outgoing], dict[int, Start]]:
    return play.start(backlog, seconds(backlog) if now is None else now)


def push(play: Playout, batch: Sequence[Packet], now: float | None = None) -> list[Outgoing]:
    return play.push(batch, seconds(batch) if now is None else now)


def test_packets_are_passed_on_as_the_source_sent_them() -> None:
    source = Source(VIDEO, 65_534, 2**32 - 100, 7)
    packets = [source.packet(n, n / 25) for n in range(6)]
    play = playout(VIDEO)
    out, _ = start(play, packets[:2])
    out += push(play, packets[2:])
    assert [o.payload for o in out if not o.rtcp] == [p.payload for p in packets]
    assert [o.source for o in out if not o.rtcp] == packets


def test_rtcp_other_tracks_and_stumps_are_passed_over() -> None:
    source, audio = Source(VIDEO, 0, 0, 7), Source(AUDIO, 0, 0, 8)
    stump = Packet(1, UNIX, 0, 0, b"\x80\x60")
    report = Packet(2, UNIX, 0, FLAG_RTCP, bytes(28))
    play = playout(VIDEO)
    assert push(play, [audio.packet(0, 0), stump, report]) == []
    out, starts = start(play, [stump, audio.packet(1, 0), source.packet(0, 0)])
    assert sent(out, 0).seqs == [0]
    assert starts == {0: Start(0, 0)}


def test_a_report_goes_out_before_the_first_packet_of_a_track() -> None:
    video, audio = Source(VIDEO, 5, 1000, 7), Source(AUDIO, 9, 2000, 8)
    play = playout(VIDEO, AUDIO)
    out, _ = start(play, [video.packet(0, 0), video.packet(1, 0)])
    out += push(play, [audio.packet(0, 0.5), audio.packet(1, 0.6)])
    assert [(o.track, o.rtcp) for o in out] == [
        (0, True),
        (0, False),
        (0, False),
        (1, True),
        (1, False),
        (1, False),
    ]
    info = infos(out)[1]
    assert (info.ssrc, info.rtp, info.packets, info.octets) == (8, 2000 + 24_000, 0, 0)
    names = [part for o in out if o.rtcp for part in rtcp.walk(o.payload)]
    assert [part.kind for part in names] == [rtcp.SR, rtcp.SDES] * 2


def test_without_reports_of_the_source_ntp_is_capture_time_for_all_tracks() -> None:
    video, audio = Source(VIDEO, 5, 1000, 7), Source(AUDIO, 9, 2**32 - 5, 8)
    play = playout(VIDEO, AUDIO)
    out, _ = start(play, [video.packet(0, 0), audio.packet(0, 0.25)])
    assert abs(seconds_at(infos(out)[0], 1000, 90_000) - 1_790_000_000 - NTP_UNIX) < 1e-6
    assert abs(seconds_at(infos(out)[1], 12_000 - 5, 48_000) - 1_790_000_000.25 - NTP_UNIX) < 1e-6


def test_the_sources_own_reports_give_the_ntp_time() -> None:
    video, audio = Source(VIDEO, 5, 1000, 7), Source(AUDIO, 9, 2000, 8)
    reports = {0: video.report(0.0, 500.0), 1: audio.report(0.3, 500.3)}
    play = playout(VIDEO, AUDIO, reports=reports)
    out, _ = start(play, [video.packet(0, 1.0), audio.packet(0, 1.2, late=0.4)])
    assert abs(seconds_at(infos(out)[0], 1000, 90_000) - 500.0) < 1e-6
    assert abs(seconds_at(infos(out)[1], 2000, 48_000) - 500.0) < 1e-6


def test_a_report_on_another_ssrc_or_without_a_clock_is_not_believed() -> None:
    video = Source(VIDEO, 5, 1000, 7)
    for report in (SenderReport(99, 500 << 32, 1000), SenderReport(7, 0, 1000)):
        out, _ = start(playout(VIDEO, reports={0: report}), [video.packet(0, 0)])
        assert abs(seconds_at(infos(out)[0], 1000, 90_000) - 1_790_000_000 - NTP_UNIX) < 1e-6


def test_a_late_track_joins_the_line_of_the_first() -> None:
    """Sound begins later and the source has not reported on it: its NTP time is the video's."""
    video, audio = Source(VIDEO, 5, 1000, 7), Source(AUDIO, 9, 2000, 8)
    play = playout(VIDEO, AUDIO, reports={0: video.report(0, 500.0)})
    start(play, [video.packet(0, 0)])
    out = push(play, [video.packet(1, 2.0), audio.packet(0, 3.0)])
    assert abs(seconds_at(infos(out)[1], 2000, 48_000) - 500.0) < 1e-6


def test_the_sources_reports_correct_the_others_by_the_line_of_the_first() -> None:
    """The audio was captured 0.4 s late: the reports of the source show it, video does not move."""
    video, audio = Source(VIDEO, 5, 1000, 7), Source(AUDIO, 9, 2000, 8)
    reports: dict[int, SenderReport] = {}
    play = playout(VIDEO, AUDIO, reports=reports)
    start(play, [video.packet(0, 0), audio.packet(0, 0.0, late=0.4)])
    reports[0] = video.report(0, 77.0)
    first = infos(play.reports())
    assert abs(seconds_at(first[1], 2000, 48_000) - 1_790_000_000.4 - NTP_UNIX) < 1e-6
    reports[1] = audio.report(0, 77.0)
    second = infos(play.reports())
    assert abs(seconds_at(second[0], 1000, 90_000) - 1_790_000_000 - NTP_UNIX) < 1e-6
    assert abs(seconds_at(second[1], 2000, 48_000) - 1_790_000_000 - NTP_UNIX) < 1e-6


def test_reports_count_what_was_sent_and_show_the_latest_packet() -> None:
    video = Source(VIDEO, 5, 1000, 7)
    play = playout(VIDEO)
    assert play.reports() == []
    start(play, [video.packet(n, n) for n in range(3)])
    info = infos(play.reports())[0]
    assert (info.ssrc, info.rtp, info.packets, info.octets) == (7, 1000 + 2 * 90_000, 3, 21)


def test_the_line_holds_for_more_than_half_a_turn_of_the_timestamps() -> None:
    """A 32-bit timestamp at 90 kHz turns after 13 hours."""
    video = Source(VIDEO, 5, 1000, 7)
    play = playout(VIDEO)
    start(play, [video.packet(0, 0)])
    for hour in range(1, 20):
        push(play, [video.packet(hour, hour * 3600.0)])
        info = infos(play.reports())[0]
        assert abs(info.ntp / 2**32 - 1_790_000_000 - NTP_UNIX - hour * 3600) < 1e-3


def test_rtp_info_means_one_instant_for_all_tracks() -> None:
    video, audio = Source(VIDEO, 65_535, 1000, 7), Source(AUDIO, 9, 2000, 8)
    _, starts = start(
        playout(VIDEO, AUDIO),
        [video.packet(0, 1.0, flags=FLAG_KEYFRAME), audio.packet(3, 1.5), audio.packet(4, 1.6)],
    )
    assert starts == {0: Start(65_535, 1000 + 90_000), 1: Start(12, 2000 + 48_000)}


def test_rtp_info_is_left_out_unless_all_next_packets_are_known() -> None:
    video = Source(VIDEO, 5, 1000, 7)
    assert start(playout(VIDEO, AUDIO), [video.packet(0, 1.0)])[1] == {}
    assert start(playout(VIDEO, AUDIO), [])[1] == {}


def restarted(play: Playout) -> tuple[Source, Source]:
    play.source_restarted()
    return Source(VIDEO, 40_000, 9_000_000, 70), Source(AUDIO, 3, 5_000_000, 80)


def test_a_restart_of_the_source_is_one_stream_for_the_player() -> None:
    video, audio = Source(VIDEO, 65_534, 1000, 7), Source(AUDIO, 9, 2000, 8)
    play = playout(VIDEO, AUDIO)
    out, _ = start(play, [video.packet(0, 0), video.packet(1, 0.04), audio.packet(0, 0.05)])
    video, audio = restarted(play)
    after = [video.packet(0, 2.04), video.packet(1, 2.08), audio.packet(0, 2.05)]
    new = push(play, after)
    assert sent(out + new, 0) == Sent([65_534, 65_535, 0, 1], [1000, 4600, 184_600, 188_200], {7})
    assert sent(out + new, 1) == Sent([9, 10], [4400, 100_400], {8})
    assert [o.payload[12:] for o in new] == [p.payload[12:] for p in after]
    assert [o.payload[:2] for o in new] == [p.payload[:2] for p in after]


def test_a_restart_that_was_not_told_shows_by_its_ssrc() -> None:
    play = playout(VIDEO)
    out, _ = start(play, [Source(VIDEO, 10, 1000, 7).packet(0, 0)])
    out += push(play, [Source(VIDEO, 5, 0, 70).packet(0, 1.0)])
    assert sent(out, 0) == Sent([10, 11], [1000, 91_000], {7})


def test_timestamps_never_stand_still_over_a_restart() -> None:
    play = playout(VIDEO)
    out, _ = start(play, [Source(VIDEO, 10, 1000, 7).packet(0, 0)])
    play.source_restarted()
    out += push(play, [Source(VIDEO, 5, 0, 7).packet(0, 0.0, late=-1.0)])
    assert sent(out, 0).stamps == [1000, 1001]


@pytest.mark.parametrize("step", [5.0, 60.0, 3600.0, -5.0, -3600.0])
def test_a_clock_that_was_stepped_between_two_server_processes_is_not_seen(step: float) -> None:
    """It was away for four seconds: so much goes on, for both tracks alike."""
    video, audio = Source(VIDEO, 10, 1000, 7), Source(AUDIO, 20, 2000, 8)
    play = playout(VIDEO, AUDIO)
    out, _ = start(play, [video.packet(0, 0), audio.packet(0, 0.02)], now=0.02)
    video, audio = restarted(play)
    out += push(play, [video.packet(0, 0, late=4.0 + step)], now=4.02)
    out += push(play, [audio.packet(0, 0, late=4.05 + step)], now=4.08)
    assert sent(out, 0).stamps == [1000, 1000 + 90_000 * 4]
    assert sent(out, 1).stamps == [2000 + 960, 2000 + 960 + round(48_000 * 4.03)]


def test_a_step_of_the_clock_is_taken_out_once() -> None:
    """Another SSRC, later and in the midst of the stream, is no restart."""
    play = playout(VIDEO)
    out, _ = start(play, [Source(VIDEO, 10, 1000, 7).packet(0, 0)], now=0.0)
    play.source_restarted()
    after = Source(VIDEO, 5, 0, 70)
    out += push(play, [after.packet(0, 1.0, late=-1.5)], now=1.0)
    out += push(play, [after.packet(1, 2.0, late=-1.5)], now=2.0)
    out += push(play, [Source(VIDEO, 900, 0, 71).packet(0, 2.04, late=-1.5)], now=2.04)
    assert sent(out, 0).stamps == [1000, 91_000, 181_000, 181_000 + 3600]


def test_a_packet_that_waited_behind_a_gap_makes_no_step_of_the_clock() -> None:
    play = playout(VIDEO)
    out, _ = start(play, [Source(VIDEO, 10, 1000, 7).packet(0, 0)], now=2.0)
    play.source_restarted()
    out += push(play, [Source(VIDEO, 5, 0, 70).packet(0, 1.9)], now=2.0)
    assert sent(out, 0).stamps == [1000, 1000 + 171_000]


def test_tracks_stay_together_also_at_the_edge_of_what_is_a_step() -> None:
    video, audio = Source(VIDEO, 10, 1000, 7), Source(AUDIO, 20, 2000, 8)
    play = playout(VIDEO, AUDIO)
    out, _ = start(play, [video.packet(0, 0), audio.packet(0, 0)], now=0.0)
    video, audio = restarted(play)
    out += push(play, [video.packet(0, 2.9), audio.packet(0, 3.1)], now=1.0)
    assert sent(out, 0).stamps == [1000, 1000 + 261_000]
    assert sent(out, 1).stamps == [2000, 2000 + 148_800]


def test_a_restart_before_the_first_packet_changes_nothing() -> None:
    play = playout(VIDEO)
    start(play, [])
    play.source_restarted()
    assert sent(push(play, [Source(VIDEO, 10, 1000, 7).packet(0, 0)]), 0).seqs == [10]


def test_after_a_restart_the_line_goes_on_and_old_reports_are_not_believed() -> None:
    video, audio = Source(VIDEO, 1, 1000, 7), Source(AUDIO, 9, 2000, 8)
    reports = {0: video.report(0, 500.0), 1: audio.report(0, 500.0)}
    play = playout(VIDEO, AUDIO, reports=reports)
    start(play, [video.packet(0, 0), audio.packet(0, 0)])
    play.source_restarted()
    # The source keeps its SSRCs, so that only the age of the reports gives them away.
    video, audio = Source(VIDEO, 50, 70_000, 7), Source(AUDIO, 60, 80_000, 8)
    push(play, [video.packet(0, 3.0), audio.packet(0, 3.0, late=0.1)])
    lines = infos(play.reports())
    assert abs(seconds_at(lines[0], 1000, 90_000) - 500.0) < 1e-6
    assert abs(seconds_at(lines[1], 2000, 48_000) - 500.0) < 1e-6
    reports |= {0: video.report(3, 9.0), 1: audio.report(3, 9.0)}
    corrected = infos(play.reports())
    assert abs(seconds_at(corrected[0], 1000, 90_000) - 500.0) < 1e-6
    assert abs(seconds_at(corrected[1], 2000, 48_000) - 500.0 + 0.1) < 1e-3


def test_a_track_that_waits_after_a_restart_keeps_its_line() -> None:
    video, audio = Source(VIDEO, 1, 1000, 7), Source(AUDIO, 9, 2000, 8)
    reports = {0: video.report(0, 500.0), 1: audio.report(0, 500.0)}
    play = playout(VIDEO, AUDIO, reports=reports)
    start(play, [video.packet(0, 0), audio.packet(0, 0)])
    play.source_restarted()
    video = Source(VIDEO, 50, 70_000, 70)
    push(play, [video.packet(0, 3.0)])
    reports[0] = video.report(3.0, 1000.0)
    lines = infos(play.reports())
    assert abs(seconds_at(lines[0], 1000, 90_000) - 500.0) < 1e-6
    assert abs(seconds_at(lines[1], 2000, 48_000) - 500.0) < 1e-6


def test_a_short_pause_is_played_from_the_keyframe_without_a_jump_back() -> None:
    """The last keyframe lies before the pause: all is shifted by one span of time."""
    video, audio = Source(VIDEO, 100, 1000, 7), Source(AUDIO, 200, 2000, 8)
    first = [video.packet(0, 0.0), audio.packet(0, 0.0), video.packet(1, 1.0), audio.packet(1, 1.5)]
    play = playout(VIDEO, AUDIO)
    before, _ = start(play, first)
    after, starts = start(play, [*first, video.packet(2, 2.0)])
    assert sent(after, 0).seqs == [102, 103, 104]
    assert sent(after, 1).seqs == [202, 203]
    video_stamps, audio_stamps = sent(after, 0).stamps, sent(after, 1).stamps
    assert 0 < audio_stamps[0] - (2000 + 72_000) <= 2
    assert abs((video_stamps[0] - 1000) / 90_000 - (audio_stamps[0] - 2000) / 48_000) < 1e-4
    assert starts[0] == Start(102, video_stamps[0])
    assert starts[1].seq == 202
    assert not any(o.rtcp for o in after)
    lines = infos(play.reports())
    for info, stamp, rate in ((lines[0], 1000, 90_000), (lines[1], 2000, 48_000)):
        assert abs(seconds_at(info, stamp, rate) - 1_790_000_000 - NTP_UNIX) < 1e-3
    assert sent(before, 0).ssrcs == sent(after, 0).ssrcs


def test_a_line_of_the_source_survives_a_pause() -> None:
    video = Source(VIDEO, 100, 1000, 7)
    reports = {0: video.report(0, 500.0)}
    play = playout(VIDEO, reports=reports)
    packets = [video.packet(0, 0.0), video.packet(1, 1.0)]
    start(play, packets)
    start(play, packets)
    reports[0] = video.report(1.0, 501.0)
    assert abs(seconds_at(infos(play.reports())[0], 1000, 90_000) - 500.0) < 1e-3


def test_a_long_pause_is_a_gap_in_time_only() -> None:
    video = Source(VIDEO, 100, 1000, 7)
    play = playout(VIDEO)
    start(play, [video.packet(0, 0.0)])
    after, _ = start(play, [video.packet(500, 20.0)])
    assert sent(after, 0) == Sent([101], [1000 + 20 * 90_000], {7})


def test_a_restart_during_a_pause_shows_by_timestamps_that_do_not_fit() -> None:
    play = playout(VIDEO)
    start(play, [Source(VIDEO, 100, 1000, 7).packet(0, 0.0)])
    after, _ = start(play, [Source(VIDEO, 9, 2**31, 7).packet(0, 20.0)])
    assert sent(after, 0) == Sent([101], [1000 + 20 * 90_000], {7})
    again, _ = start(play, [Source(VIDEO, 9, 77, 8).packet(0, 30.0)])
    assert sent(again, 0) == Sent([102], [1000 + 30 * 90_000], {7})


def test_a_restart_told_while_playing_holds_for_the_next_start() -> None:
    play = playout(VIDEO)
    start(play, [Source(VIDEO, 100, 1000, 7).packet(0, 0.0)])
    play.source_restarted()
    after, _ = start(play, [Source(VIDEO, 9, 1000, 7).packet(0, 10.0)])
    assert sent(after, 0) == Sent([101], [1000 + 10 * 90_000], {7})


def test_goodbye_is_a_last_report_and_a_bye_per_track() -> None:
    play = playout(VIDEO, AUDIO)
    start(play, [Source(VIDEO, 100, 1000, 7).packet(0, 0.0)])
    ((track, packet),) = play.goodbye()
    assert track == 0
    assert rtcp.byes(packet) == {7}
    assert [part.kind for part in rtcp.walk(packet)] == [rtcp.SR, rtcp.SDES, rtcp.BYE]
