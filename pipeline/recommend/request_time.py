"""The time of a request: its context, and by when items may be recommended again."""

import datetime
import time


def now() -> int:
    """Returns the present time in seconds UTC."""
    return int(time.time())


def seconds_of(text: str) -> int:
    """Returns a time in ISO 8601 as seconds UTC; without an offset, it is in UTC.

    Raises:
        ValueError: If it is not such a time.
    """
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return int(moment.timestamp())
