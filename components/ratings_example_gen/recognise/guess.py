"""Guesses how text is written from its first lines; each guess is reported later."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from components.ratings_example_gen.dialect import (
    ISO_8601,
    LEAST_OF_UNIT,
    UNITS,
    WHITESPACE,
    Dialect,
    closes_quotes,
    split_records,
)

Records = list[list[str]]

DELIMITERS = (",", ";", "\t", "|", "::")
QUOTE = '"'
ESCAPE = "\\"
ISO_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?"
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d{1,2}")
# (regular expression of a time, formats that it may have)
_SHAPES = (
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y' or '%d/%m/%Y"),
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),
    (r"\d{8}", "%Y%m%d"),
)
# A year from 1900 to 2199, and a month; checked first because `strptime` is slow.
_BEGINS_A_DATE = re.compile(r"(?:19|2[01])\d\d(?:0[1-9]|1[0-2]|$)")
# Formats of dates that are also numbers, by their number of digits.
_DATES_OF_DIGITS = {
    4: "%Y",
    8: "%Y%m%d",
    10: "%Y%m%d%H",
    12: "%Y%m%d%H%M",
    14: "%Y%m%d%H%M%S",
}
# Current times counted in days (as in Excel), hours or minutes: as seconds, in 1970.
_DAYS_TO_MINUTES = (10_000, 31_536_000)
_EPOCH_OF_1990, _EPOCH_OF_2100 = 631_152_000, 4_102_444_800

# 1973 in seconds; and a day such as 20200131.
_LEAST_TIME = 1e8
_DAY = re.compile(r"(?:19|20)\d\d[01]\d[0-3]\d")


class AmbiguousError(ValueError):
    """The text can be split in two ways; the message shows both."""


def delimiter(
    text: str, base_name: str, is_plausible: Callable[[Records], bool]
) -> str | None:
    """Returns the separator of some lines; None if none is found.

    A separator must split all lines into the same number of fields, at least two. Among
    several, those that make a table of ratings are preferred, and among these the one
    with the most fields.

    Args:
        text: Whole lines.
        base_name: Name of the file, whose ending is a hint.
        is_plausible: Whether records look like the contents that the file should have.

    Raises:
        AmbiguousError: If two separators are equally good.
    """
    ends_in_tabs = base_name.endswith((".tsv", ".inter", ".item", ".user"))
    marks = ("\t",) if ends_in_tabs and "\t" in text else DELIMITERS
    tables = {mark: split_records(text, _plain(mark)) for mark in marks if mark in text}
    even = {mark: table for mark, table in tables.items() if _width(table) > 1}
    if not even:
        in_blanks = split_records(text, _plain(WHITESPACE))
        if _width(in_blanks) > 1 and is_plausible(in_blanks):
            return WHITESPACE
        counts = {mark: len(table[0]) for mark, table in tables.items() if table}
        return max(counts, key=lambda mark: counts[mark], default=None)
    plausible = {mark: table for mark, table in even.items() if is_plausible(table)}
    chosen = plausible or even
    most = max(map(_width, chosen.values()))
    best = [mark for mark, table in chosen.items() if _width(table) == most]
    if len(best) > 1 and not (best == [",", "::"] and base_name.endswith(".csv")):
        raise AmbiguousError(_two_ways(best[0], best[1], tables))
    if not ends_in_tabs and (best[0] == "\t" or _begins_with_blanks(even[best[0]])):
        in_blanks = split_records(text, _plain(WHITESPACE))
        least = most + 1 if best[0] == "\t" else most
        if _width(in_blanks) >= least and is_plausible(in_blanks):
            raise AmbiguousError(
                _two_ways(best[0], WHITESPACE, {**tables, WHITESPACE: in_blanks})
            )
    return best[0]


def _begins_with_blanks(records: Records) -> bool:
    """Returns whether all first fields contain blanks, as "1 10" in ``1 10,5``."""
    return all(len(record[0].split()) > 1 for record in records)


def _plain(mark: str) -> Dialect:
    return Dialect(delimiter=mark, quote=QUOTE if len(mark) == 1 else "")


def _width(records: Records) -> int:
    """Returns the number of fields of every record; 0 if they differ."""
    widths = {len(record) for record in records}
    return widths.pop() if len(widths) == 1 else 0


def _two_ways(one: str, other: str, tables: dict[str, Records]) -> str:
    shown = [
        f"{shown_delimiter(mark)} into {' / '.join(tables[mark][0])!r:.80}"
        for mark in (one, other)
    ]
    return f"its lines can be split at {shown[0]} or at {shown[1]}"


def shown_delimiter(mark: str | None) -> str:
    """Returns the name of a separator, which a person can also use in settings."""
    names = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}
    return names.get(mark or "", mark or "none")


def escape(text: str, dialect: Dialect) -> str:
    r"""Returns ``\`` if quotes are written as ``\"``, or an empty string."""
    if not dialect.quote or ESCAPE + dialect.quote not in text:
        return ""
    without = replace(dialect, escape="")
    if closes_quotes(text, without):
        return ""
    return ESCAPE if closes_quotes(text, replace(dialect, escape=ESCAPE)) else ""


def is_number(text: str, comma: bool = False) -> bool:
    """Returns whether a text is a number; ``comma`` allows a decimal comma."""
    text = text.strip()
    return bool(_NUMBER.fullmatch(text) or (comma and _DECIMAL_COMMA.fullmatch(text)))


