"""How the stream comes in: download, the stream itself, upload, parents; round trip and clock."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean, median

from clientproxy.core.diagnosis.finding import Finding
from clientproxy.core.diagnosis.measured import Clock, Measured, Parent, Sample
from clientproxy.core.lag import SLOW_LAG
from common.ids import ROOT
from common.words import codec, count, plural, rate, time

CLOCK_OFF = 1.0
"""Seconds from which on the logs of two machines cannot be laid side by side any more."""
FAR = 0.3
"""Seconds of round trip from which on a repair takes long enough to be seen."""
UNSTEADY = 0.1
"""Seconds of jitter from which on packets wait for each other."""
BEHIND = 1.0
"""Seconds behind the server proxy from which on it matters whether it grows."""
IN_TIME = 1.0
"""Seconds of the stream a second, below which it does not keep up."""
MANY_LOST = 0.01
"""Share of lost packets from which on the picture is spoilt."""
BUSY = 0.1
"""Share of looks that came late from which on the machine is to blame."""
MUST_LAST = 0.4
"""Seconds of the stream below which a bit rate says nothing."""


def clock(found: Clock | None) -> Iterator[Finding]:
    """Judge this machine's clock."""
    if found is None:
        return
    off, way = abs(found.offset), "behind" if found.offset > 0 else "ahead of"
    known = f"± {time(found.uncertainty)}"
    if off < CLOCK_OFF:
        yield Finding(
            level="ok",
            topic="clock",
            what=f"This machine's clock is {time(off)} {way} the server proxy's ({known}).",
        )
        return
    yield Finding(
        level="warning",
        topic="clock",
        what=f"This machine's clock is {time(off)} {way} the server proxy's ({known}).",
        meaning="The stream does not mind: nodes reckon by the server proxy's clock. The times in"
        " the two logs do not fit together, and certificates may seem to have expired.",
        advice="Switch time synchronization on, on the machine that is wrong: `timedatectl"
        " set-ntp true`.",
    )


def round_trip(times: Sequence[float]) -> Iterator[Finding]:
    """Judge the way to the server proxy and back."""
    if not times:
        return
    usual, jitter = median(times), _jitter(times)
    what = (
        f"Round trip to the server proxy: {time(usual)}, jitter {time(jitter)}, at most"
        f" {time(max(times))} ({plural(len(times), 'probe')} while the stream came in)."
    )
    if jitter >= UNSTEADY:
        yield Finding(
            level="warning",
            topic="round trip",
            what=what,
            meaning="The way is unsteady: packets wait for each other, and the delay grows.",
            advice="Wi-Fi? Try a cable. Is something else filling the line?",
        )
    elif usual >= FAR:
        yield Finding(
            level="warning",
            topic="round trip",
            what=what,
            meaning="It is far: after a failure the picture may stand still for a moment.",
            advice="A line that is full has such round trips too: is something else filling it?",
        )
    else:
        yield Finding(level="ok", topic="round trip", what=what)


def _jitter(times: Sequence[float]) -> float:
    return fmean(abs(b - a) for a, b in pairwise(times)) if len(times) > 1 else 0.0


def admission(sample: Sample) -> Iterator[Finding]:
    """Judge why this machine was not let in."""
    if sample.full and sample.reached:
        yield Finding(
            level="not measured",
            topic="stream",
            what=f"Channel {sample.channel} has no free slot, so the stream was not looked at.",
            meaning="A client proxy here brings slots of its own and is let in all the same, unless"
            " its `max_children` is less than the stripes. The doctor brings none: nobody shall"
            " hang on a node that is about to leave.",
        )
    elif sample.full:
        yield Finding(
            level="problem",
            topic="channel",
            what=f"Channel {sample.channel} is full: no slot is free for you.",
            meaning="All places are taken, and you can make none: the server proxy could not reach"
            " this machine in time, so that you would pass nothing on.",
            advice="Let others reach this machine (its overlay port, TCP), or wait until somebody"
            " leaves.",
        )
    elif sample.refused:
        yield Finding(
            level="problem",
            topic="channel",
            what=f"No place in channel {sample.channel}: {sample.refused}.",
            meaning="A player that opens it is told the same.",
            advice="Ask whoever runs the server proxy.",
        )
    elif not sample.offered:
        yield Finding(
            level="problem",
            topic="channel",
            what=f"The server proxy did not answer the request for channel {sample.channel}.",
            meaning="It is overloaded, or what it sends does not arrive.",
            advice="Try again; then look into the server proxy's log.",
        )


def stream(sample: Sample) -> Iterator[Finding]:
    """Judge what came."""
    if not sample.source_up:
        why = f": {sample.source_trouble}" if sample.source_trouble else ""
        yield Finding(
            level="problem",
            topic="stream",
            what=f"The source of channel {sample.channel} is down{why}.",
            meaning="Nobody sees a picture: it is neither you nor your network. The server proxy"
            " tries again by itself.",
            advice="Ask whoever runs the server proxy: its status page and log say why.",
        )
    elif not sample.packets or sample.first_packet is None:
        yield Finding(
            level="problem",
            topic="stream",
            what="The source is up, but no packet came.",
            meaning="There would be no picture.",
            advice="See the findings about parents; try again in a minute.",
        )
    else:
        yield _came(sample)


