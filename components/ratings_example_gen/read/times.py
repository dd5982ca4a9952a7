"""Converts times, in any supported format, to seconds UTC."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import (
    ISO_8601,
    LEAST_OF_UNIT,
    UNITS,
    Dialect,
)
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.bad_rows import Faults
from components.ratings_example_gen.read.numbers import to_numbers

# Years 1 and 9999; current times in milliseconds or nanoseconds are beyond them.
MIN_TIME, MAX_TIME = -62_135_596_800, 253_402_300_799
ZONE = r"(?:Z|[+-]\d\d(?::?\d\d)?)"
ISO_PATTERN = rf"\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?{ZONE}?)?"
UTC_ZONE = "UTC"
_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Seconds = npt.NDArray[np.int64]


def shown_time(seconds: float) -> str:
    """Returns a time in words; the year must be at most 9999."""
    time = datetime.fromtimestamp(int(seconds), tz=UTC)
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def shown_day(days: float) -> str:
    """Returns the date, in UTC, so many days after the beginning of 1970."""
    return shown_time(math.floor(days * _DAY)).partition(" ")[0]


def to_days(text: str, dialect: Dialect) -> float:
    """Returns the days since 1970 until a time in ISO 8601 or in seconds.

    NaN if the text is neither, or has fewer than nine digits: these are dates such as
    20201110, years or days rather than seconds.
    """
    text = text.strip()
    if re.fullmatch(r"-?\d{9,10}", text):
        return int(text) / _DAY
    if not re.fullmatch(ISO_PATTERN, text):
        return float("nan")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:  # the 30th of February
        return float("nan")
    if time.tzinfo is None:
        time = time.replace(tzinfo=ZoneInfo(dialect.timezone or UTC_ZONE))
    return (time - _EPOCH).total_seconds() / _DAY


def to_times(values: pa.Array, part: Part, faults: Faults) -> Seconds:
    """Returns seconds UTC [N], rounded down.

    Args:
        values: [N] times, as timestamps, dates, numbers or text.
        part: The part they are from, whose dialect determines their format.
        faults: Gets the rows whose time is missing, unreadable or out of range.
    """
    dialect = part.dialect
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"))
    if pa.types.is_timestamp(values.type):
        return _of_timestamps(values, dialect, faults)
    if dialect.timestamp_format:
        return _of_text(values, dialect, faults)
    return _of_numbers(values, part, faults)


def _of_numbers(values: pa.Array, part: Part, faults: Faults) -> Seconds:
    unit = part.dialect.timestamp_unit or "s"
    per_second = UNITS[unit]
    exact = _whole_numbers(values) if per_second > 1 else None
    numbers: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    if exact is not None:
        numbers = exact
        seconds = exact // per_second
    else:
        numbers = to_numbers(
            values, "time", input_errors.NON_NUMERIC_TIME, part, faults
        )
        seconds = np.floor(numbers / per_second)
    if part.unit_is_guessed and unit in LEAST_OF_UNIT:
        faults.add(
            (numbers != 0) & (np.abs(numbers) < LEAST_OF_UNIT[unit]),
            input_errors.TIME_OUT_OF_RANGE,
            f"time is before 1973 in {unit}, the guessed unit; is it in another unit? "
            "(data.timestamp_unit)",
        )
    return _in_range(seconds, unit, faults)


def _in_range(
    seconds: npt.NDArray[np.int64] | npt.NDArray[np.float64], unit: str, faults: Faults
) -> Seconds:
    outside = (seconds < MIN_TIME) | (seconds > MAX_TIME)
    faults.add(
        outside,
        input_errors.TIME_OUT_OF_RANGE,
        f"time in {unit} is beyond the year 9999 (set data.timestamp_unit)",
    )
    return np.where(outside, 0, seconds).astype(np.int64)


def _whole_numbers(values: pa.Array) -> Seconds | None:
    """Returns int64 if all values are whole: a double cannot hold nanoseconds."""
    if values.null_count or pa.types.is_boolean(values.type):
        return None
    try:
        whole = values.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return np.asarray(whole.to_numpy(False))


def _of_timestamps(values: pa.Array, dialect: Dialect, faults: Faults) -> Seconds:
    missing = pc.is_null(values).to_numpy(False)
    faults.add(missing, input_errors.NON_NUMERIC_TIME, "time is missing")
    unit, zone = values.type.unit, values.type.tz
    # Arrow stores UTC if there is a time zone. Its own rounding goes through local
    # time, and fails in the hour that occurs twice.
    count = pc.fill_null(values.cast(pa.int64()), 0).to_numpy(False)
    seconds = count // UNITS[unit]
    if zone is None:
        seconds = _to_utc(seconds, dialect, faults)
    return _in_range(seconds, unit, faults)


def _to_utc(seconds: Seconds, dialect: Dialect, faults: Faults) -> Seconds:
    """Converts local seconds to UTC; in an hour that occurs twice, to the first one."""
    zone = dialect.timezone or UTC_ZONE
    if zone == UTC_ZONE:
        return seconds
    inside = (seconds >= MIN_TIME) & (seconds <= MAX_TIME)
    local = pa.array(np.where(inside, seconds, 0)).cast(pa.timestamp("s"))
    early, late = (
        pc.assume_timezone(
            local, timezone=zone, ambiguous="earliest", nonexistent=nonexistent
        )
        .cast(pa.int64())
        .to_numpy(False)
        for nonexistent in ("earliest", "latest")
    )
    faults.add(
        early != late,
        input_errors.NON_NUMERIC_TIME,
        f"the clock skipped this time in {zone} (set data.timezone)",
    )
    return np.where(inside, early, seconds)


def _of_text(values: pa.Array, dialect: Dialect, faults: Faults) -> Seconds:
    if not pa.types.is_binary(values.type) and not pa.types.is_integer(values.type):
        raise pa.ArrowInvalid("only text and whole numbers have a format")
    text = pc.ascii_trim_whitespace(
        pc.fill_null(values.cast(pa.string(), safe=False), "")
    )
    wanted = dialect.timestamp_format or ""
    if wanted == ISO_8601:
        seconds, has_zone, valid = _of_iso(text)
    else:
        seconds, has_zone, valid = _by_format(text, wanted)
    faults.add(
        ~valid,
        input_errors.NON_NUMERIC_TIME,
        f"time is not written as {wanted} (data.timestamp_format)",
    )
    if not has_zone.all():
        seconds = np.where(has_zone, seconds, _to_utc(seconds, dialect, faults))
    return _in_range(seconds, "s", faults)


Parsed = tuple[Seconds, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
"""Seconds, local or UTC; whether they are UTC; whether the text was a time."""


def _of_iso(text: pa.Array) -> Parsed:
    valid = pc.match_substring_regex(text, f"^{ISO_PATTERN}$").to_numpy(False)
    zoned = pc.match_substring_regex(text, rf":\d\d(?:\.\d+)?{ZONE}$").to_numpy(False)
    # Arrow takes as many digits of a second as its unit has.
    plain = pc.replace_substring_regex(text, pattern=r"\.\d+", replacement="")
    seconds = np.zeros(len(text), np.int64)
    try:
        for mask, zone in ((valid & zoned, UTC_ZONE), (valid & ~zoned, None)):
            if mask.any():
                chosen = plain.filter(pa.array(mask))
                times = chosen.cast(pa.timestamp("s", zone)).cast(pa.int64())
                seconds[mask] = times.to_numpy(False)
    except pa.ArrowInvalid:  # such as the 30th of February
        return _one_by_one(plain, valid, datetime.fromisoformat)
    return seconds, zoned, valid


def _by_format(text: pa.Array, wanted: str) -> Parsed:
    """Parses times in a format of ``strptime``.

    Arrow's parser is fast but lenient (the 31st of February is the 2nd of March), so
    only times that it formats back to the same text are accepted; the others are parsed
    one by one.
    """
    seconds = np.zeros(len(text), np.int64)
    valid = np.zeros(len(text), np.bool_)
    if not re.search("%[zZfp]", wanted):
        times = pc.strptime(text, format=wanted, unit="s", error_is_null=True)
        same = pc.equal(pc.strftime(times, format=wanted), text)
        valid = pc.fill_null(same, False).to_numpy(False)
        seconds = pc.fill_null(times.cast(pa.int64()), 0).to_numpy(False)
    rest = ~valid
    zoned = np.zeros(len(text), np.bool_)
    if rest.any():
        found = _one_by_one(text, rest, lambda time: datetime.strptime(time, wanted))
        seconds = np.where(rest, found[0], seconds)
        zoned, valid = found[1], valid | found[2]
    return seconds, zoned, valid


def _one_by_one(
    text: pa.Array, chosen: npt.NDArray[np.bool_], parse: Callable[[str], datetime]
) -> Parsed:
    seconds = np.zeros(len(text), np.int64)
    zoned, valid = np.zeros((2, len(text)), np.bool_)
    for row in np.flatnonzero(chosen):
        try:
            time = parse(text[row].as_py())
        except (ValueError, OverflowError):
            continue
        zoned[row], valid[row] = time.tzinfo is not None, True
        local = time if time.tzinfo else time.replace(tzinfo=UTC)
        seconds[row] = int(local.timestamp() // 1)
    return seconds, zoned, valid
