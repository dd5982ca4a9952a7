"""Durations as settings are written, such as "90s" or "after 7d"."""

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration_seconds(text: str) -> int:
    """Returns the seconds of the duration at the end of a setting's text."""
    [(count, unit)] = re.findall(r"(\d+) *([smhd])$", text)
    return int(count) * _SECONDS[unit]
