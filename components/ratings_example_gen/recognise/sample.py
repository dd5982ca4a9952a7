"""The beginning of a part: names of its columns and some rows."""

import codecs
import contextlib
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow_hotfix  # noqa: F401 - or a type in the file would be unpickled

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import (
    UTF_8,
    WHITESPACE,
    Dialect,
    split_records,
)
from components.ratings_example_gen.input_errors import BadInputError, fatal
from components.ratings_example_gen.json_objects import as_text, parse
from components.ratings_example_gen.recognise import guess
from components.ratings_example_gen.recognise.binary_signatures import check_is_text
from components.ratings_example_gen.recognise.parts import (
    BYTE_ORDER_MARK,
    JSON_LINES,
    JSON_SUFFIXES,
    MAX_LINE_BYTES,
    PARQUET,
    Part,
    damaged,
    open_parquet,
    open_part,
    seekable,
)
from components.ratings_example_gen.recognise.preamble import find_preamble

SAMPLE_BYTES = 1 << 16
MAX_RECORDS = 200
# Of a row group that is read where a Parquet file has no statistics.
MAX_ROWS_READ, MAX_READ = 1 << 20, 64 << 20
_UTF_16 = "utf-16"
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Sample:
    """What the beginning of a part shows.

    Attributes:
        part: With format, encoding, separator, quote and escape.
        records: Records as texts; of text that may have a header, the first is it. Of
            Parquet a least and a greatest value of each column, where they are known.
        names: Names of the columns; None for text, where the first record may be that.
        types: Name → Arrow's type, for Parquet.
        bounds: Name → least and greatest value, for Parquet that has them.
        digest: Hash of the bytes that were read; empty for Parquet.
        is_whole: Whether these bytes are the whole content.
    """

    part: Part
    records: list[list[str]]
    names: list[str] | None = None
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    bounds: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    digest: bytes = b""
    is_whole: bool = False

    def bounds_of(self, name: str) -> pa.Array:
        """Returns a column's bounds as the column has them; none where unknown."""
        kind = self.types[name]
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            texts = [str(value).encode() for value in self.bounds.get(name, ())]
            return pa.array(texts, pa.binary())
        try:
            return pa.array(self.bounds.get(name, ()), kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return pa.nulls(0)


def first_line(part: Part) -> bytes:
    """Returns the first line that is not blank, without its end; empty if none."""
    with open_part(part) as f:
        line = f.readline(MAX_LINE_BYTES).removeprefix(BYTE_ORDER_MARK)
        while line and not line.strip(b"\r\n"):
            line = f.readline(MAX_LINE_BYTES)
    return line.rstrip(b"\r\n")


def take(
    part: Part,
    declared: Dialect,
    is_plausible: Callable[[guess.Records], bool],
    all_keys: bool = False,
) -> Sample | None:
    """Reads the beginning of a part; None where it holds nothing.

    Args:
        part: A file, of which nothing is known but its name.
        declared: What a person said of its text; the rest is guessed.
        is_plausible: Whether records look like what the file should hold.
        all_keys: Whether the keys of JSON lines are those of all objects, not only of
            the first ones; for small files.

    Raises:
        BadInputError: When it is not what its name says, or can be read in two ways.
    """
    if part.size == 0:
        return None
    if part.base_name.endswith(".parquet"):
        return _of_parquet(replace(part, format=PARQUET, dialect=declared))
    if part.base_name.endswith(JSON_SUFFIXES):
        return _of_json_lines(part, declared, all_keys)
    dialect = replace(declared, encoding=declared.encoding or UTF_8)
    data = _beginning(replace(part, dialect=dialect))
    if declared.encoding is None and data.startswith(_UTF_16_MARKS):
        dialect = replace(declared, encoding=_UTF_16)
        data = _beginning(replace(part, dialect=dialect))
    if not data.strip():
        return None
    check_is_text(part, data)
    if b"\0" in data:
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            "the file is binary, not text",
            "Give CSV, TSV, JSON lines or Parquet; a Parquet file's name ends in "
            ".parquet, a compressed one's in .gz or .zip. For UTF-16 without a mark "
            "set data.encoding=utf-16-le.",
        )
    text = data.decode(errors="replace")
    preamble, separator = find_preamble(text)
    text = text.split("\n", len(preamble))[-1]
    dialect = replace(dialect, delimiter=dialect.delimiter or separator)
    part = replace(part, preamble=preamble)
    dialect = _with_marks(part, text, dialect, is_plausible)
    part = replace(part, dialect=dialect)
    records = split_records(text, dialect)[:MAX_RECORDS]
    return Sample(part, records, digest=_digest(data), is_whole=_is_whole(data))


def _beginning(part: Part) -> bytes:
    """Returns whole lines, two at least if the file has them."""
    with open_part(part) as f:
        data = f.read(SAMPLE_BYTES).removeprefix(BYTE_ORDER_MARK)
        while data and (not data.endswith(b"\n") or data.count(b"\n") < 2):
            line = f.readline(MAX_LINE_BYTES)
            data += line
            if not line.endswith(b"\n"):
                break
    return data


def _digest(beginning: bytes) -> bytes:
    return hashlib.sha256(beginning).digest()


def _is_whole(beginning: bytes) -> bool:
    return len(beginning) < SAMPLE_BYTES - len(BYTE_ORDER_MARK)


