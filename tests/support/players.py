"""Real players without a screen. Each starts when constructed and is asked for its `result()`.

Exit codes lie (a player ends with 0 when the server closes): judge by pictures and hashes.
"""

import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

from tests.support.installed import SYSTEM_PYTHON, skip_unless_installed
from tests.support.processes import BenchError, Process, Wrap, wait_until

Lower = Literal["udp", "tcp", "http"]
_GRACE = 25.0
"""Seconds beyond its playing time that a player may take to start and to end."""
_FAULTS = {
    "lost": re.compile(r"RTP: missed (\d+)"),
    "late": re.compile(r"max delay reached|dropping old packet"),
    "damaged": re.compile(r"error while decoding|concealing|corrupt|non-existing PPS"),
    "disordered": re.compile(r"[Nn]on-monoton"),
}


def harm(faults: Counter[str]) -> Counter[str]:
    """Leave out what is no fault of the packets.

    ffmpeg says "non-monotonous" where a sender report moves its estimate of the first timestamps,
    now and then also straight from GStreamer's server.
    """
    return Counter({fault: count for fault, count in faults.items() if fault != "disordered"})


@dataclass(frozen=True, slots=True)
class Playback:
    """What one player saw. Times are seconds after its start."""

    player: str
    pictures: int
    first_picture: float | None
    last_picture: float | None
    longest_pause: float | None
    """Between two pictures."""
    faults: Counter[str] = field(default_factory=Counter)
    """lost, late, damaged, disordered, repeated: evidence of a bad stream; none of it is good."""
    sounds: int | None = None
    """Audio buffers decoded, where the player tells."""
    ended_by: Literal["itself", "us", "kill"] = "itself"
    returncode: int = 0
    log: str = ""

    def __str__(self) -> str:
        return (
            f"{self.player}: {self.pictures} pictures, first at {self.first_picture}, last at "
            f"{self.last_picture}, pause {self.longest_pause}, sounds {self.sounds}, "
            f"faults {dict(self.faults)}, ended by {self.ended_by} ({self.returncode}), {self.log}"
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """A framehash file, for `exactness.compare`."""

    path: Path
    faults: Counter[str]
    ended_by: Literal["itself", "us", "kill"]
    returncode: int


class _Player(Process):
    """Counts pictures and faults in the output as it comes."""

    name = ""
    picture = "pts_time:"

    def __init__(self, argv: list[str], log: Path, seconds: float, wrap: Wrap) -> None:
        self.seconds = seconds
        self.pictures: list[float] = []
        self.faults: Counter[str] = Counter()
        super().__init__(wrap(argv), log)

    def on_line(self, line: str, at: float) -> None:
        if self.picture in line:
            self.pictures.append(at)
            return
        for fault, pattern in _FAULTS.items():
            if found := pattern.search(line):
                self.faults[fault] += int(found[1]) if found.groups() else 1

    def wait_picture(self, timeout: float = _GRACE) -> float:
        """Wait for the first picture; its time, seconds after the player's start."""
        end = time.monotonic() + timeout
        while not self.pictures:
            if self.returncode is not None or time.monotonic() > end:
                raise BenchError(f"no picture from {self} in {timeout} s")
            time.sleep(0.01)
        return self.pictures[0]

    def _ended(self, timeout: float) -> Literal["itself", "kill"]:
        try:
            self.wait(max(0.1, timeout))
        except BenchError:
            self.kill()
            return "kill"
        return "itself"

    def _left(self) -> float:
        return self.started + self.seconds - time.monotonic()

    def _playback(self, ended_by: Literal["itself", "us", "kill"]) -> Playback:
        shown = self.pictures
        pauses = [b - a for a, b in pairwise(shown)]
        return Playback(
            self.name,
            pictures=len(shown),
            first_picture=shown[0] if shown else None,
            last_picture=shown[-1] if shown else None,
            longest_pause=max(pauses, default=None),
            faults=self.faults,
            ended_by=ended_by,
            returncode=self.wait(5),
            log=str(self.log),
        )


def _log(folder: Path, name: str) -> Path:
    number = sum(1 for _ in folder.glob(f"{name}-*.log"))
    path = folder / f"{name}-{number}.log"
    path.touch()
    return path


class FfmpegRecorder(_Player):
    """`seconds` of the stream as one hash per access unit or audio frame, nothing decoded."""

    name = "ffmpeg-record"
    picture = "\0"

    def __init__(
        self, url: str, folder: Path, seconds: float, lower: Lower = "tcp", wrap: Wrap = list
    ) -> None:
        skip_unless_installed("ffmpeg")
        log = _log(folder, self.name)
        self.path = log.with_suffix(".framehash")
        argv = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "level+warning", "-y"]
        argv += ["-rtsp_transport", lower, "-i", url, "-t", str(seconds), "-map", "0"]
        argv += ["-c", "copy", "-f", "framehash", "-hash", "md5", "-flush_packets", "1"]
        argv += [str(self.path)]  # each line at once: tests wait for the file to grow
        super().__init__(argv, log, seconds, wrap)

    def wait_recorded(self, units: int, timeout: float = 60.0) -> None:
        """Wait until it has so many units of the first track."""

        def enough() -> bool:
            return self.path.exists() and self.path.read_text().count("\n0,") >= units

        wait_until(enough, timeout, f"{units} units in {self.path}", 0.1)

    def result(self) -> Recording:
        """Wait for the end."""
        ended_by = self._ended(self._left() + _GRACE)
        return Recording(self.path, self.faults, ended_by, self.wait(5))


