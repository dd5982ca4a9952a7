"""Reads the lists that were shown, some with last places that were drawn at random."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.config.delivery_section import SHADOW
from pipeline.list_log import reading
from pipeline.list_log.files import existing_files
from pipeline.recommend.user_history import History, Without

ROWS = 5_000  # of a file that are Python's objects at once
_COLUMNS = (
    *("time", "version", "user", "start", "items", "probabilities", "pool", "at"),
    *("excluded", "filters", "history_items", "history_ratings", "history_times"),
    *("history_types", "user_features", "arm", "failed"),
)
_OPTIONAL = ("redacted",)


class NoDrawnListsError(ValueError):
    """No logged list can be used for an estimate."""


@dataclasses.dataclass(frozen=True)
class ShownList:
    """A page of a list that was shown.

    Attributes:
        second: When it was answered, in seconds UTC.
        version: Number of the version that made it.
        user: ID of the user.
        start: Number of the list's items before the page.
        head: IDs of the items that were not drawn, best first.
        drawn: IDs of the items that were drawn, from the first such place on.
        probability: With which each of these was drawn at its place; 1 if none was.
        pool: IDs of the items that they were drawn from, best first.
        at: Time of the request by which the model made it, in seconds UTC.
        history: The user's history.
        without: What the request left out.
    """

    second: int
    version: int
    user: str
    start: int
    head: list[str]
    drawn: list[str]
    probability: float
    pool: list[str]
    at: int
    history: History
    without: Without


def read_lists(out: Path, damaged: list[str]) -> Iterator[ShownList | None]:
    """Yields the lists in the order of the files; None for one that is redacted.

    Args:
        out: Folder of the runs.
        damaged: Gets a line for each file that cannot be read.

    Raises:
        NoListsError: If no list has been logged.
    """
    for _, table in reading.tables(existing_files(out), _COLUMNS, damaged, _OPTIONAL):
        for batch in table.to_batches(ROWS):
            for row in batch.to_pylist():
                if row["arm"] != SHADOW and not row["failed"]:
                    yield _list_of(row)


def _list_of(row: dict[str, Any]) -> ShownList | None:
    if row.get("redacted"):
        return None
    items, pool = row["items"], row["pool"]
    num_head = len(items) - len(set(items) & set(pool))
    return ShownList(
        second=int(row["time"].timestamp()),
        version=row["version"],
        user=row["user"],
        start=row["start"],
        head=items[:num_head],
        drawn=items[num_head:],
        probability=row["probabilities"][-1] if items else 1.0,
        pool=pool,
        at=row["at"],
        history=History(
            row["history_items"],
            row["history_ratings"],
            row["user_features"],
            row["history_times"],
            row["history_types"],
        ),
        without=Without(row["excluded"], row["filters"]),
    )