def _with_marks(
    part: Part,
    text: str,
    dialect: Dialect,
    is_plausible: Callable[[guess.Records], bool],
) -> Dialect:
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
                "mark itself.",
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
            f"fields that are cut at {mark!r} cannot be quoted",
            "Leave out data.quote, or set data.delimiter to a single character.",
        )
    for name, other in (("quote", quote), ("escape", dialect.escape)):
        if other == mark:
            raise fatal(
                part.name,
                input_errors.HEADER_MISMATCH,
                f"its fields are cut at {mark!r}, which is also data.{name}",
                f"Leave out data.{name}, or set data.delimiter to another mark.",
            )
    dialect = replace(dialect, delimiter=mark, quote=quote)
    if dialect.escape is None:
        dialect = replace(dialect, escape=guess.escape(text, dialect))
    return dialect


def occurs(part: Part, key: str) -> bool:
    """Whether a key may be in some object of a file of JSON lines."""
    wanted = {json.dumps(key).encode(), json.dumps(key, ensure_ascii=False).encode()}
    with open_part(part) as f:
        while line := f.readline(MAX_LINE_BYTES):
            if any(text in line for text in wanted):
                return True
    return False


def _keys(part: Part) -> Iterator[str]:
    """Yields the keys of all objects."""
    with open_part(part) as f:
        while line := f.readline(MAX_LINE_BYTES):
            try:
                yield from parse(line.decode("utf-8", "backslashreplace"))
            except ValueError:
                continue  # a bad row, which the reader names


def _of_json_lines(part: Part, declared: Dialect, all_keys: bool) -> Sample | None:
    dialect = replace(declared, quote="", escape="", encoding=UTF_8)
    part = replace(part, format=JSON_LINES, dialect=dialect)
    data = _beginning(part)
    lines = [line for line in data.split(b"\n") if line.strip()]
    if not lines:
        return None
    objects = []
    for line in lines[:MAX_RECORDS]:
        try:
            objects.append(parse(line.decode("utf-8", "backslashreplace")))
        except ValueError:
            continue  # a bad row, which the reader names
    if not objects:
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            "it has no JSON object on a line of its own",
            "Write one object on each line (JSON lines): jq -c '.[]' converts a list.",
        )
    names = list(dict.fromkeys(key for each in objects for key in each))
    if all_keys:
        names = list(dict.fromkeys([*names, *_keys(part)]))
    records = [[as_text(each.get(name)) or "" for name in names] for each in objects]
    return Sample(
        replace(part, keys=tuple(names)),
        records,
        names,
        digest=_digest(data),
        is_whole=_is_whole(data),
    )


def _of_parquet(part: Part) -> Sample:
    try:
        with open_part(part) as f:
            source = seekable(f)
            file = open_parquet(part, source)
            schema = file.schema_arrow
            bounds = _bounds(file.metadata)
            bounds |= _first_values(part, source, file, bounds)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise damaged(part.name, error) from error
    names = list(schema.names)
    types = dict(zip(names, schema.types, strict=True))
    least_and_greatest = [
        [_shown(bounds[name][row]) if name in bounds else "" for name in names]
        for row in range(2)
    ]
    return Sample(part, least_and_greatest, names, types, bounds)


def _bounds(metadata: pq.FileMetaData) -> dict[str, tuple[Any, Any]]:
    """Returns the first row group's least and greatest values, by the writer's word.

    They show how times are written without reading a row group, which may be large.
    """
    bounds: dict[str, tuple[Any, Any]] = {}
    if metadata.num_row_groups == 0:
        return bounds
    group = metadata.row_group(0)
    for index in range(group.num_columns):
        column = group.column(index)
        try:
            found = column.statistics
            if found is not None and found.has_min_max:
                bounds[column.path_in_schema] = (found.min, found.max)
        except (ValueError, NotImplementedError, OverflowError):
            continue  # a type without an order, or text that is not UTF-8
    return bounds


def _first_values(
    part: Part, source: IO[bytes], file: pq.ParquetFile, known: Collection[str]
) -> dict[str, tuple[Any, Any]]:
    """Returns two values of columns without statistics, where it costs little."""
    metadata, schema = file.metadata, file.schema_arrow
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    small = [
        index
        for index, group in enumerate(groups)
        if 0 < group.num_rows <= MAX_ROWS_READ and group.total_byte_size <= MAX_READ
    ]
    names = [
        field.name
        for field in schema
        if field.name not in known and not pa.types.is_nested(field.type)
    ]
    if not small or not names:
        return {}
    # Text stays encoded: a short page can repeat a long text a million times.
    file = open_parquet(part, source, metadata=metadata, read_dictionary=names)
    try:
        table = file.read_row_group(small[0], columns=names, use_threads=False)
    except pa.ArrowException:
        return {}  # perhaps in a column that nobody reads; the reader names others
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        with contextlib.suppress(ValueError, OverflowError):  # text that is not UTF-8
            if values := column.drop_null().slice(0, 2).to_pylist():
                found[name] = (values[0], values[-1])
    return found


def _shown(value: Any) -> str:
    is_bytes = isinstance(value, bytes)
    return value.decode(errors="backslashreplace") if is_bytes else str(value)


def empty(part: Part) -> BadInputError:
    """Returns the error for a file that holds nothing."""
    return fatal(
        part.name,
        input_errors.EMPTY_FILE,
        "the file is empty",
        "Put the ratings in, or take the file away.",
    )
