"""Reads ratings block by block, without a step of Python per row.

A block is a range of bytes of a plain file, a row group of a Parquet file, or a
whole archive member that is streamed; it is what a worker is given. Only rows
that turn out to be bad are looked at one by one, to say where they are and why.
One line is one row: values hold no newlines.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pyarrow_hotfix  # noqa: F401 - or a type in a file would be unpickled

from components.ratings_example_gen import formats, problems
from components.ratings_example_gen.formats import (
    BYTE_ORDER_MARK,
    ITEM_ID,
    RATING,
    TIMESTAMP,
    USER_ID,
    Part,
)
from components.ratings_example_gen.problems import (
    MAX_TEXT,
    BadInputError,
    Problem,
    fatal,
)

BLOCK_BYTES = 16 << 20
# Of text at once: where every line is bad, a line of two bytes takes 300 of memory.
PIECE_BYTES = 1 << 20
# What Arrow wrote at most without being asked for more.
MAX_GROUP_ROWS = 64 << 20
# Stands for "::" while a block is parsed; a line that holds it is refused.
_SEPARATOR = b"\x01"
# Years 1 and 9999. Milliseconds and nanoseconds of our days are beyond them.
MIN_TIME, MAX_TIME = -62_135_596_800, 253_402_300_799
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_NOT_FINITE = r"(?i)^[+-]?(?:nan|inf|infinity)$"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """A piece of one part that is read by one worker.

    Attributes:
        part: Index of the part.
        number: Position among all blocks, in reading order.
        begin: First byte, or first row group; a line belongs to the block in
            which it begins.
        end: One past the last byte or row group; 0 for a stream to its end.
    """

    part: int
    number: int
    begin: int = 0
    end: int = 0


BadRow = tuple[int, str, str, str]
"""1-based line within the block, kind, reason, text."""


@dataclass(frozen=True)
class Rows:
    """Some consecutive rows of a part, still as they were written.

    Attributes:
        columns: Each column's values: binary from text, any type from Parquet.
        locate: Turns row numbers into (1-based line within these lines, text).
        bad: Rows already left out, because they have not the right fields.
        begin: Lines of the block that lie before these.
        num_lines: Lines these rows came from, blank ones too.
    """

    columns: dict[str, pa.Array]
    locate: Callable[[npt.NDArray[np.int64]], list[tuple[int, str]]]
    bad: list[BadRow]
    begin: int
    num_lines: int


@dataclass(frozen=True)
class Ratings:
    """The good rows of some consecutive lines, and what is wrong with the others.

    Attributes:
        table: ``user_id``, ``item_id`` string, ``rating`` float32, ``timestamp``
            int64 where the data has times; in the order of the file.
        bad: The other rows; lines are counted from the block's first.
        end: Lines of the block up to here, blank ones and the header too.
    """

    table: pa.Table
    bad: list[BadRow]
    end: int

    @property
    def num_rows(self) -> int:
        """Rows read, good and bad."""
        return self.table.num_rows + len(self.bad)


def plan_blocks(parts: Sequence[Part], block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Cuts parts into blocks, in reading order.

    Plain text is cut every ``block_bytes``, Parquet at its row groups; what is
    compressed can only be read from its beginning and stays whole.
    """
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        cuts = [(0, 0)]
        if part.delimiter == formats.PARQUET:
            with formats.open_part(part) as f:
                groups = pq.ParquetFile(formats.seekable(f)).num_row_groups
            cuts = (
                [(i, i + 1) for i in range(groups)] if part.seekable else [(0, groups)]
            )
        elif part.seekable:
            begins = range(0, part.size, block_bytes)
            cuts = [(begin, min(begin + block_bytes, part.size)) for begin in begins]
        for begin, end in cuts:
            blocks.append(Block(index, len(blocks), begin, end))
    return blocks


