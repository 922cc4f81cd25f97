#!/usr/bin/python3
# mypy: disable-error-code="import-not-found, import-untyped"
"""A live RTSP source on gst-rtsp-server that logs the MD5 of everything it sends.

Runs under the interpreter that has Debian's gi. Standard output: `READY URL` once media flows.
Standard input, a line each: `stall video|audio|all`, `resume`, `bye` (RTCP BYE, then all clients
are closed and the media starts again), `drop` (close all clients); end of file ends the source.
"""

import argparse
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gi

for _name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(_name, "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

from tests.support.bitstream import (  # noqa: E402
    VideoCodec,
    access_units,
    adts_frames,
    annexb,
    is_key,
    numbered,
    ogg_packets,
)

_CAPS = {
    "h264": "video/x-h264,stream-format=byte-stream,alignment=au,framerate={fps}/1",
    "h265": "video/x-h265,stream-format=byte-stream,alignment=au,framerate={fps}/1",
    "aac": "audio/mpeg,mpegversion=4,stream-format=raw,rate={rate},channels=1,"
    "codec_data=(buffer){config}",
    "opus": "audio/x-opus,rate=48000,channels=2,channel-mapping-family=0",
}
_AAC_CONFIG = {48000: "1188", 11025: "1508"}
"""AudioSpecificConfig of mono AAC-LC by sampling rate (ISO 14496-3)."""
_PAY = {
    "h264": "rtph264pay config-interval=0 aggregate-mode=none",
    "h265": "rtph265pay config-interval=0 aggregate-mode=none",
    "aac": "rtpmp4gpay",
    "opus": "rtpopuspay",
}


@dataclass
class Track:
    """One media: `make(n)` gives the bytes of unit n and whether it is a key picture."""

    kind: str
    codec: str
    duration: float
    make: Callable[[int], tuple[bytes, bool]]


def video_track(path: Path, codec: VideoCodec, fps: int) -> Track:
    units = access_units(path.read_bytes(), codec)
    keys = [is_key(unit, codec) for unit in units]

    def make(n: int) -> tuple[bytes, bool]:
        unit = units[n % len(units)]
        clock = time.time_ns() // 1000
        return annexb(numbered(unit, codec, n, clock)), keys[n % len(units)]

    return Track("video", codec, 1 / fps, make)


def caps(codec: str, arguments: argparse.Namespace) -> str:
    """Return what the units of a track are, in GStreamer's words."""
    rate = arguments.audio_rate
    return _CAPS[codec].format(fps=arguments.fps, rate=rate, config=_AAC_CONFIG[rate])


def audio_track(path: Path, codec: str, rate: int) -> Track:
    data = path.read_bytes()
    frames = adts_frames(data) if codec == "aac" else ogg_packets(data)
    duration = 1024 / rate if codec == "aac" else 0.02
    return Track("audio", codec, duration, lambda n: (frames[n % len(frames)], True))


class Feeder:
    """Pushes every track into the media that gst-rtsp-server has made, in real time."""

    def __init__(self, tracks: list[Track], log: Path) -> None:
        self.tracks, self.log = tracks, log.open("w", buffering=1)
        self.lock = threading.Lock()
        self.began: float | None = None
        self.stalled: set[str] = set()
        self.sources: list[Gst.Element] = []
        self.generation = 0

    def configured(
        self, _factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia
    ) -> None:
        element = media.get_element()
        self.generation += 1
        self.sources = []
        for number, track in enumerate(self.tracks):
            source = element.get_by_name(f"src{number}")
            self.sources.append(source)
            arguments = (element, track, source, self.generation)
            threading.Thread(target=self.feed, args=arguments, daemon=True).start()

    def feed(
        self, element: Gst.Element, track: Track, source: Gst.Element, generation: int
    ) -> None:
        while element.get_clock() is None or element.get_base_time() == 0:
            time.sleep(0.005)
        with self.lock:
            self.began = self.began or time.monotonic()
        running = (element.get_clock().get_time() - element.get_base_time()) / 1e9
        offset = running - time.monotonic()
        n = int((time.monotonic() - self.began) / track.duration)
        while not track.make(n)[1]:
            n += 1
        while generation == self.generation:
            due = self.began + n * track.duration
            time.sleep(max(0.0, due - time.monotonic()))
            if not self.stalled & {track.kind, "all"} and not self.push(
                track, source, n, due + offset
            ):
                return
            n += 1

    def push(self, track: Track, source: Gst.Element, n: int, stamp: float) -> bool:
        data, key = track.make(n)
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts = buffer.dts = max(0, int(stamp * 1e9))
        buffer.duration = int(track.duration * 1e9)
        if not key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            return False
        md5 = hashlib.md5(data).hexdigest()
        line = json.dumps({"track": track.kind, "n": n, "size": len(data), "md5": md5})
        with self.lock:
            self.log.write(line + "\n")
        return True


class Keeper:
    """An in-process client that holds the shared media: a true live source, whoever comes and goes.

    Without it gst-rtsp-server makes the media anew for each first client, and a late one may get
    200 to PLAY and no packet.
    """

    def __init__(self, url: str, arguments: argparse.Namespace, tracks: int) -> None:
        self.url, self.arguments, self.tracks = url, arguments, tracks
        self.pipeline: Gst.Pipeline | None = None
        self.sinks: list[Gst.Element] = []
        self.seen, self.idle, self.ready = -1, 0, False
        GLib.timeout_add(100, self.check)

    def start(self) -> bool:
        self.stop()
        source = Gst.ElementFactory.make("rtspsrc")
        source.set_property("location", self.url)
        lower = GstRtsp.RTSPLowerTrans
        tcp = "tcp" in self.arguments.protocols
        source.set_property("protocols", lower.TCP if tcp else lower.UDP)
        source.set_property("latency", 0)
        source.set_property("tls-validation-flags", Gio.TlsCertificateFlags(0))
        if self.arguments.auth:
            user, _, password = self.arguments.auth.partition(":")
            source.set_property("user-id", user)
            source.set_property("user-pw", password)
        self.pipeline = pipeline = Gst.Pipeline()
        pipeline.add(source)
        source.connect("pad-added", self.padded)
        pipeline.set_state(Gst.State.PLAYING)
        return False

    def padded(self, _source: Gst.Element, pad: Gst.Pad) -> None:
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", False)
        sink.set_property("async", False)
        if self.pipeline is None:
            return
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
        self.sinks.append(sink)

    def check(self) -> bool:
        counts = [sink.get_property("stats").get_value("rendered") for sink in self.sinks]
        if not self.ready and len(counts) == self.tracks and min(counts) > 0:
            self.ready = True
            print("READY", self.url, flush=True)
        self.idle = 0 if sum(counts) != self.seen else self.idle + 1
        self.seen = sum(counts)
        if self.idle >= 50:
            print("keeper: no data, starting again", file=sys.stderr, flush=True)
            self.idle = 0
            self.start()
        return True

    def stop(self) -> None:
        if self.pipeline is not None:
            self.pipeline.set_state(Gst.State.NULL)
        self.pipeline, self.sinks = None, []


def authorization(
    arguments: argparse.Namespace, factory: GstRtspServer.RTSPMediaFactory
) -> GstRtspServer.RTSPAuth:
    """Password, method and certificate; anybody may come when there is only a certificate."""
    auth, role = GstRtspServer.RTSPAuth(), "viewer"
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", role)
    if arguments.tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*arguments.tls))
    if arguments.auth:
        user, _, password = arguments.auth.partition(":")
        if arguments.auth_method == "digest":
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        else:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_default_token(token)
    rights = Gst.Structure.new_empty(role)
    rights.set_value("media.factory.access", True)
    rights.set_value("media.factory.construct", True)
    factory.add_role_from_structure(rights)
    return auth


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", default="0")
    parser.add_argument("--path", default="/live")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--codec", choices=["h264", "h265"], default="h264")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--audio-codec", choices=["aac", "opus"], default="aac")
    parser.add_argument("--audio-rate", type=int, choices=list(_AAC_CONFIG), default=48000)
    parser.add_argument("--auth", help="USER:PASSWORD")
    parser.add_argument("--auth-method", choices=["basic", "digest"], default="digest")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--protocols", default="udp,tcp")
    parser.add_argument("--session-timeout", type=int, default=60)
    parser.add_argument("--mtu", type=int, default=1400)
    return parser.parse_args()


