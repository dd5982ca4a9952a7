"""Figures as a person reads them."""

import datetime
import math
from collections.abc import Callable
from typing import Any


def figure(value: float | None) -> str:
    """0.1234, or "-" for what could not be measured."""
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def optional(value: Any, show: Callable[[Any], str]) -> str:
    """A value as it is shown, or "-" for none."""
    return "-" if value is None else show(value)


def thousands(value: float) -> str:
    """1.2 M, 340 k or 12."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def day(seconds: float) -> str:
    """2026-11-22, of seconds UTC."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{moment:%Y-%m-%d}"


def duration(seconds: float) -> str:
    """2.8 s, 28 s, 3:05 min or 1:02:05 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}:{rest:02} min"
    return f"{hours}:{minutes:02}:{rest:02} h"
