"""What a daemon shows at /metrics: a table of what it counts, read at each scrape.

Nothing is counted here but how late the event loop is: the parts of a daemon keep plain integers
for themselves. The names are described in `docs/metrics.md`, which a test holds against the tables.
"""

import logging
import operator
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

TELL_EVERY = 60.0
"""Seconds between two lines about ticks that failed: the same bug fails twenty times a second."""
LAG_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram of the event loop's lag, seconds; beyond the last is +Inf."""

Of = TypeVar("Of")
Of_contra = TypeVar("Of_contra", contravariant=True)
Buckets: TypeAlias = tuple[list[tuple[str, float]], float]
"""A histogram as it is shown: the count up to each bound, and the sum of what was observed."""
Labels: TypeAlias = tuple[str, ...]
Value: TypeAlias = float | Buckets
Reading: TypeAlias = Iterable[tuple[Labels, Value]]


class Histogram:
    """How often something took how long; plain numbers."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Start with none. `bounds`: upper bounds of the buckets, rising."""
        self._bounds, self._counts, self._sum = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def buckets(self) -> Buckets:
        """What was observed."""
        return cumulative(self._bounds, self._counts, self._sum)


def cumulative(bounds: Sequence[float], counts: Sequence[int], total: float) -> Buckets:
    """Return a histogram from the count of each bucket and the sum of what was observed."""
    seen, buckets = 0, list[tuple[str, float]]()
    for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        seen += count
        buckets.append((bound, float(seen)))
    return buckets, total


# --- how a value is read


def one(read: Callable[[Of], Value]) -> Callable[[Of], Reading]:
    """Return a reader of a single value."""
    return lambda of: [((), read(of))]


def striped(read: Callable[[Of], Iterable[float]]) -> Callable[[Of], Reading]:
    """Return a reader of one value for each stripe."""
    return lambda of: [((str(stripe),), value) for stripe, value in enumerate(read(of))]


def keyed(read: Callable[[Of], Mapping[str, float]]) -> Callable[[Of], Reading]:
    """Return a reader of one value for each reason, kind or result."""
    return lambda of: [((key,), value) for key, value in read(of).items()]


def striped_by(read: Callable[[Of], Mapping[str, Sequence[float]]]) -> Callable[[Of], Reading]:
    """Return a reader of one value for each stripe and each reason."""
    return lambda of: [
        ((str(stripe), key), value)
        for key, values in read(of).items()
        for stripe, value in enumerate(values)
    ]


