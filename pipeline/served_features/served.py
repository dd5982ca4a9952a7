"""The logged lists of a folder of runs: the newest one of each user in a period."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.list_log import reading
from pipeline.list_log.files import existing_files
from pipeline.recommend.user_history import History

Per = Literal["hour", "day"]  # length of a period
SECONDS: dict[Per, int] = {"hour": 3600, "day": 86_400}
_INDEX = ["time", "version", "user"]
_INPUTS = [
    *("user", "time", "at", "history_items", "history_ratings", "history_times"),
    *("history_types", "user_features"),
]

_Ints = npt.NDArray[np.int64]


class Served(NamedTuple):
    """A list, as far as it is compared.

    Attributes:
        user: ID of the user, or its hash.
        time: When it was answered, in seconds UTC.
        at: Time of the request by which the model made it, in seconds UTC.
        history: The history and the side features that the model was given.
        redacted: Fields that were left out of the log or hashed.
    """

    user: str
    time: int
    at: int
    history: History
    redacted: frozenset[str]


class ServedLists:
    """The lists in the log, of which only times, versions and users are in memory.

    Attributes:
        per: Length of a period.
        problems: Files that cannot be read, with the reason; lists of the future.
    """

    def __init__(self, out: Path, per: Per):
        """Reads the times, versions and users.

        Args:
            out: Folder of the runs.
            per: Length of a period, ``hour`` or ``day``.

        Raises:
            NoListsError: If no list has been logged.
        """
        self.per, self.problems = per, list[str]()
        self._paths: list[Path] = []
        tables = []
        paths = existing_files(out)
        for path, lists in reading.tables(paths, _INDEX, self.problems, ["failed"]):
            tables.append(_index(lists))
            self._paths.append(path)
        self._ends = np.cumsum([len(table) for table in tables], dtype=np.int64)
        if not tables:
            nothing: _Ints = np.zeros(0, np.int64)
            self._versions = self._times = self._users = self._periods = nothing
            return
        table = pa.concat_tables(tables)
        users = table["user"].combine_chunks().dictionary_encode().indices
        self._versions = table["version"].to_numpy().astype(np.int64)
        self._times = table["time"].cast(pa.int64()).to_numpy()
        self._users = users.to_numpy().astype(np.int64)
        self._periods = self._times // (SECONDS[per] * 1_000_000)
        self._leave_out_the_future()

    def _leave_out_the_future(self) -> None:
        """Leaves out lists dated by a clock that was ahead: they would stay newest."""
        later = self._times > time.time() * 1_000_000
        if later.any():
            self._versions = np.where(later, 0, self._versions)
            self.problems.append(
                f"{np.count_nonzero(later):,} lists have a time later than now, as by "
                "a clock that was ahead: they are left out"
            )

    def versions(self) -> list[int]:
        """Returns the numbers of the versions, in ascending order."""
        return [int(version) for version in np.unique(self._versions) if version]

    def periods(self, version: int) -> list[int]:
        """Returns the periods with lists of a version, in order of time.

        A period is the number of those since 1970.
        """
        periods = np.unique(self._periods[self._versions == version])
        return [int(period) for period in periods]

    def num_users(self, version: int, period: int) -> int:
        """Returns the number of users with a list of a version in a period."""
        return len(self._newest(version, period))

    def of(self, version: int, period: int) -> list[Served]:
        """Returns the newest list of each user in a period."""
        lists = self._newest(version, period)
        of_file = np.searchsorted(self._ends, lists, side="right")
        return [
            served
            for number in np.unique(of_file)
            for served in self._read(int(number), lists[of_file == number])
        ]

    def _newest(self, version: int, period: int) -> _Ints:
        """Returns the places of the newest lists of each user, in ascending order."""
        [lists] = np.nonzero((self._versions == version) & (self._periods == period))
        lists = lists[np.argsort(-self._times[lists], kind="stable")]
        _, newest = np.unique(self._users[lists], return_index=True)
        return np.sort(lists[newest])

    def _read(self, number: int, lists: _Ints) -> Iterator[Served]:
        start = self._ends[number - 1] if number else 0
        paths = [self._paths[number]]
        for _, table in reading.tables(paths, _INPUTS, self.problems, ["redacted"]):
            yield from map(_served, table.take(lists - start).to_pylist())


def _served(row: dict[str, Any]) -> Served:
    history = History(
        row["history_items"],
        row["history_ratings"],
        row["user_features"],
        row["history_times"],
        row["history_types"],
    )
    redacted = frozenset(row.get("redacted") or ())  # new in this release
    answered = int(row["time"].timestamp())
    return Served(row["user"], answered, row["at"], history, redacted)


def _index(lists: pa.Table) -> pa.Table:
    """Returns times, versions and users; the version is 0 for lists that failed.

    These have neither a history nor features.
    """
    if "failed" in lists.column_names:  # not in files of earlier releases
        made = pc.if_else(lists["failed"], 0, lists["version"])
        lists = lists.set_column(1, "version", made.cast(pa.int32()))
    return lists.select(_INDEX)
