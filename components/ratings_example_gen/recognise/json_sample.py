"""Samples of JSON lines: the keys and values of the first objects."""

import json
from collections.abc import Iterator
from dataclasses import replace

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import UTF_8, Dialect
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.json_objects import as_text, parse
from components.ratings_example_gen.part_bytes import MAX_LINE_BYTES, open_part
from components.ratings_example_gen.parts import JSON_LINES, Part
from components.ratings_example_gen.recognise.sample import (
    MAX_RECORDS,
    Sample,
    beginning,
    digest,
    is_whole,
)


def sample_json_lines(part: Part, declared: Dialect, all_keys: bool) -> Sample | None:
    """Returns the beginning of a file of JSON lines; None if it holds nothing.

    Args:
        part: The file.
        declared: The dialect as a person declared it.
        all_keys: Whether to collect the keys of all objects, not only of the first.

    Raises:
        BadInputError: If no line holds a JSON object.
    """
    dialect = replace(declared, quote="", escape="", encoding=UTF_8)
    part = replace(part, format=JSON_LINES, dialect=dialect)
    data = beginning(part)
    lines = [line for line in data.split(b"\n") if line.strip()]
    if not lines:
        return None
    objects = []
    for line in lines[:MAX_RECORDS]:
        try:
            objects.append(parse(line.decode("utf-8", "backslashreplace")))
        except ValueError:
            continue  # a bad row, which the reader reports
    if not objects:
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            "the file has no line that is a JSON object",
            "Write one object per line (JSON lines): jq -c '.[]' converts a list.",
        )
    names = list(dict.fromkeys(key for values in objects for key in values))
    if all_keys:
        names = list(dict.fromkeys([*names, *_keys(part)]))
    records = [
        [as_text(values.get(name)) or "" for name in names] for values in objects
    ]
    return Sample(
        replace(part, keys=tuple(names)),
        records,
        names,
        digest=digest(data),
        is_whole=is_whole(data),
    )


def _keys(part: Part) -> Iterator[str]:
    """Yields the keys of all objects."""
    with open_part(part) as stream:
        while line := stream.readline(MAX_LINE_BYTES):
            try:
                yield from parse(line.decode("utf-8", "backslashreplace"))
            except ValueError:
                continue  # a bad row, which the reader reports


def occurs(part: Part, key: str) -> bool:
    """Returns whether some object in a file of JSON lines may have a key."""
    wanted = {json.dumps(key).encode(), json.dumps(key, ensure_ascii=False).encode()}
    with open_part(part) as stream:
        while line := stream.readline(MAX_LINE_BYTES):
            if any(text in line for text in wanted):
                return True
    return False
