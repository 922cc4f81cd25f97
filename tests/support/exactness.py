"""Is what a player got what the source sent? Judged by hashes, without decoding."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrackVerdict:
    """One track. Exact: a run of what was sent, in order, nothing left out."""

    track: str
    received: int
    matched: int
    missing: int = 0
    """Sent between two received units, but not received."""
    repeated: int = 0
    reordered: int = 0
    unknown: int = 0
    """Received, never sent (damaged); a cut first and last unit do not count."""
    least: int = 1
    note: str = ""

    @property
    def exact(self) -> bool:
        faults = self.missing or self.repeated or self.reordered or self.unknown or self.note
        return not faults and self.matched >= self.least

    def __str__(self) -> str:
        word = "EXACT" if self.exact else "DIFFERENT"
        return (
            f"{self.track}: {word}: {self.matched} of {self.received} matched (of {self.least}), "
            f"{self.missing} missing, {self.repeated} repeated, {self.reordered} reordered, "
            f"{self.unknown} unknown {self.note}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """All tracks; `check()` says what is wrong."""

    tracks: dict[str, TrackVerdict] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        return bool(self.tracks) and all(track.exact for track in self.tracks.values())

    def check(self) -> None:
        """Raise AssertionError with the whole text unless it is exact."""
        assert self.exact, str(self)

    def __str__(self) -> str:
        return "\n".join(map(str, self.tracks.values())) or "nothing compared"


def sent_units(*logs: Path) -> dict[str, list[str]]:
    """MD5s in the order of sending, per track, of a source and its restarts."""
    sent: dict[str, list[str]] = {}
    for log in logs:
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                unit = json.loads(line)
                sent.setdefault(unit["track"], []).append(unit["md5"])
    return sent


def received_units(recording: Path) -> dict[str, list[str]]:
    """MD5s in the order of arrival, per track, from a file of ffmpeg's framehash muxer."""
    names: dict[str, str] = {}
    units: dict[str, list[str]] = {}
    for line in recording.read_text().splitlines():
        if line.startswith("#media_type"):
            number, name = line.removeprefix("#media_type").split(":")
            names[number.strip()] = name.strip()
        elif line and not line.startswith("#"):
            columns = [column.strip() for column in line.split(",")]
            units.setdefault(names[columns[0]], []).append(columns[5])
    return units


def _walk(start: int, received: Sequence[str], places: dict[str, list[int]]) -> list[int | None]:
    """Where each received unit was sent; clips repeat: take what follows the one before."""
    walk: list[int | None] = []
    expected = start
    for unit in received:
        near = min(places.get(unit, []), key=lambda place: abs(place - expected), default=None)
        walk.append(near)
        expected = expected if near is None else near + 1
    return walk


def _cost(walk: Sequence[int | None]) -> int:
    known = [place for place in walk if place is not None]
    return sum(abs(b - a - 1) for a, b in pairwise(known))


def judge(track: str, sent: Sequence[str], received: Sequence[str], least: int) -> TrackVerdict:
    """Find the run of `sent` that `received` is, and count what is wrong with it."""
    places: dict[str, list[int]] = {}
    for place, unit in enumerate(sent):
        places.setdefault(unit, []).append(place)
    head = next((unit for unit in received[:20] if unit in places), None)
    if head is None:
        note = "(no such track)" if not received else "(nothing known)"
        return TrackVerdict(track, len(received), 0, least=least, note=note)
    first = received.index(head)
    starts = [place - first for place in places[head]]
    walk = min((_walk(start, received, places) for start in starts), key=_cost)
    known = [place for place in walk if place is not None]
    steps = [b - a for a, b in pairwise(known)]
    cut = int(walk[0] is None) + int(len(walk) > 1 and walk[-1] is None)
    return TrackVerdict(
        track,
        received=len(received),
        matched=len(known),
        missing=sum(step - 1 for step in steps if step > 1),
        repeated=steps.count(0),
        reordered=sum(step < 0 for step in steps),
        unknown=len(received) - len(known) - cut,
        least=least,
    )


def compare(
    source_log: Path | Sequence[Path],
    recording: Path,
    expect: Sequence[str] = ("video", "audio"),
    least: int = 10,
) -> Verdict:
    """Compare ffmpeg's framehash of a stream with the log of the source.

    Every track in `expect` has to be there with at least `least` units, and no other.
    `source_log`: several when the source was started again in between.
    """
    logs = [source_log] if isinstance(source_log, Path) else list(source_log)
    sent = sent_units(*logs)
    received = received_units(recording) if recording.exists() else {}
    names = [*expect, *(name for name in received if name not in expect)]
    tracks = {
        name: judge(name, sent.get(name, []), received.get(name, []), least) for name in names
    }
    for name in received:
        if name not in expect:
            tracks[name] = TrackVerdict(name, len(received[name]), 0, note="(not expected)")
    return Verdict(tracks)
