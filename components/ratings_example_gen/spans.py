"""Ratings that arrive bit by bit: a folder of spans, each a folder of its own.

``spans/2026-11-21/ratings.csv``, ``spans/17/part-0.csv`` or, as Hive and Spark write
them, ``spans/dt=2026-11-21/part-0.parquet``: a span is named by a date or a number,
holds ratings in any layout of ``recognise``, and has a file ``_SUCCESS`` (Hadoop's and
Spark's mark) when it is whole. What is known of users and items is stored beside the
spans.
"""

import datetime
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from components import content_hash
from components.ratings_example_gen import files
from components.ratings_example_gen.recognise.side_file_names import holds_no_ratings
from components.wording import counted

MARKER = "_SUCCESS"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"\d+")
# Hive's value of a day, or of a time that begins one.
_DAY_OF_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T]00:00(?::00(?:\.0+)?)?)?")
_PARTS_OF_DATE = ("year", "month", "day")
_EPOCH = datetime.date(1970, 1, 1)


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


def find_spans(folder: str) -> list[Span]:
    """The spans in a folder, the oldest first.

    Raises:
        SpansError: It has none, or two that cannot be told apart or put in an order.
    """
    found = [_span(folder, *each) for each in _folders(folder)]
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


def whole(folder: str) -> list[Span]:
    """The spans that are whole and hold ratings, the oldest first.

    Raises:
        SpansError: There is none.
    """
    spans = find_spans(folder)
    found = [span for span in spans if span.is_whole and span.files]
    if not found:
        raise SpansError(
            f"{folder} has {counted(len(spans), 'span')}, and none is whole: a file "
            f"{MARKER} in a "
            "span says that its writer is done"
        )
    return found


def in_window(spans: Sequence[Span], wanted: str) -> list[Span]:
    """The newest of some spans, the oldest of them first.

    Args:
        spans: The oldest first.
        wanted: ``all``, ``N spans`` or ``N days``.

    Raises:
        SpansError: ``N days`` of numbered spans.
    """
    if wanted == "all":
        return list(spans)
    number, unit = wanted.split()
    if unit == "spans":
        return list(spans[-int(number) :])
    if not spans[-1].is_dated:
        raise SpansError(
            f"{wanted!r} is of dated spans, and these are numbered; say how many spans "
            "instead"
        )
    return [span for span in spans if span.number > spans[-1].number - int(number)]


def _folders(folder: str, above: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yields the name of each span, and its path below the folder."""
    for part in files.list_folder("/".join((folder, *above)))[0]:
        parts = (*above, part)
        path = "/".join(parts)
        try:
            name, _ = _name_of(parts)
        except ValueError as error:
            raise SpansError(
                f"{folder}/{path} is not a span ({error}): its name is neither a day, "
                "as in 2026-11-21 or dt=2026-11-21, nor a number. Rename it, or put it "
                "elsewhere (a leading _ hides it)."
            ) from error
        if name:
            yield name, path
        else:
            yield from _folders(folder, parts)


def _name_of(parts: Sequence[str]) -> tuple[str, int]:
    """Returns the name of the span in a path, and how many folders make it.

    Hive writes ``dt=2026-11-21``, ``year=2026/month=11/day=21`` or ``batch=17``, with
    odd characters as in URLs. The name is empty where the path goes on.

    Raises:
        ValueError: The path is not that of a span.
    """
    date: dict[str, int] = {}
    for depth, part in enumerate(parts, start=1):
        key, is_hive, value = unquote(part).partition("=")
        if not is_hive:
            number_of(part)
            return part, depth
        if day := _DAY_OF_TIME.fullmatch(value):
            number_of(day[1])
            return day[1], depth
        if key.lower() not in _PARTS_OF_DATE:
            number_of(value)
            return value, depth
        date[key.lower()] = int(value)
        if len(date) == len(_PARTS_OF_DATE):
            return datetime.date(**date).isoformat(), depth
    return "", len(parts)


def folder_of(folder: str, name: str) -> str:
    """Returns the folder of a span.

    Raises:
        SpansError: There is no such span.
    """
    for found, path in _folders(folder):
        if found == name:
            return f"{folder}/{path}"
    raise SpansError(f"{folder} has no span {name}")


def _span(folder: str, name: str, path: str) -> Span:
    found = files.list_files(f"{folder}/{path}")
    listed = tuple((file, files.size_and_time(file)[0]) for file in found)
    is_whole = files.exists(f"{folder}/{path}/{MARKER}")
    return Span(name, number_of(name), "-" in name, is_whole, listed)


def number_of(name: str) -> int:
    """What a span is ordered by.

    Raises:
        ValueError: The name is neither a day nor a number.
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
            content_hash.update(digest, file)
    return digest.hexdigest()


def paths_of(folder: str, names: Sequence[str]) -> list[str]:
    """The files of some spans, in the order of the names, and those beside all spans.

    Raises:
        SpansError: A span has a file of users or items, which would count for all.
    """
    # Years of other spans lie there too, which need not be walked.
    beside = [f"{folder}/{name}" for name in files.list_folder(folder)[1]]
    folders = dict(_folders(folder))
    if gone := [name for name in names if name not in folders]:
        raise SpansError(f"{folder} has no span {gone[0]}")
    inside = [
        path for name in names for path in files.list_files(f"{folder}/{folders[name]}")
    ]
    for path in inside:
        if holds_no_ratings(path):
            raise SpansError(
                f"{path}: what is known of users and items counts for all spans; put "
                f"it beside them, in {folder}."
            )
    return [*beside, *inside]


def span_of(path: str, folder: str) -> str:
    """The name of the span that a file lies in."""
    return _name_of(Path(path).relative_to(folder).parts)[0]
