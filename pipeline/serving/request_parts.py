"""Divides a large request into parts of similar length, and merges their answers."""

import dataclasses
from collections.abc import Hashable

import numpy as np

from pipeline.serving.errors import RequestError
from pipeline.serving.example_items import MIN_BYTES
from pipeline.serving.json_tensors import Tensors, check_items, num_rows
from pipeline.serving.settings import ServingSettings

# Rows of up to this many items are joined, whatever their length: lengths take turns,
# and a call costs more than padding.
JOINED_LENGTH = 255
# Maximum of rows times items in one call, so that no request waits long for a call of
# another one. A single longer row is still one call.
CALL_ITEMS = 1 << 15
BULK_ITEMS = CALL_ITEMS // 4  # a request whose call has more is large


@dataclasses.dataclass(frozen=True)
class Part:
    """Rows of a request that go into the same call.

    Attributes:
        rows: Positions of the rows in the request.
        kind: Parts of the same kind, of any request, may share a call.
        most_rows: Maximum number of rows in such a call.
        is_bulk: Whether the request is large: it has other parts, or its call has more
            than ``BULK_ITEMS`` items.
    """

    rows: np.ndarray
    kind: Hashable
    most_rows: int
    is_bulk: bool


def divide(signature: str, inputs: Tensors, settings: ServingSettings) -> list[Part]:
    """Divides a request into parts that fit into one call; usually there is one.

    Raises:
        RequestError: If the request has too many rows or items (413).
    """
    lengths = _lengths(signature, inputs)
    if lengths is None:
        if (rows := num_rows(inputs)) > settings.max_batch:
            raise RequestError(
                413,
                f"{rows} rows; {signature} takes at most {settings.max_batch} here",
            )
        return [Part(np.arange(rows), object(), settings.max_batch, False)]
    order = lengths.argsort(kind="stable")
    ordered = lengths[order]
    check_items(int(ordered[-1]) if len(ordered) else 0, settings)
    if signature == "recommend":
        check_items(int(ordered.sum()), settings)
    parts: list[Part] = []
    start = 0
    while start < len(order) or not parts:
        shortest = int(ordered[start]) if len(order) else 0
        kind = max(shortest, JOINED_LENGTH).bit_length()
        most = max(1, min(settings.max_batch, CALL_ITEMS >> kind))
        end = min(int(ordered.searchsorted(1 << kind)), start + most)
        longest = int(ordered[end - 1]) if len(order) else 0
        rows = end - start
        is_bulk = rows < len(order) or rows * longest > BULK_ITEMS
        parts.append(Part(order[start:end], kind, most, is_bulk))
        start = end
    return parts


def _lengths(signature: str, inputs: Tensors) -> np.ndarray | None:
    """Returns an upper bound on the items of each row; None if rows are inseparable."""
    if signature == "recommend":
        rows = {len(value) for value in inputs.values() if value.ndim}
        if len(rows) == 1 and inputs["k"] >= 0:
            lists = [value.shape[1] for value in inputs.values() if value.ndim > 1]
            longest = max(*lists, int(inputs["k"]))
            return np.full(rows.pop(), longest)
    if signature == "serving_default":
        sizes = [len(example) for example in inputs["examples"]]
        return np.array(sizes, np.int64) // MIN_BYTES
    return None


def merge(answers: list[np.ndarray], parts: list[Part]) -> np.ndarray:
    """Returns the outputs of all parts, in the order of the request's rows."""
    rows = sum(len(part.rows) for part in parts)
    shape = [rows, *np.max([answer.shape[1:] for answer in answers], axis=0)]
    dtype = answers[0].dtype
    padding = -np.inf if dtype.kind == "f" else b"" if dtype.kind == "O" else 0
    merged = np.full(shape, padding, dtype)
    for answer, part in zip(answers, parts, strict=True):
        place = (part.rows, *(slice(size) for size in answer.shape[1:]))
        merged[place] = answer
    return merged
