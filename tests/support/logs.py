"""What a stripe log holds."""

from common.stripelog import StripeLog


def held(log: StripeLog) -> float:
    """Return the seconds of the stream that a log holds, in tenths; at least 9 are 9."""
    newest, first = log.newest_capture_us, log.since_capture(0)
    older = (log.since_capture(newest - tenths * 100_000) == first for tenths in range(90))
    return next((tenths / 10 for tenths, all_of_it in enumerate(older) if all_of_it), 9.0)
