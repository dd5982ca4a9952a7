"""Rejects separators, encodings, time formats and time zones that do not exist."""

import re
import time
import zoneinfo

from pipeline.config.data_section import DataConfig
from pipeline.config.document import Document

# How a person's own text is written (components/ratings_example_gen/dialect.py).
DIALECT = (
    *("delimiter", "encoding", "quote", "escape", "header", "decimal", "thousands"),
    *("timestamp_format", "timestamp_unit", "timezone", "null_values", "keep_blanks"),
)


def check_dialect(data: DataConfig, document: Document) -> None:
    """Rejects what no text file could be written with.

    Raises:
        ConfigError: For the first such setting.
    """
    _check_marks(data, document)
    _check_times(data, document)
    if data.encoding is not None:
        try:
            "".encode(data.encoding)
        except (LookupError, ValueError) as error:  # ValueError: a NUL in the name
            message = f"there is no encoding {data.encoding!r}; expected one such as "
            message += "utf-8, latin-1 or utf-16"
            raise document.error("data.encoding", message) from error


def _check_marks(data: DataConfig, document: Document) -> None:
    for name in ("quote", "escape", "thousands"):
        mark = getattr(data, name)
        if mark not in (None, "none") and (len(mark) > 1 or not mark.isascii()):
            message = f"expected one ASCII character or none, got {mark!r}"
            raise document.error(f"data.{name}", message)
    for name in ("delimiter", "quote", "escape", "thousands"):
        mark = getattr(data, name) or ""
        if len(mark) == 1 and (mark.isalnum() or mark in "+-" * (name == "thousands")):
            message = f"{mark!r} is part of values, and cannot be a mark between them"
            raise document.error(f"data.{name}", message)
    if data.decimal is not None and data.decimal == data.thousands:
        message = f"is {data.thousands!r}, as is data.decimal; one mark cannot be both"
        raise document.error("data.thousands", message)


def _check_times(data: DataConfig, document: Document) -> None:
    if data.timestamp_format is not None and data.timestamp_unit is not None:
        message = "is for times that are numbers, which data.timestamp_format excludes"
        raise document.error("data.timestamp_unit", message)
    if data.timestamp_format not in (None, "iso8601"):
        try:
            time.strptime("", data.timestamp_format)
        except (ValueError, re.error) as error:
            if "does not match" not in str(error):
                message = (
                    f"is not a format of strptime ({error}); expected one such as "
                )
                message += "'%d.%m.%Y %H:%M'"
                raise document.error("data.timestamp_format", message) from error
    check_timezone(data.timezone, "data.timezone", document)


def check_timezone(name: str | None, key: str, document: Document) -> None:
    """Rejects a time zone that does not exist.

    Raises:
        ConfigError: If it does not.
    """
    if name is None:
        return
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"there is no time zone {name!r}; expected a name such as "
        raise document.error(key, message + "Europe/Berlin or UTC") from error
