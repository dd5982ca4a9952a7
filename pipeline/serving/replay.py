"""Makes logged lists again with the versions that made them, and compares the bytes.

The inputs of the model are logged with each list, and the shape of the call that it was
part of: the kernels of a matrix product depend on it, and with them the last bits of
scores. The other rows of the call do not matter, and are copies of the list's own.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.exported_model import ExportedModel, Function
from components.live_models import versions
from pipeline.list_log import reading
from pipeline.list_log.files import existing_files
from pipeline.list_log.shown import SCHEMA
from pipeline.recommend.user_history import (
    History,
    Without,
    listed,
    recommend_inputs,
)
from pipeline.serving.loaded_model import PADDING

# Without a value if the list was made in several calls, or by an earlier release.
_OPTIONAL = ("call_rows", "call_place", "call_k", "call_widths", "redacted")
_COLUMNS = [name for name in SCHEMA.names if name not in _OPTIONAL]


@dataclasses.dataclass
class Replayed:
    """The result.

    Attributes:
        equal: Number of lists whose items and scores have the same bytes.
        different: Descriptions of the others.
        skipped: Why lists were not made again → their number.
        damaged: Descriptions of files of lists that could not be read.
    """

    equal: int = 0
    different: list[str] = dataclasses.field(default_factory=list)
    skipped: dict[str, int] = dataclasses.field(default_factory=dict)
    damaged: list[str] = dataclasses.field(default_factory=list)

    def skip(self, reason: str) -> None:
        """Counts a list that was not made again."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def replay(out: Path, threads: int) -> Replayed:
    """Makes the logged lists again.

    Args:
        out: Folder of the runs whose server has logged them.
        threads: Number of threads that one call may use.

    Raises:
        NoListsError: If there are none.
    """
    kept = {
        version.number: version for version in versions.with_challengers(out / "live")
    }
    replayed, functions = Replayed(), dict[int, Function]()
    for page in _pages(out, replayed.damaged):
        number = page["version"]
        version = kept.get(number)
        if version is None or version.model != page["model"]:
            replayed.skip(f"version {number} ({page['model']}) has been removed")
        elif page.get("redacted"):
            replayed.skip(f"{', '.join(page['redacted'])}: redacted in the log")
        elif page["has_feed"]:
            replayed.skip("the feed of available items is not logged")
        elif page["call_rows"] is None:
            replayed.skip("the list was made in several calls of the model")
        else:
            if number not in functions:
                model = ExportedModel(version.folder, threads)
                functions[number] = model.function("recommend")
            found = _made_again(functions[number], page)
            if found == (page["items"], page["scores"], page["pool"]):
                replayed.equal += 1
            else:
                replayed.different.append(
                    f"{page['time']} version {number}, user {page['user']}: "
                    f"{page['items']} {page['scores']}, now {found[0]} {found[1]}"
                    f"{' of another pool' * (found[2] != page['pool'])}"
                )
    return replayed


def _pages(out: Path, damaged: list[str]) -> Iterator[dict[str, Any]]:
    paths = existing_files(out)
    for _, table in reading.tables(paths, _COLUMNS, damaged, _OPTIONAL):
        for page in table.to_pylist():
            if not page["failed"]:  # otherwise it has no items to compare
                yield page


def _made_again(
    function: Function, page: Mapping[str, Any]
) -> tuple[list[str], list[float], list[str]]:
    """Returns the items and scores of a page, and the items of its pool."""
    history = History(
        page["history_items"],
        page["history_ratings"],
        page["user_features"],
        page["history_times"],
        page["history_types"],
    )
    end = page["start"] + page["k"]
    inputs = recommend_inputs(
        *([page["user"]], [history], end, function.inputs, page["at"]),
        Without(page["excluded"], page["filters"]),
    )
    shaped = {
        name: _shaped(value, page, dict(page["call_widths"]).get(name))
        for name, value in inputs.items()
    }
    outputs = function(shaped | {"k": np.array(page["call_k"], np.int32)})
    place = page["call_place"]
    found = listed(outputs["item_id"][place], outputs["score"][place].astype(float))
    ranks = list(page["ranks"])
    if len(ranks) < page["k"]:  # a short page ends with the list
        ranks += range(max(ranks, default=page["start"] - 1) + 1, len(found))
    again = [found[rank] for rank in ranks if rank < len(found)]
    pool = set(page["pool"])
    return (
        [item for item, _ in again],
        [score for _, score in again],
        [item for item, _ in found if item in pool],
    )


def _shaped(
    value: np.ndarray, page: Mapping[str, Any], width: int | None
) -> np.ndarray:
    """Returns an input of one row as its call had it."""
    if not value.ndim:
        return value
    if width is not None:
        more = [(0, 0), (0, width - value.shape[1])]
        value = np.pad(value, more, constant_values=PADDING[value.dtype.kind])
    return np.repeat(value, page["call_rows"], 0)