def read_rows(part: Part, block: Block) -> Iterator[Rows]:
    """Yields the block's rows, some megabytes at a time.

    Raises:
        BadInputError: When the archive is cut short or a line never ends.
    """
    with formats.open_part(part) as f:
        if part.delimiter == formats.PARQUET:
            yield from _read_parquet(part, block, f)
        else:
            yield from _read_text(part, block, f)


def _read_text(part: Part, block: Block, f: IO[bytes]) -> Iterator[Rows]:
    """Yields the rows of all lines that begin within the block."""
    remaining = block.end - block.begin if block.end else sys.maxsize
    begin = 0
    if block.begin:
        # The line that is cut by the block's beginning belongs to the block before.
        f.seek(block.begin - 1)
        remaining -= len(_read_line(part, f)) - 1
    else:
        head = _read_line(part, f)
        remaining -= len(head)
        head = head.removeprefix(BYTE_ORDER_MARK)
        begin = 1
        if not part.header_lines:
            yield _parse_text(part, head, 0)
        while part.header_lines and head and not head.strip(b"\r\n"):
            head = _read_line(part, f)
            remaining -= len(head)
            begin += 1
    while remaining > 0:
        data = f.read(min(remaining, PIECE_BYTES))
        if not data:
            break
        if not data.endswith(b"\n"):
            data += _read_line(part, f)
        remaining -= len(data)
        rows = _parse_text(part, data, begin)
        begin += rows.num_lines
        yield rows


def _read_line(part: Part, f: IO[bytes]) -> bytes:
    line = f.readline(formats.MAX_LINE_BYTES)
    if len(line) == formats.MAX_LINE_BYTES and not line.endswith(b"\n"):
        raise fatal(
            part.name,
            problems.UNREADABLE_FILE,
            f"a line is longer than {formats.MAX_LINE_BYTES} bytes",
            "Is it a text file? Known endings: " + ", ".join(formats.DATA_SUFFIXES),
        )
    return line


class _Lines:
    """Where the lines of a piece of text begin and end; blank ones are no rows."""

    def __init__(self, data: bytes):
        self._data = data
        codes = np.frombuffer(data, np.uint8)
        self.ends = np.flatnonzero(codes == ord("\n")) + 1
        if not data.endswith(b"\n"):
            self.ends = np.append(self.ends, len(data))
        self.begins = np.concatenate([[0], self.ends[:-1]])
        length = self.ends - self.begins
        first = codes[self.begins]
        is_end = (first == ord("\n")) | (first == ord("\r"))
        last = codes[self.ends - 1]
        self.blank = is_end & ((length == 1) | ((length == 2) & (last == ord("\n"))))

    def as_array(self) -> pa.Array:
        """Returns all lines, with their ends, as a binary array that copies nothing."""
        offsets = np.append(self.begins, len(self._data)).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._data)]
        return pa.Array.from_buffers(pa.binary(), len(self.ends), buffers)

    def text(self, line: int) -> str:
        """Returns one line for a person to read."""
        return self.whole(line)[:MAX_TEXT]

    def whole(self, line: int) -> str:
        """Returns one line with nothing cut off but its end."""
        data = self._data[self.begins[line] : self.ends[line]]
        return data.rstrip(b"\r\n").decode("utf-8", "backslashreplace")


def _parse_text(part: Part, data: bytes, begin: int) -> Rows:
    """Parses whole lines; those that cannot be rows are left out and named."""
    num_lines = data.count(b"\n") + (not data.endswith(b"\n"))
    body = data
    separator = part.delimiter.encode()
    ambiguous = part.quoted and b'"' in data
    ambiguous |= data.count(b"\r") != data.count(b"\r\n")
    if separator == b"::":
        ambiguous |= _SEPARATOR in data
        body = data.replace(b"::", _SEPARATOR)
        separator = _SEPARATOR
    if not ambiguous:
        try:
            columns = _read_csv(part, body, separator)
        except pa.ArrowInvalid:
            pass  # Some row has too many or too few fields: find out which.
        else:
            return Rows(columns, _locator(data, None), [], begin, num_lines)
    kept, bad = _check_lines(part, data)
    lines = _Lines(data)
    body = _join(lines.as_array().take(pa.array(kept)))
    if part.delimiter == "::":
        body = body.replace(b"::", _SEPARATOR)
    columns = _read_csv(part, body, separator)
    return Rows(columns, _locator(data, kept), bad, begin, num_lines)


