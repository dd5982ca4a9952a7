"""Which days of a log are kept, whatever the clock does."""

from collections.abc import Iterable

DAY_SECONDS = 86_400
KEEP_DAYS = 30


def oldest_kept(days: Iterable[int], today: int) -> int:
    """Returns the oldest day that is kept, in days since 1970.

    A day is removed if it is older than ``KEEP_DAYS``, and the log has as many newer
    days and today: a clock that jumps ahead makes all days old, but only one day new.

    Args:
        days: The days of the log.
        today: The present day.
    """
    newest = sorted(days)[-KEEP_DAYS - 1 :]
    return min([today - KEEP_DAYS, *newest])
