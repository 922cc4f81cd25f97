"""Metrics as tables: how they are read, added up and shown, and how late the event loop is."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from common.runtime.metrics import (
    Buckets,
    Family,
    Histogram,
    LoopLag,
    Table,
    Value,
    cumulative,
    one,
    registry,
)


def lines(shown: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(shown).decode().splitlines() if line[0] != "#"]


def test_a_histogram_counts_what_is_at_most_a_bound() -> None:
    seen = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 2.0):
        seen.observe(value)
    buckets, total = seen.buckets
    assert buckets == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert total == pytest.approx(2.65)
    assert cumulative((1.0,), [0, 0], 0.0) == ([("1.0", 0.0), ("+Inf", 0.0)], 0.0)


def test_only_what_a_tick_slept_too_long_is_lag() -> None:
    lag = LoopLag()
    lag.woken(0.05, 0.05)
    lag.woken(0.04, 0.05)
    lag.woken(0.25, 0.05)
    text = lines(registry(lag))
    assert "stripecast_event_loop_lag_seconds_count 3.0" in text
    assert 'stripecast_event_loop_lag_seconds_bucket{le="0.001"} 2.0' in text
    assert 'stripecast_event_loop_lag_seconds_bucket{le="0.25"} 3.0' in text
    assert "stripecast_event_loop_lag_seconds_sum 0.2" in text


def test_a_bug_in_one_part_of_a_tick_is_counted_and_told_once_in_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lag = LoopLag()
    for _ in range(3):
        with lag.part({"channel": "cam"}):
            raise KeyError("a bug")
    with lag.part({"channel": "cam"}):
        pass
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "a tick failed" in caplog.text
    assert "stripecast_tick_failures_total 3.0" in lines(registry(lag))


def test_a_registry_shows_the_process_too() -> None:
    text = "\n".join(lines(registry(LoopLag())))
    assert "process_open_fds " in text
    assert "process_resident_memory_bytes " in text


def test_what_has_the_same_labels_is_merged_as_its_family_says() -> None:
    def most(value: float) -> float:
        return value

    families = (
        Family("gauge", "added", "a", ("of",), one(most)),
        Family("gauge", "worst", "w", ("of",), one(most), min),
    )
    shown = CollectorRegistry()
    shown.register(Table(families, lambda: [(("x",), 3.0), (("y",), 5.0), (("x",), 4.0)]))
    assert lines(shown) == [
        'added{of="x"} 7.0',
        'added{of="y"} 5.0',
        'worst{of="x"} 3.0',
        'worst{of="y"} 5.0',
    ]


def test_histograms_are_merged_bucket_by_bucket() -> None:
    def buckets(taken: Histogram) -> Buckets:
        return taken.buckets

    family = Family("histogram", "took", "t", (), one(buckets))
    first, second = Histogram((1.0,)), Histogram((1.0,))
    first.observe(0.5)
    second.observe(2.0)
    shown = CollectorRegistry()
    shown.register(Table([family], lambda: [((), first), ((), second)]))
    assert lines(shown) == [
        'took_bucket{le="1.0"} 1.0',
        'took_bucket{le="+Inf"} 2.0',
        "took_count 2.0",
        "took_sum 2.5",
    ]


def test_a_family_that_is_two_things_is_a_mistake() -> None:
    def either(value: Value) -> Value:
        return value

    family = Family("gauge", "odd", "o", (), one(either))
    with pytest.raises(TypeError, match="odd is a histogram and a number"):
        family.collect([((), 1.0), ((), Histogram((1.0,)).buckets)])