def _read_csv(part: Part, data: bytes, delimiter: bytes) -> dict[str, pa.Array]:
    names = [str(i) for i in range(part.num_fields)]
    wanted = [names[i] for _, i in part.columns]
    if not data.strip(b"\r\n"):
        return {name: pa.array([], pa.binary()) for name, _ in part.columns}
    if data.startswith(BYTE_ORDER_MARK):
        data = b"\n" + data  # Belongs to an id here, and Arrow would drop it.
    table = pa_csv.read_csv(
        pa.py_buffer(data),
        read_options=pa_csv.ReadOptions(
            use_threads=False, column_names=names, block_size=len(data) + 1
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter.decode("latin-1"),
            quote_char='"' if part.quoted else False,
        ),
        convert_options=pa_csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(names, pa.binary()),
            include_columns=wanted,
            null_values=[],
        ),
    )
    return {
        name: table[str(i)].combine_chunks()
        if table.num_rows
        else pa.array([], pa.binary())
        for name, i in part.columns
    }


def _check_lines(part: Part, data: bytes) -> tuple[npt.NDArray[np.int64], list[BadRow]]:
    """Returns the lines (0-based) that are rows, and the others that are not blank."""
    lines = _Lines(data)
    text = lines.as_array()
    separator = part.delimiter
    control = _matches(text, r"\r[^\n]" + ("|\\x01" if separator == "::" else ""))
    fields = pc.count_substring(text, separator).to_numpy() + 1
    unclosed = np.zeros(len(text), np.bool_)
    if part.quoted:
        quoted = np.flatnonzero(_matches(text, '"') & ~control)
        mark = re.escape(separator)
        value = rf'(?:"(?:[^"]|"")*"|[^"{mark}\r\n][^{mark}\r\n]*|)'
        with_quotes = text.take(pa.array(quoted))
        end = r"\r?\n?$"
        closed = _matches(with_quotes, rf"^{value}(?:{mark}{value})*{end}")
        right = _matches(
            with_quotes, rf"^(?:{value}{mark}){{{part.num_fields - 1}}}{value}{end}"
        )
        unclosed[quoted] = ~closed
        fields[quoted] = np.where(right, part.num_fields, 0)
    wrong = fields != part.num_fields
    bad: list[BadRow] = []
    rejected = ~lines.blank & (control | unclosed | wrong)
    for line in np.flatnonzero(rejected):
        shown = lines.text(line)
        if control[line]:
            kind = problems.CONTROL_CHARACTER
            reason = "a control character (a carriage return?) inside the line"
        elif unclosed[line]:
            kind = problems.UNCLOSED_QUOTE
            reason = "a quote that is not closed before the field or line ends"
        else:
            kind = problems.WRONG_NUMBER_OF_FIELDS
            found = len(formats.split_line(lines.whole(line), part))
            reason = f"{found} fields where {part.num_fields} are expected"
        bad.append((int(line) + 1, kind, reason, shown))
    return np.flatnonzero(~lines.blank & ~rejected), bad


def _matches(values: pa.Array, pattern: str) -> Mask:
    return cast(Mask, pc.match_substring_regex(values, pattern).to_numpy(False))


def _join(values: pa.Array) -> bytes:
    """Returns a fresh binary array's values one behind the other."""
    return values.buffers()[2].to_pybytes() if len(values) else b""


def _locator(
    data: bytes, kept: npt.NDArray[np.int64] | None
) -> Callable[[npt.NDArray[np.int64]], list[tuple[int, str]]]:
    def locate(rows: npt.NDArray[np.int64]) -> list[tuple[int, str]]:
        lines = _Lines(data)
        line_of = np.flatnonzero(~lines.blank) if kept is None else kept
        return [(int(line) + 1, lines.text(line)) for line in line_of[rows]]

    return locate


