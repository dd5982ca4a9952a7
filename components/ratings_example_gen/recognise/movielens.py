"""Recognises MovieLens's releases without headers by their file names."""

from collections.abc import Sequence

from components.ratings_example_gen.dialect import UTF_8, Dialect
from components.ratings_example_gen.part_bytes import open_part
from components.ratings_example_gen.parts import Part

# Name of the file of ratings → the releases that have it, and its separator.
_RELEASES = {
    "u.data": ("MovieLens 100K", "\t"),
    "ratings.dat": ("MovieLens 1M/10M", "::"),
}
_NUM_FIELDS = 4
_LATIN_1 = "iso8859-1"


def ratings_among(parts: Sequence[Part]) -> list[Part]:
    """Returns the files with a release's name for ratings; each span may have one."""
    for name in _RELEASES:
        if found := [part for part in parts if part.base_name == name]:
            return found
    return []


def name_of(ratings: Sequence[Part]) -> str | None:
    """Returns the name of the release that ratings belong to; None for others."""
    for base_name, (release, delimiter) in _RELEASES.items():
        if all(
            part.base_name == base_name
            and part.dialect.delimiter == delimiter
            and not part.dialect.header
            and part.num_fields == _NUM_FIELDS
            for part in ratings
        ):
            return release
    return None


def fixed(
    part: Part, delimiter: str, declared: Dialect, *, is_old: bool = True
) -> Dialect:
    """Returns how a release's table of items or users is written.

    Args:
        part: The table.
        delimiter: Separator of the table.
        declared: The dialect as a person declared it; only its encoding is used.
        is_old: Whether it belongs to a release without headers, whose titles are in
            Latin-1 unless they are in UTF-8.
    """
    encoding = declared.encoding
    if encoding is None:
        encoding = UTF_8 if not is_old or _is_utf_8(part) else _LATIN_1
    return Dialect(
        delimiter,
        encoding=encoding,
        quote="" if is_old else '"',
        header=not is_old,
        null_values=(),
    )


def _is_utf_8(part: Part) -> bool:
    with open_part(part) as file:
        try:
            file.read().decode()
        except UnicodeDecodeError:
            return False
    return True
