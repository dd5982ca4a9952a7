"""Parses rows of JSON lines: one object per line."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, Any

import pyarrow as pa

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import MAX_TEXT, fatal
from components.ratings_example_gen.json_objects import as_text, parse
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.rows import MAX_LATE_KEYS, BadRow, Block, Rows
from components.ratings_example_gen.read.text_pieces import pieces_of
from components.ratings_example_gen.recognise.column_names import (
    ITEM_ID,
    USER_ID,
    match,
)


def read(part: Part, block: Block, stream: IO[bytes]) -> Iterator[Rows]:
    """Yields the rows of all lines that begin within the block.

    Raises:
        BadInputError: If a line is too long, or a column first occurs below the lines
            from which columns are recognised.
    """
    begin = 0
    for data in pieces_of(part, block, stream):
        rows = _parse_lines(part, data, begin)
        begin += rows.num_lines
        yield rows


def _parse_lines(part: Part, data: bytes, begin: int) -> Rows:
    names = [(name, part.keys[index]) for name, index in part.columns]
    columns: dict[str, list[bytes | None]] = {name: [] for name, _ in names}
    places: list[tuple[int, str]] = []
    bad: list[BadRow] = []
    known = set(part.keys)
    late: Counter[str] = Counter()
    lines = data.split(b"\n")
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        line = raw.decode("utf-8", "backslashreplace")
        try:
            row = parse(line)
        except ValueError as error:
            reason = f"not a JSON object ({str(error).splitlines()[0]})"
            bad.append((number, input_errors.NOT_JSON, reason, line[:MAX_TEXT]))
            continue
        if not row.keys() <= known:
            new = sorted(row.keys() - known)
            _check_late_keys(part, [key for key in new if key not in late])
            late.update(k for k in new if k in late or len(late) < MAX_LATE_KEYS)
        nested = [name for name, key in names if _is_nested_id(name, row.get(key))]
        if nested:
            reason = f"{nested[0]} is a list or an object, not one value"
            bad.append((number, input_errors.NESTED_ID, reason, line[:MAX_TEXT]))
            continue
        places.append((number, line[:MAX_TEXT]))
        for name, key in names:
            value = as_text(row.get(key))
            columns[name].append(
                None if value is None else value.encode("utf-8", "surrogatepass")
            )
    arrays = {name: pa.array(values, pa.binary()) for name, values in columns.items()}
    return Rows(
        arrays,
        lambda rows: [places[row] for row in rows],
        bad,
        begin,
        len(lines) - (not lines[-1]),
        {k.encode("utf-8", "backslashreplace").decode(): n for k, n in late.items()},
    )


def _is_nested_id(name: str, value: Any) -> bool:
    return name in (USER_ID, ITEM_ID) and isinstance(value, list | dict)


def _check_late_keys(part: Part, keys: Sequence[str]) -> None:
    """Refuses a column that begins below the lines from which columns are recognised.

    Raises:
        BadInputError: If a new key is one of the names of an absent column.
    """
    for meaning in part.absent:
        for index in match(meaning, keys):
            raise fatal(
                part.name,
                input_errors.HEADER_MISMATCH,
                f"the key {keys[index]!r}, a usual name of the {meaning}, first occurs "
                "below the lines from which the columns are recognised",
                f"Set --column {meaning}={keys[index]} (data.columns.{meaning} in a "
                f"configuration) to read it, so that lines without the key are bad "
                f"rows, or --column {meaning}=none to ignore it.",
            )
