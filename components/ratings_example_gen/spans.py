"""Ratings that arrive over time: a folder of spans, each in a folder of its own.

``spans/2026-11-21/ratings.csv``, ``spans/17/part-0.csv`` or, as Hive and Spark write
them, ``spans/dt=2026-11-21/part-0.parquet``: a span is named by a date or a number,
holds ratings in any layout of ``recognise``, and has a file ``_SUCCESS`` (as Hadoop and
Spark write it) when it is complete. Files of users and items are stored beside the
spans.
"""

import datetime
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from components import content_hash
from components.ratings_example_gen import files
from components.ratings_example_gen.side_files.names import holds_no_ratings
from components.wording import counted

MARKER = "_SUCCESS"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"\d+")
# Hive's value of a day, or of a time at midnight.
_DAY_OF_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T]00:00(?::00(?:\.0+)?)?)?")
_PARTS_OF_DATE = ("year", "month", "day")
_EPOCH = datetime.date(1970, 1, 1)


class SpansError(ValueError):
    """A folder has no spans, or spans that cannot be ordered."""


@dataclass(frozen=True)
class Overlap:
    """Ratings that occur in two spans.

    Attributes:
        spans: Names of the older and the newer span.
        ratings: Number of ratings that occur in both.
    """

    spans: tuple[str, str]
    ratings: int


@dataclass(frozen=True)
class Span:
    """Ratings that arrived together.

    Attributes:
        name: Name of the span, a date or a number.
        number: Number by which spans are ordered; for a date, the days since 1970, as
            in TFX.
        is_dated: Whether its name is a date.
        is_whole: Whether its writer has marked it as complete.
        files: Path and size in bytes of each of its files, in order.
    """

    name: str
    number: int
    is_dated: bool
    is_whole: bool
    files: tuple[tuple[str, int], ...]


def find_spans(folder: str) -> list[Span]:
    """Returns the spans in a folder, the oldest first.

    Raises:
        SpansError: If there are none, or two that are equal or cannot be ordered.
    """
    found = [_span(folder, name, path) for name, path in _folders(folder)]
    if not found:
        raise SpansError(
            f"{folder} contains no spans. A span is a folder named by a date or a "
            f"number ({folder}/2026-11-21/ratings.csv). Once it is complete, it also "
            f"contains a file named {MARKER}."
        )
    kinds = {span.is_dated: span.name for span in found}
    if len(kinds) > 1:
        raise SpansError(
            f"{folder} has dated spans ({kinds[True]}) and numbered spans "
            f"({kinds[False]}), which have no common order. Keep one kind."
        )
    by_number: dict[int, Span] = {}
    for span in found:
        other = by_number.setdefault(span.number, span)
        if other is not span:
            raise SpansError(
                f"{folder}: {other.name} and {span.name} are the same span. Keep one."
            )
    return [by_number[number] for number in sorted(by_number)]


def whole(folder: str) -> list[Span]:
    """Returns the spans that are complete and hold ratings, the oldest first.

    Raises:
        SpansError: If there are none.
    """
    spans = find_spans(folder)
    found = [span for span in spans if span.is_whole and span.files]
    if not found:
        raise SpansError(
            f"{folder} has {counted(len(spans), 'span')}, and none is complete. Create "
            f"a file {MARKER} in each span that its writer has finished."
        )
    return found


def in_window(spans: Sequence[Span], wanted: str) -> list[Span]:
    """Returns the newest of some spans, the oldest of them first.

    Args:
        spans: All spans, the oldest first.
        wanted: ``all``, ``N spans`` or ``N days``.

    Raises:
        SpansError: If ``N days`` of numbered spans are wanted.
    """
    if wanted == "all":
        return list(spans)
    number, unit = wanted.split()
    if unit == "spans":
        return list(spans[-int(number) :])
    if not spans[-1].is_dated:
        raise SpansError(
            f"{wanted!r} needs dated spans, but these are numbered. State a number "
            "of spans instead."
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
                "as in 2026-11-21 or dt=2026-11-21, nor a number. Rename it or move it "
                "elsewhere (a leading _ hides it)."
            ) from error
        if name:
            yield name, path
        else:
            yield from _folders(folder, parts)


def _name_of(parts: Sequence[str]) -> tuple[str, int]:
    """Returns the name of the span in a path, and how many folders make up the name.

    Hive writes ``dt=2026-11-21``, ``year=2026/month=11/day=21`` or ``batch=17``, with
    special characters escaped as in URLs. The name is empty if the path is incomplete.

    Raises:
        ValueError: If the path is not that of a span.
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
        SpansError: If the span does not exist.
    """
    for found, path in _folders(folder):
        if found == name:
            return f"{folder}/{path}"
    raise SpansError(f"no span {name} in {folder}")


def _span(folder: str, name: str, path: str) -> Span:
    found = files.list_files(f"{folder}/{path}")
    listed = tuple((file, files.size_and_time(file)[0]) for file in found)
    is_whole = files.exists(f"{folder}/{path}/{MARKER}")
    return Span(name, number_of(name), "-" in name, is_whole, listed)


def number_of(name: str) -> int:
    """Returns the number by which a span is ordered.

    Raises:
        ValueError: If the name is neither a day nor a number.
    """
    if _DATE.fullmatch(name):
        return (datetime.date.fromisoformat(name) - _EPOCH).days
    if _NUMBER.fullmatch(name):
        return int(name)
    raise ValueError(f"{name!r} has no order")


def fingerprint(span: Span, copies: Mapping[str, Path] | None = None) -> str:
    """Returns a hash of the names and bytes of a span's files, wherever they are.

    It covers bytes, not times: a copy is the same span, an edit of equal length is not.

    Args:
        span: The span.
        copies: Paths of files of the span → files that will replace them.
    """
    digest = hashlib.sha256()
    for path, size in span.files:
        if copies and path in copies:
            size = copies[path].stat().st_size
        digest.update(f"{Path(path).name}\0{size}\0".encode())
        with files.open_binary(str((copies or {}).get(path, path))) as file:
            content_hash.update(digest, file)
    return digest.hexdigest()


def paths_of(folder: str, names: Sequence[str]) -> list[str]:
    """Returns the files beside all spans, then those of some spans in the given order.

    Raises:
        SpansError: If a span does not exist, or contains a file of users or items,
            which would apply to all spans.
    """
    # Not `list_files`: other spans, perhaps of many years, need not be walked.
    beside = [f"{folder}/{name}" for name in files.list_folder(folder)[1]]
    folders = dict(_folders(folder))
    if gone := [name for name in names if name not in folders]:
        raise SpansError(f"no span {gone[0]} in {folder}")
    inside = [
        path for name in names for path in files.list_files(f"{folder}/{folders[name]}")
    ]
    for path in inside:
        if holds_no_ratings(path):
            raise SpansError(
                f"{path}: a file of users or items applies to all spans. Move it "
                f"beside the spans, to {folder}."
            )
    return [*beside, *inside]


def span_of(path: str, folder: str) -> str:
    """Returns the name of the span that contains a file."""
    return _name_of(Path(path).relative_to(folder).parts)[0]
