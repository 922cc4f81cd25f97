"""The clips that the sources play, made once by ffmpeg and kept in a cache directory.

Pictures carry their number as a bar code of twelve squares (20 x 20 pixels, lowest bit left) and,
by testsrc2, as text. No B pictures; parameter sets before every key picture.
"""

import fcntl
import functools
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support.bitstream import VideoCodec

ClipName = Literal["loop", "h265", "heavy", "tiny", "sparse", "paper", "sd", "hd"]
_VERSION = 1
"""Raise when a recipe changes: the cache outlives a checkout."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Streams that a source plays again and again."""

    video: Path
    codec: VideoCodec
    fps: int
    aac: Path
    """ADTS, mono, at `aac_rate`."""
    opus: Path
    """Ogg, stereo, frames of 20 ms."""
    aac_rate: int = 48000
    """Hz."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    codec: VideoCodec
    picture: str
    """ffmpeg source and filters."""
    rate: str
    fps: int = 25
    seconds: float = 32
    key: int = 1
    """Seconds from key picture to key picture."""


_BARS = "drawbox=x=0:y=0:w=240:h=20:color=black:t=fill," + ",".join(
    f"drawbox=x={20 * bit}:y=0:w=20:h=20:color=white:t=fill:"
    f"enable='mod(floor(n/pow(2\\,{bit}))\\,2)'"
    for bit in range(12)
)
_NOISE = "noise=alls=60:allf=t"
_RECIPES: dict[ClipName, _Recipe] = {
    "loop": _Recipe("h264", f"testsrc2=size=320x240:rate=25,{_BARS}", "450k"),
    "h265": _Recipe("h265", f"testsrc2=size=320x240:rate=25,{_BARS}", "300k"),
    "heavy": _Recipe("h264", f"testsrc2=size=1280x720:rate=25,{_BARS},{_NOISE}", "20M", seconds=8),
    "tiny": _Recipe("h264", "testsrc=size=96x64:rate=10", "18k", fps=10, seconds=20),
    "sparse": _Recipe("h264", f"testsrc2=size=320x240:rate=25,{_BARS}", "450k", seconds=30, key=10),
    "paper": _Recipe("h264", f"testsrc2=size=240x180:rate=25,{_BARS}", "175k", seconds=37.12),
    "sd": _Recipe("h264", f"testsrc2=size=640x360:rate=25,{_BARS},{_NOISE}", "2M", seconds=8),
    "hd": _Recipe("h264", f"testsrc2=size=1280x720:rate=25,{_BARS},{_NOISE}", "4M", seconds=8),
}
_TONE = "aevalsrc='0.2*sin(2*PI*(300+20*t)*t)+0.05*(random(0)-0.5)':s=48000:d=34"


def directory() -> Path:
    """Where the clips are kept: `STRIPECAST_CLIPS`, or a folder below the temporary directory."""
    default = Path(tempfile.gettempdir()) / f"stripecast-clips-{_VERSION}-{os.getuid()}"
    path = Path(os.environ.get("STRIPECAST_CLIPS", default))
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)  # VLC reads them as nobody
    return path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _made(name: str, arguments: Sequence[str]) -> Path:
    """`name` in the cache, made by ffmpeg with `arguments` if it is not there."""
    path = directory() / name
    if path.exists():
        return path
    with _locked(path):
        if not path.exists():
            part = path.with_name("part-" + name)
            command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments, str(part)]
            subprocess.run(command, check=True, timeout=300)
            part.chmod(0o644)
            part.rename(path)
    return path


def _video(name: ClipName) -> Path:
    recipe = _RECIPES[name]
    gop = recipe.fps * recipe.key
    bits = ["-b:v", recipe.rate, "-maxrate", recipe.rate, "-bufsize", recipe.rate]
    common = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:repeat-headers=1"
    encoder = (
        ["libx264", "-x264-params", f"{common}:sliced-threads=0:threads=2"]
        if recipe.codec == "h264"
        else ["libx265", "-x265-params", f"{common}:info=0:log-level=error"]
    )
    pictures = round(recipe.fps * recipe.seconds)
    source = ["-f", "lavfi", "-i", recipe.picture, "-frames:v", str(pictures)]
    coding = ["-preset", "ultrafast", "-pix_fmt", "yuv420p", *bits, "-c:v", *encoder]
    ending = "hevc" if recipe.codec == "h265" else "h264"
    return _made(f"{name}.{recipe.codec}", [*source, *coding, "-f", ending])


def _aac(rate: str, hertz: int = 48000) -> Path:
    arguments = ["-f", "lavfi", "-i", _TONE, "-c:a", "aac", "-b:a", rate, "-ac", "1"]
    arguments += ["-ar", str(hertz)]
    name = f"audio{rate}.aac" if hertz == 48000 else f"audio{rate}-{hertz}.aac"
    return _made(name, [*arguments, "-frames:a", "1500", "-f", "adts"])


def _opus() -> Path:
    coding = ["-c:a", "libopus", "-b:a", "48k", "-ac", "2", "-frame_duration", "20"]
    arguments = ["-f", "lavfi", "-i", _TONE, *coding]
    return _made("audio.opus", [*arguments, "-frames:a", "1600", "-f", "opus"])


@functools.cache
def clip(name: ClipName) -> Clip:
    """Return the clip of that name, made now if it is not in the cache.

    loop: 32 s, H.264, about 500 kbit/s with sound. h265: the same pictures. heavy: 20 Mbit/s.
    tiny: 40 kbit/s with sound, 10 pictures a second. sparse: a key picture every 10 s.
    paper: SpreadIt's own load (row S36): 37.12 s, 240 x 180, 11.025 kHz mono, 180 kbit/s in all.
    sd, hd: 2 and 4 Mbit/s.
    """
    recipe = _RECIPES[name]
    if name == "paper":
        aac = _aac("16k", 11025)
        return Clip(_video(name), recipe.codec, recipe.fps, aac, _opus(), aac_rate=11025)
    aac = _aac("12k" if name == "tiny" else "64k")
    return Clip(_video(name), recipe.codec, recipe.fps, aac, _opus())


def film() -> Path:
    """Return five minutes of the loop as MP4: more than a test lasts, so no server loops it."""
    loop = clip("loop")
    video = ["-fflags", "+genpts", "-r", "25", "-i", str(loop.video)]
    once = _made("loop.mp4", [*video, "-i", str(loop.aac), "-c", "copy"])
    return _made("film.mp4", ["-stream_loop", "9", "-i", str(once), "-c", "copy"])


def make_all() -> None:
    """Make every clip, two at a time: for a first step in CI."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(clip, _RECIPES))
    film()


if __name__ == "__main__":
    make_all()
