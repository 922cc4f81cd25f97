#!/usr/bin/python3
# mypy: disable-error-code="import-not-found, import-untyped"
"""`gst_play.py URL SECONDS [property=value…]`: GStreamer without a screen; prints one JSON line."""

import json
import sys
import time
from itertools import pairwise

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


class Player:
    """Counts the decoded buffers of each kind on their way to a sink that keeps time."""

    def __init__(self, url: str, properties: list[str]) -> None:
        self.began = time.monotonic()
        self.times: dict[str, list[float]] = {"video": [], "audio": []}
        self.messages: list[list[str]] = []
        self.buffers: list[Gst.Element] = []
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline()
        source = Gst.ElementFactory.make("rtspsrc")
        source.set_property("location", url)
        source.set_property("latency", 200)
        for item in properties:
            Gst.util_set_object_arg(source, *item.split("=", 1))
        self.pipeline.add(source)
        source.connect("pad-added", self.padded)
        source.connect("new-manager", lambda _s, m: m.connect("new-jitterbuffer", self.buffered))
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.said)

    def buffered(self, _manager: Gst.Element, jitter: Gst.Element, *_: int) -> None:
        self.buffers.append(jitter)

    def padded(self, _source: Gst.Element, pad: Gst.Pad) -> None:
        decoder = Gst.ElementFactory.make("decodebin")
        decoder.connect("pad-added", self.decoded)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def decoded(self, _decoder: Gst.Element, pad: Gst.Pad) -> None:
        kind = pad.get_current_caps().to_string().split("/")[0]
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", True)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.add_probe(Gst.PadProbeType.BUFFER, self.counted, kind)
        pad.link(sink.get_static_pad("sink"))

    def counted(self, _pad: Gst.Pad, _info: Gst.PadProbeInfo, kind: str) -> Gst.PadProbeReturn:
        self.times.setdefault(kind, []).append(time.monotonic() - self.began)
        return Gst.PadProbeReturn.OK

    def said(self, _bus: Gst.Bus, message: Gst.Message) -> None:
        if message.type == Gst.MessageType.ERROR:
            self.messages.append(["error", message.parse_error()[0].message])
        elif message.type == Gst.MessageType.EOS:
            self.messages.append(["eos", ""])
        else:
            return
        self.loop.quit()

    def run(self, seconds: float) -> dict[str, object]:
        GLib.timeout_add(int(seconds * 1000), self.loop.quit)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        names = ("num-lost", "num-late", "num-duplicates")
        stats = [jitter.get_property("stats") for jitter in self.buffers]
        totals = {name: sum(s.get_value(name) or 0 for s in stats) for name in names}
        self.pipeline.set_state(Gst.State.NULL)
        video = self.times["video"]
        return {
            "video": len(video),
            "audio": len(self.times["audio"]),
            "first": video[0] if video else None,
            "last": video[-1] if video else None,
            "longest": max((b - a for a, b in pairwise(video)), default=None),
            "jitter": totals,
            "messages": self.messages,
        }


if __name__ == "__main__":
    Gst.init(None)
    print(
        "RESULT", json.dumps(Player(sys.argv[1], sys.argv[3:]).run(float(sys.argv[2]))), flush=True
    )
