"""Formats numbers and texts for people, in the terminal and in the report alike."""

import datetime
import math
from collections.abc import Callable, Mapping
from typing import TypeVar

Value = TypeVar("Value")


def inert(text: object) -> str:
    r"""Returns a text as one line that cannot move the cursor or recolour anything.

    Control, formatting and unpaired surrogate characters become ``\x1b`` and the like.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)
    )


def figure(value: float | None) -> str:
    """Returns 0.1234, or "-" for what could not be measured."""
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def interval(ends: tuple[float | None, float | None] | None) -> str:
    """Returns 0.1234–0.5678, or nothing if there is no interval."""
    return "–".join(map(figure, ends)) if ends else ""


def optional(value: Value | None, show: Callable[[Value], str]) -> str:
    """Returns a formatted value, or "-" for None."""
    return "-" if value is None else show(value)


def short(value: object) -> str:
    """Returns the value of a setting, with four digits of a fraction."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def count(value: int | None) -> str:
    """Returns 1,234, or "-" for None."""
    return optional(value, "{:,}".format)


def sum_of_rows(counts: Mapping[str, int | float | None]) -> str:
    """Returns 9 kept + 0 quarantined + 1 duplicates + 0 truncated, which were read.

    Rows that were merged are shown if there are any, then duplicates only if there are
    any.
    """
    merged, duplicates = counts.get("merged"), counts.get("duplicates")
    left_out = [
        *(["duplicates"] if duplicates or not merged else []),
        *(["merged"] if merged else []),
    ]
    parts = ("kept", "quarantined", *left_out, "truncated")
    return " + ".join(f"{counts.get(name) or 0:,} {name}" for name in parts)


def thousands(value: float) -> str:
    """Returns 1.2 M, 340 k or 12."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def day(seconds: float) -> str:
    """Returns 2026-11-22 for a time in seconds UTC."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{moment:%Y-%m-%d}"


def duration(seconds: float) -> str:
    """Returns 2.8 s, 28 s, 3:05 min or 1:02:05 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}:{rest:02} min"
    return f"{hours}:{minutes:02}:{rest:02} h"


def gigabytes(num_bytes: float | None) -> str:
    """Returns 1.3 GB, or "-" for None."""
    return "-" if num_bytes is None else f"{num_bytes / 1e9:.1f} GB"


def best_first(metrics: Mapping[str, float | None], metric: str) -> float:
    """Returns a sort key by which the best model comes first, one without figures last.

    Args:
        metrics: The model's metrics by name.
        metric: The metric to sort by; more is better.
    """
    value = metrics.get(metric)
    return math.inf if value is None or math.isnan(value) else -value