def _read_parquet(part: Part, block: Block, f: IO[bytes]) -> Iterator[Rows]:
    try:
        file = pq.ParquetFile(formats.seekable(f))
        names = {name: file.schema_arrow.names[i] for name, i in part.columns}
        begin = 0
        for group in range(block.begin, block.end or file.num_row_groups):
            if file.metadata.row_group(group).num_rows > MAX_GROUP_ROWS:
                raise fatal(
                    part.name,
                    problems.UNREADABLE_FILE,
                    f"a row group of more than {MAX_GROUP_ROWS:,} rows",
                    "Write it in smaller row groups: each is in memory as a whole.",
                )
            # Not in batches: this Arrow's reader of batches dies of a damaged file.
            table = file.read_row_group(group, columns=list(names.values()))
            columns = {
                name: _plain(table[old].combine_chunks()) for name, old in names.items()
            }
            yield Rows(columns, _row_locator(table), [], begin, table.num_rows)
            begin += table.num_rows
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise formats.damaged(part.name, error) from error


def _plain(values: pa.Array) -> pa.Array:
    """Returns text of any of Arrow's types as binary: Parquet checks no UTF-8."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_large_list(values.type):
        values = values.cast(pa.list_(values.type.value_type))
    is_text = (
        pa.types.is_string(values.type)
        or pa.types.is_large_string(values.type)
        or pa.types.is_large_binary(values.type)
        or pa.types.is_fixed_size_binary(values.type)
    )
    return values.cast(pa.binary()) if is_text else values


def _row_locator(
    table: pa.Table,
) -> Callable[[npt.NDArray[np.int64]], list[tuple[int, str]]]:
    def locate(rows: npt.NDArray[np.int64]) -> list[tuple[int, str]]:
        taken = table.take(pa.array(rows))
        texts = zip(*(map(_shown, column) for column in taken.columns), strict=True)
        return [
            (int(row) + 1, ", ".join(text)[:MAX_TEXT])
            for row, text in zip(rows, texts, strict=True)
        ]

    return locate


def _shown(value: pa.Scalar) -> str:
    try:
        return str(value.as_py())
    except (OverflowError, ValueError):  # a time after 9999; text that is not UTF-8
        return "(unreadable)"


class RatingsReader:
    """Turns blocks of one layout into checked ratings.

    Attributes:
        rating_min: Lowest rating that is accepted, None without limit.
        rating_max: Highest rating that is accepted, None without limit.
    """

    def __init__(
        self, rating_min: float | None = None, rating_max: float | None = None
    ):
        self.rating_min = rating_min
        self.rating_max = rating_max

    def read(self, part: Part, block: Block) -> Iterator[Ratings]:
        """Yields the block's ratings; lines are counted from the block's first.

        Raises:
            BadInputError: When the archive is cut short or a line never ends.
        """
        for rows in read_rows(part, block):
            yield self.check(part, rows)

    def check(self, part: Part, rows: Rows) -> Ratings:
        """Converts the columns and takes out the rows that do not convert."""
        faults = _Faults(len(rows.columns[USER_ID]))
        columns = {}
        for name in (USER_ID, ITEM_ID):
            with _naming_type(part, name, rows.columns[name]):
                columns[name] = _to_ids(rows.columns[name], name, part.latin1, faults)
        if RATING in rows.columns:
            with _naming_type(part, RATING, rows.columns[RATING]):
                columns[RATING] = self._to_ratings(rows.columns[RATING], faults)
        else:
            columns[RATING] = np.ones(faults.num_rows, np.float32)
        if TIMESTAMP in rows.columns:
            with _naming_type(part, TIMESTAMP, rows.columns[TIMESTAMP]):
                columns[TIMESTAMP] = _to_times(rows.columns[TIMESTAMP], faults)
        table = pa.table(columns)
        if faults.any:
            table = table.filter(pa.array(faults.good))
        bad = _name_faults(rows, faults)
        return Ratings(table, bad, rows.begin + rows.num_lines)

    def _to_ratings(
        self, values: pa.Array, faults: "_Faults"
    ) -> npt.NDArray[np.float32]:
        numbers = _to_numbers(values, "rating", problems.NON_NUMERIC_RATING, faults)
        low, high = self.rating_min, self.rating_max
        outside = np.zeros(len(numbers), np.bool_)
        if low is not None:
            outside |= numbers < low
        if high is not None:
            outside |= numbers > high
        faults.add(
            outside,
            problems.RATING_OUT_OF_RANGE,
            f"rating outside {_bound(low)} to {_bound(high)}",
        )
        with np.errstate(over="ignore"):  # infinite, which is found below
            as_float32 = numbers.astype(np.float32)
        faults.add(
            ~np.isfinite(as_float32), problems.NOT_FINITE, "rating is not finite"
        )
        return as_float32


@contextmanager
def _naming_type(part: Part, name: str, values: pa.Array) -> Iterator[None]:
    """Says which column Arrow cannot convert: Parquet has types for everything."""
    try:
        yield
    except pa.ArrowException as error:
        raise fatal(
            part.name,
            problems.HEADER_MISMATCH,
            f"its column of {name} is of type {values.type}, which cannot be used so",
            "Write ids as text or whole numbers, ratings as numbers, times as "
            "timestamps or seconds.",
        ) from error


def _name_faults(rows: Rows, faults: "_Faults") -> list[BadRow]:
    """Returns all bad rows; lines are counted from the block's first."""
    bad = rows.bad
    if faults.any:
        places = rows.locate(faults.rows)
        named = zip(places, faults.kinds_and_reasons(), strict=True)
        bad = sorted([(line, *what, text) for (line, text), what in named] + rows.bad)
    return [(rows.begin + line, kind, reason, text) for line, kind, reason, text in bad]


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


