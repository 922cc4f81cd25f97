"""Ten players, or so, that are expected to go on by themselves whatever happens."""

import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.support.exactness import compare
from tests.support.players import FfmpegPlayer, FfmpegRecorder, GstPlayer, MpvPlayer, harm
from tests.support.processes import wait_until

_OPEN_END = 300.0
"""Seconds; they are ended before."""
_ENOUGH = 100
"""Pictures that a recording has to have; the first and the last may be cut."""


class Audience:
    """ffmpeg and mpv that show, GStreamer, and one ffmpeg that records for each other URL."""

    def __init__(self, urls: Sequence[str], folder: Path, gst_seconds: float) -> None:
        self._shown: list[FfmpegPlayer | MpvPlayer] = [
            FfmpegPlayer(urls[0], folder, _OPEN_END, "tcp"),
            MpvPlayer(urls[1], folder, _OPEN_END, "tcp"),
        ]
        self._gst = GstPlayer(urls[2], folder, gst_seconds, "tcp")
        self._recorders = [FfmpegRecorder(url, folder, _OPEN_END) for url in urls[3:]]

    def wait(self) -> None:
        """Wait until all have begun."""
        for player in self._shown:
            player.wait_picture()
        wait_until(lambda: all(map(_size, self._recorders)), 30, "every recorder writes")

    def expect_more(self, within: float = 30.0) -> None:
        """Wait until each shows, or writes, more than it has up to now."""
        checks: list[Callable[[], bool]] = [
            *(_grows(partial(_pictures, player)) for player in self._shown),
            *(_grows(partial(_size, recorder)) for recorder in self._recorders),
        ]
        wait_until(lambda: all(check() for check in checks), within, "every player goes on", 0.1)
        assert all(one.returncode is None for one in (*self._shown, *self._recorders))

    def end(self, sent: Sequence[Path], since: float) -> None:
        """End all; fail on what is damaged, out of order or twice.

        `since`: when the stream was there again (`time.monotonic`), for GStreamer, which tells in
        the end only.
        """
        for player in self._shown:
            player.terminate(first=signal.SIGINT)
            assert not harm(player.faults)["damaged"], player.tail()
        for recorder in self._recorders:
            recorder.wait_recorded(_ENOUGH)
            recorder.terminate(first=signal.SIGINT)
            verdict = compare(sent, recorder.path, least=_ENOUGH - 2)
            for track in verdict.tracks.values():
                assert track.unknown + track.repeated + track.reordered <= 1, str(verdict)
        playback = self._gst.result()
        assert playback.ended_by == "itself", str(playback)
        assert playback.last_picture is not None
        if self._gst.started + self._gst.seconds > since + 3:  # else it ended before, here
            assert self._gst.started + playback.last_picture > since, str(playback)


def _pictures(player: FfmpegPlayer | MpvPlayer) -> int:
    return len(player.pictures)


def _size(recorder: FfmpegRecorder) -> int:
    return recorder.path.stat().st_size if recorder.path.exists() else 0


def _grows(count: Callable[[], int]) -> Callable[[], bool]:
    """Return whether a count is above what it is now."""
    before = count()
    return lambda: count() > before
