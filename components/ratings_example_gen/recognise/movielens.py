"""MovieLens's releases without a header, which are recognised by their file names."""

from collections.abc import Sequence
from dataclasses import replace

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.recognise.columns import RATINGS_COLUMNS
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.parts import Part


def recognise(parts: Sequence[Part]) -> Layout | None:
    """Returns the layout of a release, None where the files are not of one."""
    names = {part.base_name for part in parts}
    if "u.data" in names:
        return Layout("MovieLens 100K", _ratings(parts, "u.data", "\t"))
    if "ratings.dat" in names:
        return Layout("MovieLens 1M/10M", _ratings(parts, "ratings.dat", "::"))
    return None


def fixed(delimiter: str, *, quote: str = "", header: bool = False) -> Dialect:
    """Returns how a release's table is written."""
    return Dialect(delimiter, quote=quote, header=header, null_values=())


def _ratings(parts: Sequence[Part], name: str, delimiter: str) -> tuple[Part, ...]:
    """Returns every file of the name: spans have one each."""
    return tuple(
        replace(
            part,
            dialect=replace(fixed(delimiter), null_values=None),
            latin1=True,
            num_fields=len(RATINGS_COLUMNS),
            columns=tuple(zip(RATINGS_COLUMNS, range(4), strict=True)),
        )
        for part in parts
        if part.base_name == name
    )