def factory_for(
    arguments: argparse.Namespace, tracks: list[Track], feeder: Feeder
) -> GstRtspServer.RTSPMediaFactory:
    factory = GstRtspServer.RTSPMediaFactory()
    parts = [
        f"appsrc name=src{i} is-live=true format=time do-timestamp=false block=false max-bytes=0 "
        f"caps={caps(track.codec, arguments)} "
        f"! {_PAY[track.codec]} name=pay{i} pt={96 + i} mtu={arguments.mtu}"
        for i, track in enumerate(tracks)
    ]
    factory.set_launch(f"( {' '.join(parts)} )")
    factory.set_shared(True)
    factory.set_latency(0)
    factory.set_suspend_mode(GstRtspServer.RTSPSuspendMode.NONE)
    lower = GstRtsp.RTSPLowerTrans
    allowed = lower(0)
    for word in arguments.protocols.split(","):
        allowed |= {"udp": lower.UDP, "tcp": lower.TCP}[word]
    factory.set_protocols(allowed)
    factory.connect("media-configure", feeder.configured)
    return factory


class Console:
    """The commands on standard input, carried out in the main loop."""

    def __init__(self, server: GstRtspServer.RTSPServer, feeder: Feeder, keeper: Keeper) -> None:
        self.server, self.feeder, self.keeper = server, feeder, keeper

    def read(self) -> None:
        for line in sys.stdin:
            GLib.idle_add(self.run, line.split())
        os._exit(0)  # pipeline threads would hold the interpreter

    def run(self, words: list[str]) -> bool:
        match words:
            case ["stall", what]:
                self.feeder.stalled.add(what)
            case ["resume"]:
                self.feeder.stalled.clear()
            case ["bye"]:
                for source in self.feeder.sources:
                    source.emit("end-of-stream")
                self.feeder.generation += 1
                GLib.timeout_add(500, self.drop)
            case ["drop"]:
                self.drop()
            case _:
                print("unknown command", words, file=sys.stderr, flush=True)
        return False

    def drop(self) -> bool:
        remove = GstRtspServer.RTSPFilterResult.REMOVE
        self.server.client_filter(lambda _server, _client: remove)
        GLib.timeout_add(500, self.keeper.start)
        return False


