"""Samples of delimited text: encoding, separator, quote, escape and first records."""

import codecs
from dataclasses import replace

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import (
    UTF_8,
    WHITESPACE,
    Dialect,
    split_records,
)
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise import guess
from components.ratings_example_gen.recognise.binary_signatures import check_is_text
from components.ratings_example_gen.recognise.preamble import find_preamble
from components.ratings_example_gen.recognise.sample import (
    MAX_RECORDS,
    IsPlausible,
    Sample,
    beginning,
    digest,
    is_whole,
)

_UTF_16 = "utf-16"
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def sample_text(
    part: Part, declared: Dialect, is_plausible: IsPlausible
) -> Sample | None:
    """Returns the beginning of a text file; None if it holds nothing but blanks.

    Raises:
        BadInputError: If the file is binary, or its lines can be split in two ways.
    """
    dialect = replace(declared, encoding=declared.encoding or UTF_8)
    data = beginning(replace(part, dialect=dialect))
    if declared.encoding is None and data.startswith(_UTF_16_MARKS):
        dialect = replace(declared, encoding=_UTF_16)
        data = beginning(replace(part, dialect=dialect))
    if not data.strip():
        return None
    check_is_text(part, data)
    if b"\0" in data:
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            "the file is binary, not text",
            "Provide CSV, TSV, JSON lines or Parquet. The name of a Parquet file ends "
            "in .parquet, that of a compressed file in .gz or .zip. For UTF-16 without "
            "a byte order mark, set data.encoding=utf-16-le.",
        )
    text = data.decode(errors="replace")
    preamble, separator = find_preamble(text)
    text = text.split("\n", len(preamble))[-1]
    dialect = replace(dialect, delimiter=dialect.delimiter or separator)
    part = replace(part, preamble=preamble)
    dialect = _with_marks(part, text, dialect, is_plausible)
    part = replace(part, dialect=dialect)
    records = split_records(text, dialect)[:MAX_RECORDS]
    return Sample(part, records, digest=digest(data), is_whole=is_whole(data))


def _with_marks(
    part: Part, text: str, dialect: Dialect, is_plausible: IsPlausible
) -> Dialect:
    """Returns the dialect with its separator, quote and escape filled in.

    Raises:
        BadInputError: If the lines can be split in two ways, or the marks contradict
            each other.
    """
    mark = dialect.delimiter
    if mark is None:
        try:
            mark = guess.delimiter(text, part.base_name, is_plausible)
        except guess.AmbiguousError as error:
            raise fatal(
                part.name,
                input_errors.HEADER_MISMATCH,
                str(error),
                "Set data.delimiter: comma, semicolon, tab, pipe, whitespace, or the "
                "separator itself.",
            ) from error
    mark = mark or ","
    is_plain = mark == WHITESPACE or len(mark.encode()) > 1
    quote = dialect.quote
    if quote is None:
        quote = "" if is_plain else guess.QUOTE
    if quote and is_plain:
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            f"fields that are separated by {mark!r} cannot be quoted",
            "Remove data.quote, or set data.delimiter to a single character.",
        )
    for name, other in (("quote", quote), ("escape", dialect.escape)):
        if other == mark:
            raise fatal(
                part.name,
                input_errors.HEADER_MISMATCH,
                f"its fields are separated by {mark!r}, which is also data.{name}",
                f"Remove data.{name}, or set data.delimiter to another separator.",
            )
    dialect = replace(dialect, delimiter=mark, quote=quote)
    if dialect.escape is None:
        dialect = replace(dialect, escape=guess.escape(text, dialect))
    return dialect
