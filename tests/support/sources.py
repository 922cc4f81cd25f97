"""RTSP media servers as processes: GStreamer's, which logs what it sends, and VLC's."""

import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from tests.support.bitstream import VideoCodec
from tests.support.clips import ClipName, clip, film
from tests.support.installed import SYSTEM_PYTHON, skip_unless_installed
from tests.support.ports import free_port
from tests.support.processes import Process, Wrap, wait_until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class GstOptions:
    """What a GStreamer source serves and how."""

    video: ClipName | None = "loop"
    """The clip; None: sound only."""
    audio: Literal["aac", "opus"] | None = "aac"
    auth: str = ""
    """`user:password`."""
    auth_method: Literal["basic", "digest"] = "digest"
    tls: bool = False
    """rtsps; the certificate to trust is `GstSource.certificate`."""
    protocols: str = "udp,tcp"
    address: str = "127.0.0.1"
    port: int = 0
    """0: any free one. Give an earlier source's port to play its restart."""
    path: str = "/live"
    session_timeout: int = 60
    mtu: int = 1400


class GstSource(Process):
    """A live source; constructed at once, `wait_ready()` before use (`with` does it).

    `sent` is the log for `exactness.compare`: a line with the MD5 of each picture and sound frame.
    """

    def __init__(
        self,
        folder: Path,
        options: GstOptions | None = None,
        *,
        wrap: Wrap = list,
        name: str = "gst",
    ) -> None:
        skip_unless_installed("ffmpeg", "gst")
        self.options = options or GstOptions()
        self.sent = folder / f"{name}.jsonl"
        self.certificate = folder / f"{name}.pem"
        self._url = ""
        argv = [SYSTEM_PYTHON, "-m", "tests.support.gst_source", "--log", str(self.sent)]
        environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        argv += self._media() + self._service()
        super().__init__(wrap(argv), folder / f"{name}.log", environment)

    def _media(self) -> list[str]:
        argv: list[str] = []
        chosen = clip(self.options.video or "loop")
        if self.options.video:
            argv += [
                "--video",
                str(chosen.video),
                "--codec",
                chosen.codec,
                "--fps",
                str(chosen.fps),
            ]
        if self.options.audio:
            path = chosen.aac if self.options.audio == "aac" else chosen.opus
            argv += ["--audio", str(path), "--audio-codec", self.options.audio]
            argv += ["--audio-rate", str(chosen.aac_rate)]
        return argv

    def _service(self) -> list[str]:
        o = self.options
        argv = [
            "--address",
            o.address,
            "--port",
            str(o.port),
            "--path",
            o.path,
            "--mtu",
            str(o.mtu),
        ]
        argv += ["--protocols", o.protocols, "--session-timeout", str(o.session_timeout)]
        if o.auth:
            argv += ["--auth", o.auth, "--auth-method", o.auth_method]
        if o.tls:
            key = self.certificate.with_suffix(".key")
            make_certificate(self.certificate, key, o.address)
            argv += ["--tls", str(self.certificate), str(key)]
        return argv

    @property
    def codec(self) -> VideoCodec | None:
        return clip(self.options.video).codec if self.options.video else None

    def wait_ready(self, timeout: float = 30.0) -> Self:
        """Wait until every track flows."""
        self._url = self._url or self.expect(r"^READY (\S+)", timeout).group(1)
        return self

    @property
    def url(self) -> str:
        """Without user and password; `url_with` adds them."""
        return self.wait_ready()._url  # noqa: SLF001  # its own

    def url_with(self, credentials: str) -> str:
        """Return the URL with `user:password` in it."""
        return self.url.replace("://", f"://{credentials}@", 1)

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def expect_sent(self, count: int, track: str = "video", timeout: float = 60.0) -> None:
        """Wait until `count` more units of a track have been sent."""
        word = f'"track": "{track}"'
        before = self.sent.read_text().count(word)
        enough = lambda: self.sent.read_text().count(word) >= before + count  # noqa: E731
        wait_until(enough, timeout, f"{count} more {track} units sent", 0.05)

    def stall(self, what: Literal["video", "audio", "all"] = "all") -> None:
        """Send nothing more of these tracks; the connection stays up."""
        self.write(f"stall {what}")

    def resume(self) -> None:
        """End all stalls; the timestamps go on as if it had been sent."""
        self.write("resume")

    def bye(self) -> None:
        """RTCP BYE on all tracks; 0.5 s later all clients are closed and new media begins."""
        self.write("bye")

    def drop(self) -> None:
        """Close the connections of all clients; new media begins."""
        self.write("drop")

    def __enter__(self) -> Self:
        try:
            return self.wait_ready()
        except BaseException:
            self.terminate()
            raise


def make_certificate(certificate: Path, key: Path, address: str) -> None:
    """Make a self-signed certificate for localhost and `address`."""
    names = f"subjectAltName=DNS:localhost,IP:{address}"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30"
    tail = [
        "-subj",
        "/CN=localhost",
        "-addext",
        names,
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([*command.split(), *tail], check=True, capture_output=True, timeout=30)


class VlcSource(Process):
    """VLC's own RTSP server: UDP only, payload type 96 for both tracks, absolute control URLs.

    It plays five minutes before it starts again, with new track ids and SSRCs.
    """

    def __init__(self, folder: Path, *, wrap: Wrap = list, address: str = "127.0.0.1") -> None:
        skip_unless_installed("ffmpeg", "vlc")
        self.port = free_port()
        self.url = f"rtsp://{address}:{self.port}/live"
        self._home = Path(tempfile.mkdtemp(prefix="stripecast-vlc-"))
        self._home.chmod(0o777)
        argv = ["vlc", "-I", "dummy", "--no-dbus", "--loop", str(film())]
        argv += ["--sout", f"#rtp{{sdp={self.url}}}", "--sout-keep", "--sout-all"]
        if os.geteuid() == 0:  # VLC refuses to run as root
            skip_unless_installed("setpriv")
            argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
        super().__init__(wrap(argv), folder / "vlc.log", {"HOME": str(self._home)})

    def wait_ready(self, timeout: float = 30.0) -> Self:
        """Wait until DESCRIBE is answered with both tracks."""
        wait_until(self._described, timeout, "VLC's answer to DESCRIBE", 0.2)
        return self

    def _described(self) -> bool:
        parts = urlsplit(self.url)
        request = f"DESCRIBE {self.url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
        try:
            with socket.create_connection((str(parts.hostname), self.port), 2) as link:
                link.sendall(request.encode())
                answer = b""
                while b"m=video" not in answer or b"m=audio" not in answer:
                    part = link.recv(65536)
                    if not part:
                        return False
                    answer += part
                return True
        except OSError:
            return False

    def terminate(self, *arguments: object, **_: object) -> int:
        code = super().terminate(2.0)
        shutil.rmtree(self._home, ignore_errors=True)
        return code

    def __enter__(self) -> Self:
        try:
            return self.wait_ready()
        except BaseException:
            self.terminate()
            raise
