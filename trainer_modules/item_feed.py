"""Reads a feed: which items are available, and fields of them that have changed.

The Trainer, ``marquee batch``, ``marquee recommend`` and the server read it here, and
pass it to the model's signature ``update_items``. Nothing slow is imported.
"""

import functools
import itertools
import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from trainer_modules import features as f
from trainer_modules.configs.list_rules import AGE_PATTERN, Feed, Rules

AVAILABLE = "available"
SEPARATOR = "|"  # between several values of a field, as in files of items
_TRUE, _FALSE = ["true", "yes", "1"], ["false", "no", "0"]

Where = Callable[[int], str]  # a row → the file and the line


class FeedError(ValueError):
    """A feed cannot be used; the message names the file, the line and what to do."""


class FeedRows(NamedTuple):
    """The content of a feed.

    Attributes:
        inputs: Inputs of ``update_items``: ``item_id`` [N] and ``available`` [N], and
            ``item_<field>`` [N, W] of each field, padded with "". Rows that change
            nothing, of available items without values, are left out.
        num_rows: Number of rows of the file.
        written: When the file was written, in seconds UTC.
    """

    inputs: dict[str, npt.NDArray[np.object_ | np.bool_]]
    num_rows: int
    written: float

    def problem(self, feed: Feed) -> str | None:
        """Returns that the feed is stale; None if it is not."""
        age = time.time() - self.written
        if age <= feed.stale_seconds:
            return None
        return (
            f"{feed.path} is stale: it was written {age / 60:.0f} minutes ago, and "
            f"stale_after is {feed.stale_after}. It remains in use until it is replaced"
        )


def read_feed(path: str, rules: Rules) -> FeedRows:
    """Returns the content of a CSV file with a header.

    Args:
        path: The file. Replace it by renaming another one, so that a reader never sees
            half of it.
        rules: Name the fields that its columns may replace; other columns are not read.

    Raises:
        FeedError: If the file cannot be read, lacks a column, has no row, or has a row
            that is malformed.
    """
    try:
        with open(path, "rb") as file:
            written = os.fstat(file.fileno()).st_mtime
            content = file.read()
        if not content.strip():
            raise FeedError(f"{path} is empty; write a header and a row for each item")
        header = content.split(b"\n", 1)[0].decode("utf-8-sig").strip()
        # As text: an ID 007 is not the number 7.
        columns = [name.strip().strip('"') for name in header.split(",")]
        table = pa_csv.read_csv(
            pa.BufferReader(content),
            pa_csv.ReadOptions(column_names=columns, skip_rows=1),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string())
            ),
        )
    except OSError as error:
        raise FeedError(f"{path} cannot be read: {error.strerror or error}") from error
    except (pa.ArrowInvalid, UnicodeError) as error:
        message = " ".join(str(error).split())
        raise FeedError(f"{path} is not a CSV file: {message:.200}") from error
    age = rules.minimum_age
    needed = [f.ITEM_ID, AVAILABLE]
    if age and age.item_field_in == "feed":
        needed.append(age.item_field)
    _check_columns(path, columns, needed, rules.feed_fields)
    if not table.num_rows:
        raise FeedError(f"{path} has no rows; write one for each item")
    ids = _text(table, f.ITEM_ID)
    where = functools.partial(_where, path, content)
    available = _flags(where, _text(table, AVAILABLE))
    _check_ids(path, where, ids)
    fields = rules.feed_fields
    given = {name: _text(table, name) for name in fields if name in table.column_names}
    if age and age.item_field in given:
        _check_ages(where, age.item_field, given[age.item_field])
    changes = np.asarray(~available)
    for values in given.values():
        changes |= np.asarray(pc.not_equal(values, ""))
    rows = pa.array(np.flatnonzero(changes))
    return FeedRows(
        {
            f.ITEM_ID: _bytes(ids.take(rows)),
            AVAILABLE: available[changes],
            **{
                f.ITEM_FEATURE_PREFIX + name: _lists(
                    given[name].take(rows) if name in given else None, len(rows)
                )
                for name in fields
            },
        },
        table.num_rows,
        written,
    )


def _check_columns(
    path: str, columns: list[str], needed: Sequence[str], fields: Sequence[str]
) -> None:
    for name in needed:
        if name not in columns:
            raise FeedError(
                f"{path} lacks the column {name}; its header must name "
                f"{' and '.join(needed)}, and it names {', '.join(columns):.100}"
            )
    for name in (*needed, *fields):
        if columns.count(name) > 1:
            raise FeedError(f"{path} names the column {name} twice in its header")


def _where(path: str, content: bytes, row: int) -> str:
    """Returns a path and the line of a row; empty lines are not rows."""
    lines = (n for n, line in enumerate(content.splitlines(), 1) if line)
    return f"{path}, line {next(itertools.islice(lines, row + 1, None))}"


def _text(table: pa.Table, name: str) -> pa.Array:
    return pc.utf8_trim_whitespace(table[name]).combine_chunks()


def _flags(where: Where, texts: pa.Array) -> npt.NDArray[np.bool_]:
    texts = pc.utf8_lower(texts)
    is_true = np.asarray(pc.is_in(texts, pa.array(_TRUE)))
    is_false = np.asarray(pc.is_in(texts, pa.array(_FALSE)))
    for row in np.flatnonzero(~(is_true | is_false))[:1]:
        raise FeedError(
            f"{where(row)}: {AVAILABLE} is {texts[row].as_py()!r}; "
            "expected true or false"
        )
    return is_true


def _check_ids(path: str, where: Where, ids: pa.Array) -> None:
    for row in np.flatnonzero(np.asarray(pc.equal(ids, "")))[:1]:
        raise FeedError(f"{where(row)}: {f.ITEM_ID} is empty")
    if pc.count_distinct(ids).as_py() < len(ids):
        counts = pc.value_counts(ids)
        [(item, count)] = [
            (entry["values"], entry["counts"])
            for entry in counts.to_pylist()
            if entry["counts"] > 1
        ][:1]
        raise FeedError(f"{path}: {item!r} has {count} rows; each item may have one")


def _check_ages(where: Where, name: str, texts: pa.Array) -> None:
    one = f" *{AGE_PATTERN} *"
    is_age = pc.match_substring_regex(texts, rf"^({one}(\{SEPARATOR}{one})*)?$")
    for row in np.flatnonzero(~np.asarray(is_age))[:1]:
        raise FeedError(
            f"{where(row)}: {name} is {texts[row].as_py()!r}; "
            "expected a minimum age, such as 12"
        )


def _bytes(texts: pa.Array) -> npt.NDArray[np.object_]:
    return _objects(texts.cast(pa.binary()).to_pylist())


def _lists(texts: pa.Array | None, length: int) -> npt.NDArray[np.object_]:
    """Returns the values of each text, [N, W], padded with ""."""
    if texts is None:
        return np.full([length, 1], b"", object)
    rows = [
        [value for part in text.split(SEPARATOR) if (value := part.strip().encode())]
        for text in texts.to_pylist()
    ]
    padded = np.full([length, max([1, *map(len, rows)])], b"", object)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded


def _objects(values: list[bytes]) -> npt.NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