class _Faults:
    """The first fault of each row."""

    def __init__(self, num_rows: int):
        self.num_rows = num_rows
        self._code = np.zeros(num_rows, np.uint8)
        self._names: list[tuple[str, str]] = [("", "")]

    def add(self, mask: Mask, kind: str, reason: str) -> None:
        if mask.any():
            self._names.append((kind, reason))
            self._code[mask & (self._code == 0)] = len(self._names) - 1

    @property
    def any(self) -> bool:
        return len(self._names) > 1

    @property
    def good(self) -> Mask:
        return self._code == 0

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self._code)

    def kinds_and_reasons(self) -> list[tuple[str, str]]:
        return [self._names[code] for code in self._code[self._code > 0]]


def _to_ids(values: pa.Array, name: str, latin1: bool, faults: _Faults) -> pa.Array:
    values = _to_strings(values, name, latin1, faults)
    empty = pc.equal(pc.binary_length(values), 0).to_numpy(False)
    faults.add(empty, problems.EMPTY_ID, f"{name} is empty")
    return values


def _to_strings(values: pa.Array, name: str, latin1: bool, faults: _Faults) -> pa.Array:
    """Returns strings; whole numbers of any Parquet type look the same."""
    if pa.types.is_floating(values.type):
        whole = pc.and_(
            pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**63)
        )
        if pc.all(pc.fill_null(whole, True)).as_py():
            values = values.cast(pa.int64())
    if not pa.types.is_binary(values.type):
        values = values.cast(pa.string()).cast(pa.binary())
    return _decode(pc.fill_null(values, b""), name, latin1, faults)


