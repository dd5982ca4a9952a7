"""How a text table is written: separator, encoding, quotes, numbers and times.

A ``Dialect`` has two uses. As *declared* by a person, a field that is None is to be
guessed (``data.delimiter`` and so on in the configuration). As *resolved* by
recognition, every field that matters to the file is filled in.

Tables of ratings, items and users use the same dialect and the same parser.
"""

import csv
import io
import re
from dataclasses import dataclass
from typing import TypedDict

# Runs of blanks and tabs.
WHITESPACE = "whitespace"
# Separators, of one or more characters, that can also be given by name.
DELIMITER_NAMES = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "\\t": "\t",
    "pipe": "|",
    " ": WHITESPACE,
    "blank": WHITESPACE,
}
NULL_VALUES = (
    "",
    "NULL",
    "null",
    "\\N",
    "NaN",
    "nan",
    "None",
    "NA",
    "N/A",
    "<NA>",
)
UTF_8 = "utf-8"
ISO_8601 = "iso8601"
# 1e11 seconds are the year 5138, 1e11 milliseconds are 1973: no current time is both.
LEAST_OF_UNIT = {"ns": 1e17, "us": 1e14, "ms": 1e11}
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True)
class Dialect:
    r"""How a text table is written; None means that recognition decides.

    Attributes:
        delimiter: Separator of fields: one or more characters, or ``whitespace`` for
            runs of blanks and tabs.
        encoding: Name of a Python codec, such as ``utf-8``, ``latin-1`` or ``utf-16``.
        quote: Character that encloses fields with separators or line ends; empty for
            none. Inside, two of them stand for one.
        escape: Character that makes the next one literal, as in ``\"``; empty for none.
        header: Whether the first record names the columns.
        decimal: Decimal mark of numbers.
        thousands: Mark between groups of three digits; empty for none.
        timestamp_format: ``iso8601``, or a format of ``strptime``; empty for numbers.
        timestamp_unit: ``s``, ``ms``, ``us`` or ``ns`` since 1970, for numbers.
        timezone: IANA name of the time zone of times without an offset.
        null_values: Texts that stand for a missing value.
        keep_blanks: Whether blanks around an id belong to it.
    """

    delimiter: str | None = None
    encoding: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | None = None
    decimal: str | None = None
    thousands: str | None = None
    timestamp_format: str | None = None
    timestamp_unit: str | None = None
    timezone: str | None = None
    null_values: tuple[str, ...] | None = None
    keep_blanks: bool = False

    @property
    def is_utf_8(self) -> bool:
        """Whether the file's bytes need no recoding."""
        return self.encoding in (None, UTF_8)

    @property
    def nulls(self) -> tuple[str, ...]:
        """The texts that stand for a missing value, by default ``NULL_VALUES``."""
        return NULL_VALUES if self.null_values is None else self.null_values


def split_records(text: str, dialect: Dialect) -> list[list[str]]:
    """Splits text into records, and records into fields; blank lines are left out.

    Args:
        text: Whole lines; an incomplete last record is split as it is.
        dialect: A dialect with a delimiter.
    """
    if not dialect.quote or not dialect.delimiter or len(dialect.delimiter) > 1:
        return [
            split_line(line, dialect)
            for line in text.split("\n")
            if line.removesuffix("\r")
        ]
    text = without_escaped_nulls(text, dialect)
    lines = io.StringIO(text, newline="")
    try:
        return [record for record in csv.reader(lines, **_csv(dialect)) if record]
    except csv.Error:  # NUL, a stray carriage return, or a field of more than 128 KB
        return [line.split(dialect.delimiter) for line in text.splitlines() if line]


def split_line(line: str, dialect: Dialect) -> list[str]:
    """Splits one record, without its line end, into fields."""
    line = line.removesuffix("\r")
    if dialect.delimiter == WHITESPACE:
        return line.split()
    if not dialect.quote or dialect.delimiter is None or len(dialect.delimiter) > 1:
        return line.split(dialect.delimiter)
    try:
        lines = io.StringIO(line, newline="")
        return next(csv.reader(lines, **_csv(dialect)), [])
    except csv.Error:
        return line.split(dialect.delimiter)


def closes_quotes(text: str, dialect: Dialect) -> bool:
    """Returns whether every quote is closed where its field ends."""
    lines = io.StringIO(text, newline="")
    try:
        return all(True for _ in csv.reader(lines, strict=True, **_csv(dialect)))
    except csv.Error:
        return False


class _CsvOptions(TypedDict, total=False):
    delimiter: str
    quotechar: str
    escapechar: str


def _csv(dialect: Dialect) -> _CsvOptions:
    """Returns the options of Python's ``csv`` module."""
    options: _CsvOptions = {}
    if dialect.delimiter:
        options["delimiter"] = dialect.delimiter
    if dialect.quote:
        options["quotechar"] = dialect.quote
    if dialect.escape:
        options["escapechar"] = dialect.escape
    return options


def without_escaped_nulls(text: str, dialect: Dialect) -> str:
    r"""Empties fields of ``\N``: where ``\`` escapes, it would be read as N."""
    if dialect.escape != "\\" or "\\N" not in text:
        return text
    mark = re.escape(dialect.delimiter or "")
    return re.sub(rf"(^|{mark})\\N(?={mark}|\r?$)", r"\1", text, flags=re.MULTILINE)
