"""A page of a list as it is logged, and the columns of the files."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.recommend.item_ids import Coded

_WIDTHS = pa.map_(pa.string(), pa.int32())
SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("us", "UTC")),
        ("share", pa.float64()),
        ("version", pa.int32()),
        ("model", pa.string()),
        ("user", pa.string()),
        ("known", pa.bool_()),
        ("k", pa.int32()),
        ("start", pa.int32()),
        ("items", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float32())),
        ("probabilities", pa.list_(pa.float32())),
        ("ranks", pa.list_(pa.int32())),
        ("pool", pa.list_(pa.string())),
        ("short", pa.string()),
        ("at", pa.int64()),
        ("excluded", pa.list_(pa.string())),
        ("filters", pa.list_(pa.string())),
        ("has_feed", pa.bool_()),
        ("history_items", pa.list_(pa.string())),
        ("history_ratings", pa.list_(pa.float32())),
        ("history_times", pa.list_(pa.int64())),
        ("history_types", pa.list_(pa.string())),
        ("user_features", pa.list_(pa.string())),
        ("call_rows", pa.int32()),
        ("call_place", pa.int32()),
        ("call_k", pa.int32()),
        ("call_widths", _WIDTHS),
        ("arm", pa.string()),
        ("seconds", pa.float32()),
        ("failed", pa.bool_()),
        ("redacted", pa.list_(pa.string())),
    ]
)
# Columns of lists whose members repeat, from one list to the next.
REPEATING = ("history_items", "history_ratings")


class Shown(NamedTuple):
    """A page of a list, and all that the model made it of.

    Attributes:
        time: When it was answered, in microseconds UTC.
        share: Share of the lists that are logged, 0 to 1.
        version: Number of the version.
        model: Name of the model.
        user: ID of the user.
        known: Whether the data or the events have the user.
        k: Number of items that the page may have.
        start: Number of the list's items before the page.
        items: IDs of the items, best first, and then those that were drawn at random.
        scores: Their scores.
        probabilities: With which each item was shown at its place; 1 if the place was
            not drawn at random.
        ranks: Ranks of the items in the model's list; the best one has rank 0.
        pool: IDs of the items that the last places were drawn from, best first; empty
            if none was drawn.
        short: Why the list is shorter than requested; "" if it is not.
        at: Time of the request by which the model made it, in seconds UTC.
        excluded: IDs of the items that the request excludes.
        filters: "field=value" texts of the request.
        has_feed: Whether a feed of available items was in use, which is not logged.
        history_items: Items of the user's history, oldest first.
        history_ratings: Their ratings.
        history_times: Their times, in seconds UTC; empty for data without times.
        history_types: Their types of events; empty for data without types.
        user_features: Side features of the user, as "name=value".
        call_rows: Number of rows in the call of the model, on whose shape the last bits
            of scores depend; None if there were several calls.
        call_place: Place of this list among them.
        call_k: Longest list of the call.
        call_widths: Input of the call → length of its longest row.
        arm: Arm of the trial in progress, ``shadow`` for a list that was not shown, or
            "" without a trial.
        seconds: Time that it took.
        failed: Whether it could not be made; such a list has no items.
        redacted: Fields that are left out or hashed (``redaction.FIELDS``).
    """

    time: int
    share: float
    version: int
    model: str
    user: str
    known: bool
    k: int
    start: int
    items: Sequence[str]
    scores: Sequence[float]
    probabilities: Sequence[float]
    ranks: Sequence[int]
    pool: Sequence[str]
    short: str
    at: int
    excluded: Sequence[str]
    filters: Sequence[str]
    has_feed: bool
    history_items: Sequence[str] | Coded
    history_ratings: Sequence[float]
    history_times: Sequence[int]
    history_types: Sequence[str]
    user_features: Sequence[str]
    call_rows: int | None
    call_place: int | None
    call_k: int | None
    call_widths: dict[str, int]
    arm: str
    seconds: float
    failed: bool
    redacted: Sequence[str] = ()


def as_table(pages: Sequence[Shown]) -> pa.Table:
    """Returns pages as a table with the columns of ``SCHEMA``."""
    columns = zip(*pages, strict=True)
    arrays = [
        _array(values, field.type)
        for values, field in zip(columns, SCHEMA, strict=True)
    ]
    return pa.table(arrays, schema=SCHEMA)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Returns an array; histories, which are long, without an object per member."""
    types = set(map(type, values))
    if kind == _WIDTHS:
        return pa.array([list(widths.items()) for widths in values], kind)
    if Coded not in types and memoryview not in types:
        return pa.array(values, kind)
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(list(map(len, values)), out=offsets[1:])
    joined = _decoded(values) if Coded in types else _numbers(values, kind.value_type)
    return pa.ListArray.from_arrays(offsets, joined)


def _numbers(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Returns the numbers of all lists, most of which are views of an array."""
    number = kind.to_pandas_dtype()
    views = (
        v if isinstance(v, memoryview) else np.array(v, number).data for v in values
    )
    return pa.array(np.frombuffer(b"".join(views), number), kind)


def _decoded(values: Sequence[Any]) -> pa.Array:
    """Returns the texts of all lists, most of which are numbers of texts."""
    coded = [
        value
        if isinstance(value, Coded)
        else Coded(np.arange(len(value)), pa.array(value, pa.string()))
        for value in values
    ]
    texts = {id(each.texts): each.texts for each in coded}
    ends = itertools.accumulate(map(len, texts.values()), initial=0)
    starts = dict(zip(texts, ends, strict=False))
    numbers = np.concatenate([each.numbers for each in coded])
    if len(texts) > 1:
        first = [starts[id(each.texts)] for each in coded]
        numbers = numbers + np.repeat(first, list(map(len, coded)))
    return pa.concat_arrays(texts.values()).take(pa.array(numbers))
