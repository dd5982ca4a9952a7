"""Reads rows of JSON lines: an object on each line."""

from collections.abc import Iterator
from typing import IO

import pyarrow as pa

from components.ratings_example_gen import problems
from components.ratings_example_gen.json_objects import as_text, parse
from components.ratings_example_gen.problems import MAX_TEXT
from components.ratings_example_gen.read import text
from components.ratings_example_gen.read.rows import BadRow, Block, Rows
from components.ratings_example_gen.recognise.parts import Part


def read(part: Part, block: Block, f: IO[bytes]) -> Iterator[Rows]:
    """Yields the rows of all lines that begin within the block."""
    begin = 0
    for data in text.pieces_of(part, block, f):
        rows = _parse_lines(part, data, begin)
        begin += rows.num_lines
        yield rows


def _parse_lines(part: Part, data: bytes, begin: int) -> Rows:
    names = [(name, part.keys[index]) for name, index in part.columns]
    columns: dict[str, list[bytes | None]] = {name: [] for name, _ in names}
    places: list[tuple[int, str]] = []
    bad: list[BadRow] = []
    lines = data.split(b"\n")
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        line = raw.decode("utf-8", "backslashreplace")
        try:
            row = parse(line)
        except ValueError as error:
            reason = f"not a JSON object ({str(error).splitlines()[0]})"
            bad.append((number, problems.NOT_JSON, reason, line[:MAX_TEXT]))
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
    )
