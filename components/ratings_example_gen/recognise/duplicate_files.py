"""Finds duplicate files, whose ratings would be read twice."""

import os
import re
from collections.abc import Iterator, Sequence

from components import content_hash
from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.part_bytes import open_part
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise.ratings_table import Table
from components.wording import counted

_MAX_NAMED = 3


def check_no_compressed_copies(ratings: Sequence[Part]) -> None:
    """Refuses a file that exists both compressed and uncompressed.

    Raises:
        BadInputError: If there is one.
    """
    plain = {part.path for part in ratings if not part.member}
    for part in ratings:
        folder = os.path.dirname(part.path)
        compressed = os.path.join(folder, part.member) if part.member else part.path
        copy = re.sub(r"\.gz$", "", compressed, flags=re.IGNORECASE)
        if copy != part.path and copy in plain:
            raise fatal(
                copy,
                input_errors.AMBIGUOUS_FILES,
                f"the file exists twice: {part.name} is named like a compressed "
                "copy of it, and all ratings would be read twice",
                "Remove one of them, or rename it to begin with an underscore. If they "
                "contain different ratings, give one of them another name.",
            )


def warnings(tables: Sequence[Table]) -> Iterator[str]:
    """Yields a warning for each group of files with the same content."""
    groups = list(_groups(tables))
    for names in groups[:_MAX_NAMED]:
        shown = " and ".join(names[:2])
        if len(names) > 2:
            shown = f"{', '.join(names[:_MAX_NAMED])} and others ({len(names)} files)"
        yield (
            f"{shown} have the same content, so that each of its ratings is read "
            f"{len(names)} times and counted as repeated. Keep one of them."
        )
    if rest := groups[_MAX_NAMED:]:
        yield f"{counted(len(rest), 'more group')} of files have the same content."


def _groups(tables: Sequence[Table]) -> Iterator[list[str]]:
    """Yields the names of each group of files with the same content.

    For text, a hash of the beginning is known, which covers all of a small file. A
    larger file is read in full only if another one begins in the same way; a Parquet
    file, if another one has the same size.
    """
    alike: dict[tuple[object, ...], list[Table]] = {}
    for table in tables:
        part, sample = table.part, table.sample
        if table.rows:
            key = part.format, sample.digest or part.size
            alike.setdefault(key, []).append(table)
    for found in alike.values():
        by_content: dict[str, list[str]] = {}
        for table in found if len(found) > 1 else ():
            content = "" if table.sample.is_whole else _content(table.part)
            by_content.setdefault(content, []).append(table.part.name)
        yield from (names for names in by_content.values() if len(names) > 1)


def _content(part: Part) -> str:
    with open_part(part) as file:
        return content_hash.fast_of_open_file(file)