def _came(sample: Sample) -> Finding:
    tracks = " and ".join(f"{codec(track.codec)} ({track.kind})" for track in sample.tracks)
    what = (
        f"{tracks}, {_its_rate(sample)}first packet after {time(sample.first_packet or 0.0)},"
        f" {time(sample.delay)} behind the server proxy. In {time(sample.seconds)}"
        f" {plural(sample.packets, 'packet')}, {count(sample.lost)} lost, {count(sample.late)} late"
        f" or twice; at most {count(sample.deepest)} waited for one before them."
    )
    if not sample.lost:
        return Finding(level="ok", topic="stream", what=what)
    whole = sample.packets + sample.lost
    spoilt = sample.lost / whole >= MANY_LOST
    return Finding(
        level="problem" if spoilt else "warning",
        topic="stream",
        what=f"{count(sample.lost)} of {count(whole)} packets were lost. {what}",
        meaning="Lost packets show as blocks or gaps in picture and sound.",
        advice="If the download is fast enough, raise `reorder_timeout`; else see `download`.",
    )


def _its_rate(sample: Sample) -> str:
    needed = needs(sample)
    return "" if needed is None else f"{rate(needed)}, "


def needs(sample: Sample) -> float | None:
    """Return the bytes a second of the stream, by its own clock; None: too little came."""
    if sample.stream_seconds < MUST_LAST:
        return None
    return sample.bytes / sample.stream_seconds


def download(sample: Sample) -> Iterator[Finding]:
    """Judge whether the stream comes as fast as it is made."""
    if (needed := needs(sample)) is None or not sample.seconds:
        return
    came, speed = sample.bytes / sample.seconds, sample.stream_seconds / sample.seconds
    if sample.delay < BEHIND:
        yield Finding(
            level="ok",
            topic="download",
            what=f"Fast enough: the stream needs {rate(needed)} and comes in time; the most in half"
            f" a second was {rate(max(sample.fastest, came))}.",
            meaning="What the line could do beyond that is not measured: a test at full speed would"
            " take it from those who watch.",
        )
    elif speed > IN_TIME:
        yield Finding(
            level="ok",
            topic="download",
            what=f"Fast enough: the stream needs {rate(needed)}, {rate(came)} came: it is still"
            f" catching up, {time(sample.delay)} behind.",
        )
    else:
        yield Finding(
            level="problem",
            topic="download",
            what=f"Too slow: the stream needs {rate(needed)}, but {rate(came)} came. After"
            f" {time(sample.seconds)} it is {time(sample.delay)} behind, and falls back.",
            meaning="The picture stops again and again. Either this machine's line is too slow, or"
            " that of the parents (see `parents`).",
            advice="Stop what else uses the line; try a cable instead of Wi-Fi; ask for a lower bit"
            " rate at the camera.",
        )


def upload(sample: Sample) -> Iterator[Finding]:
    """Say what passing on would take: nothing here can measure it without giving to somebody."""
    needed = needs(sample)
    if needed is None or not sample.stripes or not sample.reached:
        return
    yield Finding(
        level="not measured",
        topic="upload",
        what=f"Each node that is fed from here takes {rate(needed / sample.stripes)} up.",
        meaning="What this line gives is not measured: nobody was fed. A client proxy finds out by"
        " itself, for whoever is fed too slowly goes elsewhere.",
    )


def parents(sample: Sample) -> Iterator[Finding]:
    """Judge each stripe."""
    if not sample.source_up:
        return
    for one in sample.parents:
        yield _parent(one, sample.no_parent)


def _parent(one: Parent, why_not: str) -> Finding:
    stripe = f"Stripe {one.stripe}"
    if one.node is None:
        return Finding(
            level="problem",
            topic="parents",
            what=f"{stripe} has no parent: {why_not or 'it still looks for one'}.",
            meaning="A part of the stream is missing.",
            advice="Where none could be reached: is outgoing TCP to any port allowed here? Other"
            " nodes listen on 7855. Where all were full: wait until somebody leaves.",
        )
    name = "the server proxy itself" if one.node == ROOT else f"node {one.node}"
    away = f" ({plural(one.hops, 'hop')} from the server proxy)" if one.hops > 1 else ""
    what = (
        f"{stripe} comes from {name}{away}: {plural(one.received, 'packet')}, round trip"
        f" {time(one.rtt)}, {time(one.behind)} behind it."
    )
    if not one.received:
        return Finding(
            level="problem",
            topic="parents",
            what=what,
            meaning="Nothing came: a part of the stream is missing.",
            advice="A client proxy looks for another parent by itself; try again in a minute.",
        )
    if one.behind >= SLOW_LAG:
        return Finding(
            level="warning",
            topic="parents",
            what=what,
            meaning="It comes late: the parent's line or this machine's own is slow.",
            advice="If all stripes are late it is this machine's line, see `download`; if not, a"
            " client proxy looks for another parent by itself.",
        )
    return Finding(level="ok", topic="parents", what=what)


def machine(sample: Sample) -> Iterator[Finding]:
    """Judge whether this machine keeps up with itself."""
    if sample.held_up >= BUSY:
        yield Finding(
            level="warning",
            topic="machine",
            what=f"This machine is busy: {sample.held_up:.0%} of the time it came more than 100 ms"
            " late to what was due.",
            meaning="Everything that passes through it is as late; the figures here are worse than"
            " the network is.",
            advice="Move other work away, then ask again.",
        )


def of_sample(measured: Measured) -> Iterator[Finding]:
    """Judge all that was seen of the stream."""
    sample = measured.sample
    if sample is None:
        return
    yield from admission(sample)
    if sample.offered:
        # What is lost on a line that is too slow follows from that.
        for rule in (download, stream, upload, parents, machine):
            yield from rule(sample)