@dataclass(frozen=True, slots=True)
class Family(Generic[Of_contra]):
    """A metric: its name, what it means, its labels, and how it is read."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    """Without the `_total` of a counter."""
    meaning: str
    labels: Labels
    read: Callable[[Of_contra], Reading]
    merge: Callable[[float, float], float] = operator.add
    """What becomes of two values with the same labels: one channel name at two server proxies."""

    def collect(self, things: Iterable[tuple[Labels, Of_contra]]) -> Metric:
        """Read it from all things, each with the labels that go before those of the reading."""
        values: dict[Labels, Value] = {}
        for before, thing in things:
            for labels, value in self.read(thing):
                key = (*before, *labels)
                values[key] = self._merged(values[key], value) if key in values else value
        return self._shown(values)

    def _merged(self, known: Value, value: Value) -> Value:
        if isinstance(known, tuple) and isinstance(value, tuple):
            pairs = zip(known[0], value[0], strict=True)
            return [(bound, a + b) for (bound, a), (_, b) in pairs], known[1] + value[1]
        if isinstance(known, tuple) or isinstance(value, tuple):
            raise TypeError(f"{self.name} is a histogram and a number")
        return self.merge(known, value)

    def _shown(self, values: Mapping[Labels, Value]) -> Metric:
        if self.kind == "histogram":
            histogram = HistogramMetricFamily(self.name, self.meaning, labels=self.labels)
            for labels, value in values.items():
                if isinstance(value, tuple):
                    histogram.add_metric(labels, *value)
            return histogram
        kind = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = kind(self.name, self.meaning, labels=self.labels)
        for labels, value in values.items():
            if not isinstance(value, tuple):
                family.add_metric(labels, value)
        return family


class Table(Collector, Generic[Of]):
    """Metrics of the same things: all channels of a daemon, or the daemon itself."""

    def __init__(
        self,
        families: Sequence[Family[Of]],
        things: Callable[[], Iterable[tuple[Labels, Of]]],
    ) -> None:
        """Read `things` at each scrape, each with the labels that all its metrics begin with."""
        self._families, self._things = families, things

    def collect(self) -> Iterator[Metric]:
        """Conform to Collector."""
        things = list(self._things())
        for family in self._families:
            yield family.collect(things)


# --- what both daemons show of a channel, since both feed children

EACH, STRIPED, KIND = ("channel",), ("channel", "stripe"), ("channel", "kind")
REASON, STRIPED_REASON = ("channel", "reason"), ("channel", "stripe", "reason")


class ParentFigures(Protocol):
    """What a parent counts of one channel. Sequences have one entry for each stripe."""

    @property
    def overhead_bytes(self) -> Mapping[str, int]:
        """Bytes written besides the stream, by kind."""

    @property
    def log_bytes(self) -> Sequence[int]:
        """Bytes in the logs."""

    @property
    def log_seconds(self) -> Sequence[float]:
        """Seconds of the stream in the logs."""

    @property
    def children(self) -> Sequence[int]:
        """Nodes that it feeds."""

    @property
    def refused(self) -> Mapping[str, int]:
        """Nodes that wanted to be its children and were refused, by reason."""

    @property
    def skips(self) -> Sequence[int]:
        """Times that a child which is too slow was skipped forward."""

    @property
    def detached(self) -> Mapping[str, Sequence[int]]:
        """Children whose link was ended, by reason."""


PARENT: Sequence[Family[ParentFigures]] = (
    Family(
        "counter", "stripecast_overhead_bytes",
        "Bytes written besides the stream: header, heartbeat, control", KIND,
        keyed(lambda p: p.overhead_bytes),
    ),
    Family(
        "gauge", "stripecast_log_bytes", "Frames held for children that come back or are behind",
        STRIPED, striped(lambda p: p.log_bytes),
    ),
    Family(
        "gauge", "stripecast_log_seconds", "Seconds of the stream that these frames are",
        STRIPED, striped(lambda p: p.log_seconds), max,
    ),
    Family(
        "gauge", "stripecast_children", "Nodes that this daemon feeds", STRIPED,
        striped(lambda p: p.children),
    ),
    Family(
        "counter", "stripecast_refused_children", "Nodes that asked this daemon to feed them and "
        "were refused", REASON, keyed(lambda p: p.refused),
    ),
    Family(
        "counter", "stripecast_skips", "Times that a child too slow for the log was skipped "
        "forward", STRIPED, striped(lambda p: p.skips),
    ),
    Family(
        "counter", "stripecast_detached_children",
        "Children whose link this daemon ended: too_slow, silent", STRIPED_REASON,
        striped_by(lambda p: p.detached),
    ),
)  # fmt: skip


# --- what both daemons show of themselves


class LoopLag:
    """How late the event loop comes to what is due: everything else is as late."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.seconds = Histogram(LAG_BOUNDS)
        self.beats = 0
        """Grows while what the daemon does again and again is done."""
        self.failures = 0
        """Parts of a tick that failed, each of one channel: a bug."""
        self._tell_at = 0.0

    def woken(self, slept: float, asked: float) -> None:
        """Note that a tick slept so many seconds, and how many it had asked for."""
        self.beats += 1
        self.seconds.observe(max(0.0, slept - asked))

    @contextmanager
    def part(self, fields: Mapping[str, object]) -> Iterator[None]:
        """Do a part of a tick, that of one channel: a bug there leaves all others alone."""
        try:
            yield
        except Exception:
            self.failures += 1
            if (now := time.monotonic()) >= self._tell_at:
                self._tell_at = now + TELL_EVERY
                log.exception("a tick failed, a bug: the next one comes all the same", extra=fields)


LAG: Sequence[Family[LoopLag]] = (
    Family(
        "histogram",
        "stripecast_event_loop_lag_seconds",
        "How much later than asked the event loop woke the daemon's tick, twenty times a second",
        (),
        one(lambda lag: lag.seconds.buckets),
    ),
    Family(
        "counter",
        "stripecast_tick_failures",
        "Times that a bug ended what the daemon's tick does for one channel; the next tick came",
        (),
        one(lambda lag: lag.failures),
    ),
)


def registry(lag: LoopLag, *collectors: Collector) -> CollectorRegistry:
    """Return what `/metrics` shows: these, the event loop's lag, and the process as a whole."""
    made = CollectorRegistry()
    for collector in (*collectors, Table(LAG, lambda: [((), lag)])):
        made.register(collector)
    ProcessCollector(registry=made)
    return made