def main() -> None:
    arguments = parsed()
    Gst.init(None)
    tracks: list[Track] = []
    if arguments.video:
        tracks.append(video_track(arguments.video, arguments.codec, arguments.fps))
    if arguments.audio:
        tracks.append(audio_track(arguments.audio, arguments.audio_codec, arguments.audio_rate))
    feeder = Feeder(tracks, arguments.log)
    server = GstRtspServer.RTSPServer()
    server.set_address(arguments.address)
    server.set_service(arguments.port)
    factory = factory_for(arguments, tracks, feeder)
    if arguments.auth or arguments.tls:
        server.set_auth(authorization(arguments, factory))
    server.get_mount_points().add_factory(arguments.path, factory)

    def connected(_server: GstRtspServer.RTSPServer, client: GstRtspServer.RTSPClient) -> None:
        client.connect("new-session", lambda _c, s: s.set_timeout(arguments.session_timeout))

    server.connect("client-connected", connected)
    if not server.attach(None):
        sys.exit(f"cannot listen on {arguments.address}:{arguments.port}")
    pool = server.get_session_pool()
    GLib.timeout_add_seconds(2, lambda: (pool.cleanup(), True)[1])
    scheme = "rtsps" if arguments.tls else "rtsp"
    host = f"[{arguments.address}]" if ":" in arguments.address else arguments.address
    url = f"{scheme}://{host}:{server.get_bound_port()}{arguments.path}"
    keeper = Keeper(url, arguments, len(tracks))
    GLib.idle_add(keeper.start)
    threading.Thread(target=Console(server, feeder, keeper).read, daemon=True).start()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
