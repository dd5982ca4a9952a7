"""Counts the lists of each arm, from the log of lists and the events."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.delivery_section import SHADOW, DeliveryConfig
from pipeline.delivery.confidence import Sums
from pipeline.delivery.verdict import Arm
from pipeline.event_log.store import EVENTS_FILE
from pipeline.list_log import reading
from pipeline.list_log.files import files_of, written_since
from pipeline.online.attribution import attribute
from pipeline.online.logs import EVENTS, event_tables

_COLUMNS = (
    *("time", "version", "user", "start", "items"),
    *("arm", "seconds", "failed"),
)


@dataclasses.dataclass(frozen=True)
class _Lists:
    """Lists of one arm; one row each.

    Attributes:
        users: Number of the user, int64 of shape (lists,).
        followed: Whether an event followed, bool.
        is_over: Whether the window for events is over, bool.
        failed: Whether the list could not be made, bool.
        empty: Whether it has no items, bool.
        slow: Whether it took too long, bool.
    """

    users: np.ndarray
    followed: np.ndarray
    is_over: np.ndarray
    failed: np.ndarray
    empty: np.ndarray
    slow: np.ndarray

    def arm(self) -> Arm:
        """Returns the sums by user."""
        made = ~self.failed
        return Arm(
            followed=self._sums(self.is_over & made, self.followed),
            failed=self._sums(np.ones_like(made), self.failed),
            empty=self._sums(made, self.empty),
            slow=self._sums(made, self.slow),
        )

    def _sums(self, counted: np.ndarray, hit: np.ndarray) -> Sums:
        lists = np.bincount(self.users[counted])
        hits = np.bincount(self.users[counted & hit], minlength=len(lists))
        there = lists > 0
        return Sums(lists[there].astype(float), hits[there].astype(float))


def outcomes(
    out: Path,
    versions: Sequence[int],
    between: tuple[float, float],
    settings: DeliveryConfig,
    window: int,
    damaged: list[str],
) -> dict[str, Arm]:
    """Returns the lists since a trial began, by the names of the arms.

    The lists of a shadow have the second name. They are never followed by an event,
    because they were not shown.

    Args:
        out: Folder of the runs, with the log of lists and the events.
        versions: Numbers of the live version and of the one on trial.
        between: When the trial began, and the present time, in seconds UTC.
        settings: How the version is delivered.
        window: Seconds after a list in which its events count.
        damaged: Gets a line for each file that cannot be read; its lists do not count.
    """
    started, now = between
    tables = list(_tables(out, versions, int(started * 1e6), damaged))
    if not tables:
        none = np.zeros(0, bool)
        nothing = _Lists(np.zeros(0, np.int64), *([none] * 5))
        return dict.fromkeys(settings.arms, nothing.arm())
    lists = pa.concat_tables(tables)
    time = lists["time"].cast(pa.int64()).to_numpy() // 1_000_000
    users = lists["user"].combine_chunks().dictionary_encode()
    shown = pc.not_equal(lists["arm"], SHADOW).to_numpy()
    followed = np.zeros(len(lists), bool)
    if shown.any():
        followed[shown] = _followed(out, lists.filter(shown), window)
    columns = _Lists(
        users=users.indices.to_numpy().astype(np.int64),
        followed=followed,
        is_over=time + window <= now,
        failed=lists["failed"].to_numpy(),
        empty=pc.list_value_length(lists["items"]).to_numpy() == 0,
        slow=lists["seconds"].to_numpy() > settings.slow_ms / 1000,
    )
    by_arm = {}
    for name, number in zip(settings.arms, versions, strict=True):
        rows = lists["version"].to_numpy() == number
        chosen = {
            field.name: getattr(columns, field.name)[rows]
            for field in dataclasses.fields(columns)
        }
        by_arm[name] = _Lists(**chosen).arm()
    return by_arm


def _tables(
    out: Path, versions: Sequence[int], after: int, damaged: list[str]
) -> Iterator[pa.Table]:
    """Yields the lists that count, file by file."""
    paths = written_since(files_of(out), after // 1_000_000)
    for _, table in reading.tables(paths, _COLUMNS, damaged):
        times = table["time"].cast(pa.int64())
        wanted = pc.and_(
            pc.is_in(table["version"], pa.array(versions, pa.int32())),
            pc.greater_equal(times, after),
        )
        yield table.filter(wanted)


def _followed(out: Path, lists: pa.Table, window: int) -> np.ndarray:
    """Returns for each list whether an event followed one of its items.

    Args:
        out: Folder of the runs.
        lists: The lists that were shown.
        window: Seconds in which an event must follow.
    """
    events = [EVENTS.empty_table()]
    if (out / EVENTS_FILE).exists():
        first = pc.min(lists["time"].cast(pa.int64())).as_py() // 1_000_000
        events += event_tables(out, first)
    found = attribute(lists, pa.concat_tables(events), window, ())
    followed = np.zeros(len(lists), bool)
    followed[found.row[found.clicked]] = True
    return followed