def _decode(values: pa.Array, name: str, latin1: bool, faults: _Faults) -> pa.Array:
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        pass  # Some value is not UTF-8: go through the distinct ones.
    encoded = pc.dictionary_encode(values)
    texts, valid = [], []
    for value in encoded.dictionary.to_pylist():
        try:
            texts.append(value.decode("utf-8"))
            valid.append(True)
        except UnicodeDecodeError:
            texts.append(value.decode("latin-1"))
            valid.append(latin1)
    codes = encoded.indices.to_numpy()
    faults.add(
        ~np.array(valid)[codes],
        problems.UNDECODABLE_BYTES,
        f"{name} has bytes that are not UTF-8",
    )
    return pa.array(texts).take(encoded.indices)


def _to_numbers(
    values: pa.Array, what: str, kind: str, faults: _Faults
) -> npt.NDArray[np.float64]:
    """Returns float64; what is no finite number becomes a fault, and 0."""
    if pa.types.is_binary(values.type):
        try:
            numbers = values.cast(pa.float64())
        except pa.ArrowInvalid:
            numbers = _to_numbers_slowly(values)
    else:
        numbers = values.cast(pa.float64(), safe=False)
    missing = pc.is_null(numbers).to_numpy(False)
    faults.add(missing, kind, f"{what} is not a number")
    result = pc.fill_null(numbers, 0.0).to_numpy(False)
    finite = np.isfinite(result)
    faults.add(~finite, problems.NOT_FINITE, f"{what} is not finite")
    return np.where(finite, result, 0.0)


def _to_numbers_slowly(values: pa.Array) -> pa.Array:
    """Converts text where some is no number; those become null."""
    text = pc.ascii_trim_whitespace(values.cast(pa.string(), safe=False))
    number = pc.match_substring_regex(text, _NUMBER)
    infinite = pc.match_substring_regex(text, _NOT_FINITE)
    plain = pc.ascii_ltrim(pc.if_else(number, text, "nan"), "+")
    return pc.if_else(pc.or_(number, infinite), plain.cast(pa.float64()), None)


def _to_times(values: pa.Array, faults: _Faults) -> npt.NDArray[np.int64]:
    """Returns whole seconds UTC, rounded down."""
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"))
    if pa.types.is_timestamp(values.type):
        values = pc.floor_temporal(values, unit="second")
        values = values.cast(pa.timestamp("s", values.type.tz)).cast(pa.int64())
    seconds = _to_numbers(values, "time", problems.NON_NUMERIC_TIME, faults)
    outside = (seconds < MIN_TIME) | (seconds > MAX_TIME)
    faults.add(
        outside,
        problems.TIME_OUT_OF_RANGE,
        "time is beyond the year 9999 in seconds (are they milliseconds?)",
    )
    return np.floor(np.where(outside, 0, seconds)).astype(np.int64)


def to_text(part: Part, rows: Rows) -> dict[str, pa.Array]:
    """Returns columns of side features as strings or lists of strings, nothing as "".

    Raises:
        BadInputError: When a row has the wrong fields, no id or undecodable bytes.
    """
    faults = _Faults(len(next(iter(rows.columns.values()))))
    id_column = part.columns[0][0]
    columns = {}
    for name, values in rows.columns.items():
        convert = _to_ids if name == id_column else _to_strings
        if pa.types.is_list(values.type) and name != id_column:
            convert = _to_lists
        with _naming_type(part, name, values):
            columns[name] = convert(values, name, part.latin1, faults)
    bad = _name_faults(rows, faults)
    if bad:
        raise BadInputError(
            [Problem(part.name, *problem) for problem in bad],
            advice="Correct these rows: side features are never left out silently.",
        )
    return columns


def _to_lists(values: pa.Array, name: str, latin1: bool, faults: _Faults) -> pa.Array:
    """Returns lists of strings; a null is an empty list."""
    flat = _Faults(len(values.flatten()))
    strings = _to_strings(values.flatten(), name, latin1, flat)
    if flat.any:
        rows = pc.list_parent_indices(values).to_numpy()[flat.rows]
        [(kind, reason), *_] = flat.kinds_and_reasons()
        faults.add(np.isin(np.arange(len(values)), rows), kind, reason)
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(False)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(ends, strings)
