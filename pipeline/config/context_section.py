"""The settings that decide what models read of the times of ratings."""

from typing import Literal

import msgspec

from pipeline.config.types import Text


class ContextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What models over fields read of the time of a rating or a request.

    Attributes:
        fields: The ``hour`` of the day, the ``weekday`` or both, in local time. Other
            models, which read no side features, ignore it (docs/own-data.md).
        timezone: IANA time zone of the hours and weekdays, such as Europe/Berlin. Null
            is ``data.timezone`` or, if that is null too, UTC; the run shows it.
    """

    fields: list[Literal["hour", "weekday"]] = []
    timezone: Text | None = None