class FfmpegPlayer(_Player):
    """ffmpeg that decodes picture by picture and counts them."""

    name = "ffmpeg"

    def __init__(
        self, url: str, folder: Path, seconds: float, lower: Lower | None = None, wrap: Wrap = list
    ) -> None:
        skip_unless_installed("ffmpeg")
        argv = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "level+info"]
        argv += ["-rtsp_transport", lower] if lower else []
        argv += ["-i", url, "-t", str(seconds), "-map", "0:v", "-vf", "showinfo=checksum=0"]
        argv += ["-f", "null", "-", "-map", "0:a?", "-t", str(seconds), "-f", "null", "-"]
        super().__init__(argv, _log(folder, self.name), seconds, wrap)

    def result(self) -> Playback:
        """Wait for the end."""
        return self._playback(self._ended(self._left() + _GRACE))


class MpvPlayer(_Player):
    """mpv; interleaved unless told otherwise. Stopped by a signal, so it sends no TEARDOWN."""

    name = "mpv"

    def __init__(
        self, url: str, folder: Path, seconds: float, lower: Lower | None = None, wrap: Wrap = list
    ) -> None:
        skip_unless_installed("mpv")
        argv = ["mpv", "--no-config", "--terminal=yes", "--input-terminal=no", "--vo=null"]
        argv += [
            "--ao=null",
            "--msg-level=all=v",
            "--term-status-msg=",
            "--vf=lavfi=[showinfo=checksum=0]",
        ]
        argv += [f"--rtsp-transport={lower}"] if lower else []
        super().__init__([*argv, url], _log(folder, self.name), seconds, wrap)

    def result(self) -> Playback:
        """Play until `seconds` are over, then stop it."""
        try:
            self.wait(max(0.1, self._left()))
        except BenchError:
            code = self.terminate(5.0)
            return self._playback("kill" if code == -9 else "us")
        return self._playback("itself")


class GstPlayer(_Player):
    """GStreamer's rtspsrc and decodebin, with the statistics of its jitter buffer."""

    name = "gst"
    picture = "\0"

    def __init__(
        self, url: str, folder: Path, seconds: float, lower: Lower | None = None, wrap: Wrap = list
    ) -> None:
        skip_unless_installed("gst")
        location = url.replace("rtsp://", "rtsph://", 1) if lower == "http" else url
        script = str(Path(__file__).with_name("gst_play.py"))
        argv = [SYSTEM_PYTHON, script, location, str(seconds)]
        argv += [f"protocols={lower}"] if lower in ("udp", "tcp") else []
        super().__init__(argv, _log(folder, self.name), seconds, wrap)

    def result(self) -> Playback:
        """Wait for the end."""
        ended_by = self._ended(self._left() + _GRACE)
        found = re.search(r"^RESULT (.*)$", self.text(), re.MULTILINE)
        report = json.loads(found[1]) if found else {}
        jitter = report.get("jitter", {})
        names = {"lost": "num-lost", "late": "num-late", "repeated": "num-duplicates"}
        counts = {ours: int(jitter.get(theirs, 0)) for ours, theirs in names.items()}
        return Playback(
            self.name,
            pictures=report.get("video", 0),
            first_picture=report.get("first"),
            last_picture=report.get("last"),
            longest_pause=report.get("longest"),
            faults=Counter({name: count for name, count in counts.items() if count}),
            sounds=report.get("audio", 0),
            ended_by=ended_by,
            returncode=self.wait(5),
            log=str(self.log),
        )
