"""Ratings that arrive bit by bit: a folder of spans, each a folder of its own.

``spans/2026-11-21/ratings.csv`` or ``spans/17/part-0.csv``: a span is named by a date
or a number, holds ratings in any layout of ``formats``, and has a file ``_SUCCESS``
(Hadoop's and Spark's mark) when it is whole. What is known of users and items lies
beside the spans.
"""

import datetime
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.ratings_example_gen import files, formats

MARKER = "_SUCCESS"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"\d+")
_EPOCH = datetime.date(1970, 1, 1)
_CHUNK = 1 << 20


class SpansError(ValueError):
    """A folder whose spans cannot be put in an order, or that holds none."""


@dataclass(frozen=True)
class Span:
    """Some ratings that arrived together.

    Attributes:
        name: Of its folder.
        number: What spans are ordered by: of a date the days since 1970, as TFX has it.
        is_dated: Whether its name is a date.
        is_whole: Whether its writer has said that it is done.
        files: Path and bytes of each of its files, in order.
    """

    name: str
    number: int
    is_dated: bool
    is_whole: bool
    files: tuple[tuple[str, int], ...]


def find_spans(folder: Path) -> list[Span]:
    """The spans in a folder, the oldest first.

    Raises:
        SpansError: it has none, or two that cannot be told apart or put in an order.
    """
    found = [
        _span(path)
        for path in folder.iterdir()
        if path.is_dir() and path.name[0] not in "._"
    ]
    if not found:
        raise SpansError(
            f"{folder} has no spans. A span is a folder that is named by a date or a "
            f"number, as in {folder}/2026-11-21/ratings.csv, with a file {MARKER} in "
            "it once it is whole."
        )
    kinds = {span.is_dated: span.name for span in found}
    if len(kinds) > 1:
        raise SpansError(
            f"{folder} has dated spans ({kinds[True]}) and numbered ones "
            f"({kinds[False]}), which have no order; keep one kind."
        )
    by_number: dict[int, Span] = {}
    for span in found:
        other = by_number.setdefault(span.number, span)
        if other is not span:
            raise SpansError(
                f"{folder}: {other.name} and {span.name} are the same span; keep one."
            )
    return [by_number[number] for number in sorted(by_number)]


def _span(path: Path) -> Span:
    try:
        number = number_of(path.name)
    except ValueError as error:
        raise SpansError(
            f"{path} is no span ({error}): its name is neither a day as in 2026-11-21 "
            "nor a number. Rename it, or put it elsewhere (a leading _ hides it)."
        ) from error
    listed = tuple(
        (name, files.size_and_time(name)[0]) for name in files.list_files(str(path))
    )
    return Span(path.name, number, "-" in path.name, (path / MARKER).exists(), listed)


def number_of(name: str) -> int:
    """What a span is ordered by.

    Raises:
        ValueError: the name is neither a day nor a number.
    """
    if _DATE.fullmatch(name):
        return (datetime.date.fromisoformat(name) - _EPOCH).days
    if _NUMBER.fullmatch(name):
        return int(name)
    raise ValueError(f"{name!r} has no order")


def fingerprint(span: Span) -> str:
    """A hash of the names and the bytes of a span's files, wherever it lies.

    Of bytes, not of times: a copy is the same span, and an edit of equal length is not.
    """
    digest = hashlib.sha256()
    for path, size in span.files:
        digest.update(f"{Path(path).name}\0{size}\0".encode())
        with files.open_binary(path) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def paths_of(folder: str, names: Sequence[str]) -> list[str]:
    """The files of some spans, in the order of the names, and those beside all spans.

    Raises:
        SpansError: a span has a file of users or items, which would count for all.
    """
    # Years of other spans lie there too, which need not be walked.
    beside = [
        path
        for file in sorted(Path(folder).iterdir())
        if file.is_file()
        for path in files.list_files(str(file))
    ]
    inside = [path for name in names for path in files.list_files(f"{folder}/{name}")]
    for path in inside:
        if formats.lies_beside_ratings(path):
            raise SpansError(
                f"{path}: what is known of users and items counts for all spans; put "
                f"it beside them, in {folder}."
            )
    return [*beside, *inside]


def span_of(path: str, folder: str) -> str:
    """The name of the span that a file lies in."""
    return Path(path).relative_to(folder).parts[0]