def is_time(text: str) -> bool:
    """Returns whether a text is a number or a time in ISO 8601."""
    return is_number(text) or ISO_TIME.fullmatch(text.strip()) is not None


def looks_like_time(text: str) -> bool:
    """Returns whether a text is a date, or a number as large as current times."""
    if is_number(text):
        return abs(float(text)) >= _LEAST_TIME or bool(_DAY.fullmatch(text))
    return is_time(text) or any(re.match(shape, text) for shape, _ in _SHAPES)


def decimal(texts: Sequence[str], thousands: str | None = None) -> str | None:
    """Returns the decimal mark of some numbers; None if they have no fractions.

    Args:
        texts: The numbers as they are written.
        thousands: The mark between groups of digits, as a person declared it; the
            decimal mark must be another one.
    """
    if thousands in (".", ","):
        return "," if thousands == "." else "."
    texts = [text.strip().replace(thousands or " ", "") for text in texts]
    if any("." in text for text in texts):
        return "."
    with_comma = [text for text in texts if "," in text]
    if with_comma and all(_DECIMAL_COMMA.fullmatch(text) for text in with_comma):
        return ","
    return None


def times(texts: Sequence[str]) -> tuple[str, str] | None:
    """Returns the format and the unit of some times; None if neither is known.

    The format is ``iso8601``, or empty for numbers. The unit is the one in which most
    of them are current times; seconds if there is a tie. Numbers below 0, such as -1
    for no time, count only if there are no others.
    """
    texts = [text.strip() for text in texts]
    numbers = [float(text) for text in texts if is_number(text)]
    if 2 * len(numbers) >= len(texts):
        positive = [number for number in numbers if number > 0]
        units = Counter(_unit(number) for number in positive or numbers if number)
        first, *others = units.most_common(2) or [("s", 0)]
        is_tied = bool(others) and others[0][1] == first[1]
        return "", "s" if is_tied else first[0]
    if 2 * sum(ISO_TIME.fullmatch(text) is not None for text in texts) >= len(texts):
        return ISO_8601, "s"
    return None


def _unit(number: float) -> str:
    for unit, least in LEAST_OF_UNIT.items():
        if abs(number) >= least:
            return unit
    return next(iter(UNITS))


def date_of_digits(texts: Sequence[str]) -> str | None:
    """Returns the format of numbers that are dates, such as 20201110, or None."""
    numbers = [text.strip() for text in texts if is_number(text)]
    formats = Counter(_format_of_digits(number) for number in numbers)
    [(found, count)] = formats.most_common(1) or [(None, 0)]
    return found if 2 * count > len(numbers) else None


def _format_of_digits(text: str) -> str | None:
    written = _DATES_OF_DIGITS.get(len(text))
    if written is None or not _BEGINS_A_DATE.match(text) or not text.isdecimal():
        return None
    try:
        year = datetime.strptime(text, written).year
    except ValueError:
        return None
    return written if year <= 2100 else None


def are_of_another_unit(texts: Sequence[str], unit: str) -> bool:
    """Returns whether most numbers count days, hours or minutes, or are implausible.

    Old times are plausible in seconds; in other units, times before 1990 are not.
    """
    numbers = [float(text) for text in texts if is_number(text)]
    positive = [number for number in numbers if number > 0]
    least, greatest = _DAYS_TO_MINUTES
    earliest = 0 if unit == "s" else _EPOCH_OF_1990
    odd = [
        number
        for number in positive
        if least <= number <= greatest
        or not earliest <= number / UNITS[unit] <= _EPOCH_OF_2100
    ]
    return 2 * len(odd) > len(positive)


def implausible_time(texts: Sequence[str], unit: str) -> str | None:
    """Returns a number that is not a time from 1990 to 2100, if most are not, or None.

    Numbers below 0, such as -1 for no time, count only if there are no others.
    """
    numbers = {text: float(text) for text in texts if is_number(text)}
    chosen = {text: n for text, n in numbers.items() if n > 0} or numbers
    odd = [
        text
        for text, number in chosen.items()
        if not _EPOCH_OF_1990 <= number / UNITS[unit] <= _EPOCH_OF_2100
    ]
    return odd[0] if 2 * len(odd) > len(chosen) else None


def are_times(texts: Sequence[str]) -> bool:
    """Returns whether numbers are times from 1990 to 2100: unlikely ratings or ids."""
    found = times(texts)
    if not texts or found is None or not all(map(is_number, texts)):
        return False
    seconds = [float(text) / UNITS[found[1]] for text in texts]
    return all(_EPOCH_OF_1990 <= time <= _EPOCH_OF_2100 for time in seconds) or (
        date_of_digits(texts) not in (None, "%Y")
    )


def time_formats(text: str) -> str:
    """Returns formats that a time may have, as an example to try."""
    for shape, written in _SHAPES:
        if re.match(shape, text):
            rest = re.sub(shape, "", text, count=1)
            for digits, part in (
                (r"\d\d:\d\d:\d\d", "%H:%M:%S"),
                (r"\d\d:\d\d", "%H:%M"),
            ):
                rest = re.sub(digits, part, rest, count=1)
            return "' or '".join(date + rest for date in written.split("' or '"))
    return "%d.%m.%Y %H:%M"
