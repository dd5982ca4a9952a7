"""Where records begin and end in text, and whether their quotes are closed.

A record is one line, or several lines joined by a quoted field. A line with an odd
number of quotes opens a record of several lines if the next such line closes it, within
``MAX_RECORD_BYTES``, and the whole is a record with the right number of fields.
Otherwise the line is a record of its own, and a bad row: one stray quote costs one
line, not the rest of the file. A longer record is refused, because its lines would pass
for rows.
"""

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import (
    MAX_TEXT,
    UNREADABLE_FILE,
    BadInputError,
    fatal,
)
from components.ratings_example_gen.part_bytes import BYTE_ORDER_MARK, MAX_LINE_BYTES
from components.ratings_example_gen.parts import Part

MAX_RECORD_BYTES = MAX_LINE_BYTES

Positions = npt.NDArray[np.int64]


class Records:
    """Where the records of a piece of text begin and end.

    Attributes:
        begins: [N] offset of each record.
        ends: [N] offset after the line end of each record.
        line: [N] 0-based line in which each record begins.
        blank: [N] whether the record is a blank line, which is not a row.
        joined: Whether some record has several lines.
        pending: Offset of a line whose record may continue in a later piece; None if
            there is none.
    """

    def __init__(self, part: Part, data: bytes):
        self._data = data
        codes = np.frombuffer(data, np.uint8)
        self.ends = np.flatnonzero(codes == ord("\n")) + 1
        if not data.endswith(b"\n"):
            self.ends = np.append(self.ends, len(data))
        self.begins = np.concatenate([[0], self.ends[:-1]])
        self.line = np.arange(len(self.ends))
        self.joined = False
        self.pending: int | None = None
        self._join(part)
        length = self.ends - self.begins
        first = codes[self.begins]
        is_end = (first == ord("\n")) | (first == ord("\r"))
        last = codes[self.ends - 1]
        self.blank = is_end & ((length == 1) | ((length == 2) & (last == ord("\n"))))

    def _join(self, part: Part) -> None:
        """Joins the lines of quoted fields.

        Raises:
            BadInputError: If a record in quotes is too long.
        """
        quote = (part.dialect.quote or "").encode()
        if not quote or quote not in self._data:
            return
        marks = np.frombuffer(without_escapes(self._data, part.dialect), np.uint8)
        is_quote = (marks == ord(quote)).view(np.uint8)
        odd = np.flatnonzero(np.bitwise_xor.reduceat(is_quote, self.begins))
        inside = np.zeros(len(self.ends), np.bool_)  # a line that continues a record
        index = 0
        while index + 1 < len(odd):
            first, last = odd[index], odd[index + 1]
            begin, end = self.begins[first], self.ends[last]
            if is_record(part, self._data[begin:end]):
                if end - begin > MAX_RECORD_BYTES:
                    raise too_long(part)
                inside[first + 1 : last + 1] = True
                index += 2
            else:
                index += 1
        if index < len(odd):
            self.pending = int(self.begins[odd[index]])
        if inside.any():
            self.joined = True
            self.begins, self.line = self.begins[~inside], self.line[~inside]
            self.ends = self.ends[np.append(~inside[1:], True)]

    def as_array(self) -> pa.Array:
        """Returns all records, with their line ends, without copying the data."""
        offsets = np.append(self.begins, len(self._data)).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._data)]
        return pa.Array.from_buffers(pa.binary(), len(self.ends), buffers)

    def text(self, record: int) -> str:
        """Returns the beginning of one record, for an error."""
        return self.whole(record)[:MAX_TEXT]

    def whole(self, record: int) -> str:
        """Returns one record in full, without its line end."""
        data = self._data[self.begins[record] : self.ends[record]]
        return data.rstrip(b"\r\n").decode("utf-8", "backslashreplace")


def without_escapes(data: bytes, dialect: Dialect) -> bytes:
    """Replaces escaped characters by underscores; all offsets stay the same."""
    escape = (dialect.escape or "").encode()
    if not escape or escape not in data:
        return data
    return re.sub(re.escape(escape) + rb"[^\r\n]", b"__", data)


def too_long(part: Part) -> BadInputError:
    """Returns the error for a quoted field that is too long for a record."""
    return fatal(
        part.name,
        UNREADABLE_FILE,
        f"a record in quotes is longer than {MAX_RECORD_BYTES:,} bytes",
        "Shorten the text, leave its column out, or, if quotes have no meaning in this "
        "file, set data.quote=none.",
    )


def is_record(part: Part, data: bytes) -> bool:
    """Returns whether some lines are one record with the right number of fields."""
    mark = part.dialect.delimiter or ","
    data = data.removeprefix(BYTE_ORDER_MARK)
    if not re.fullmatch(closed(part.dialect, mark).encode("latin-1"), data):
        return False
    pattern = not_separating(part.dialect, mark).encode("latin-1")
    rest = re.sub(pattern, rb"\1", data)
    return rest.count(mark.encode()) + 1 == part.num_fields


def _quoted(dialect: Dialect) -> str:
    """Returns the regular expression of a field in quotes."""
    quote, escape = re.escape(dialect.quote or ""), re.escape(dialect.escape or "")
    if not escape:
        return f"{quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*{quote}"
    plain, pair = f"[^{quote}{escape}]", f"(?:{escape}[\\x00-\\xff]|{quote}{quote})"
    return f"{quote}{plain}*(?:{pair}{plain}*)*{quote}"


def closed(dialect: Dialect, mark: str) -> str:
    """Returns the regular expression of a record in which every quote is closed."""
    quote, escape = re.escape(dialect.quote or ""), re.escape(dialect.escape or "")
    mark = re.escape(mark)
    first, rest = f"[^{quote}{mark}\\r\\n{escape}]", f"[^{mark}\\r\\n{escape}]"
    if escape:
        first, rest = (f"(?:{chars}|{escape}[^\\r\\n])" for chars in (first, rest))
    bare = f"{first}{rest}*"
    value = f"(?:{_quoted(dialect)}|{bare}|)"
    return f"^{value}(?:{mark}{value})*\\r?\\n?$"


def not_separating(dialect: Dialect, mark: str) -> str:
    """Returns the regular expression of text in which separators are literal."""
    escaped = f"{re.escape(dialect.escape)}[\\x00-\\xff]" if dialect.escape else ""
    if not dialect.quote:
        return f"(){escaped}"
    quoted = f"(^|{re.escape(mark)}){_quoted(dialect)}"
    return f"{quoted}|{escaped}" if escaped else quoted
