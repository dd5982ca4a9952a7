"""MovieLens's releases without a header, which are recognised by their file names."""

from collections.abc import Sequence

from components.ratings_example_gen.dialect import UTF_8, Dialect
from components.ratings_example_gen.recognise.parts import Part, open_part

# Name of the file of ratings -> the releases that have it, and its separator.
_RELEASES = {
    "u.data": ("MovieLens 100K", "\t"),
    "ratings.dat": ("MovieLens 1M/10M", "::"),
}
_NUM_FIELDS = 4
_LATIN_1 = "iso8859-1"


def ratings_among(parts: Sequence[Part]) -> list[Part]:
    """Returns the files that a release calls its ratings; spans have one each."""
    for name in _RELEASES:
        if found := [part for part in parts if part.base_name == name]:
            return found
    return []


def name_of(ratings: Sequence[Part]) -> str | None:
    """Returns the name of the release whose ratings these are, None for others."""
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
        delimiter: Its separator.
        declared: What a person said of the text, of which the encoding counts.
        is_old: Whether it belongs to a release without headers, whose titles are in
            Latin-1 where they are not in UTF-8.
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
