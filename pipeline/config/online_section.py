"""The settings of the metrics of lists that users were shown."""

import contextlib

import msgspec

from pipeline.config.types import Days, Text
from trainer_modules.configs.duration import duration_seconds

MAX_DAYS = 14  # half of the time for which lists and events are kept


class OnlineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How ``marquee online`` judges the lists that users were shown (docs/online.md).

    Attributes:
        attribution_window: For how long after a list an event of one of its items
            counts for it, as in "30m", "6h" or "1d"; at most 14 days.
        conversions: Types of events that are conversions, such as [transaction]; each
            must be one of ``events.types``. If empty, no conversion is measured.
    """

    attribution_window: Days = "1d"
    conversions: list[Text] = []

    @property
    def window(self) -> int:
        """The attribution window, in seconds."""
        return duration_seconds(self.attribution_window)


def within(text: str) -> int:
    """Returns the seconds of an attribution window, such as "2d".

    Raises:
        ValueError: If it is not one.
    """
    seconds = 0
    with contextlib.suppress(msgspec.ValidationError):
        seconds = msgspec.convert({"attribution_window": text}, OnlineConfig).window
    if not 0 < seconds <= MAX_DAYS * 86_400:
        raise ValueError(
            f"{text!r} is not a time such as 30m, 6h or 1d, of at most {MAX_DAYS}d"
        )
    return seconds
