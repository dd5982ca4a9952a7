"""What steps have cost: in the runs of a folder, and in reference runs."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pipeline.plan.work import Size, Work, work_of
from pipeline.runs import finished_runs
from pipeline.runs.finished_runs import RunNotFoundError
from pipeline.runs.record import RunRecord

REFERENCE_FILE = Path(__file__).with_name("reference.json")
_NEWEST = 20  # runs of a folder that count


class Cost(msgspec.Struct, frozen=True):
    """What a step has cost.

    Attributes:
        seconds: Duration, in seconds.
        peak_memory: Peak memory of the process that ran it, in bytes; None if it was
            not counted.
    """

    seconds: float
    peak_memory: int | None = None


class Observed(msgspec.Struct, frozen=True):
    """A run as an estimate uses it.

    Attributes:
        users: Number of users.
        items: Number of items.
        ratings: Number of ratings.
        models: The settings of each model.
        max_scored_pairs: As in the settings of the evaluation.
        steps: What each step that ran has cost.
    """

    users: int
    items: int
    ratings: int
    models: dict[str, dict[str, object]]
    max_scored_pairs: float
    steps: dict[str, Cost]

    def work(self, step: str) -> Work:
        """Returns what a step had to do; see ``work_of``."""
        size = Size(self.users, self.items, self.ratings)
        return work_of(step, size, self.models, self.max_scored_pairs)


class Reference(msgspec.Struct, frozen=True):
    """Runs of all models that ``make bench-plan`` has measured.

    Attributes:
        machine: The machine, in words.
        runs: The runs.
    """

    machine: str
    runs: list[Observed]


@functools.cache
def reference() -> Reference:
    """Returns the reference runs."""
    return msgspec.json.decode(REFERENCE_FILE.read_bytes(), type=Reference)


def observed_runs(out: Path, before: str | None = None) -> list[Observed]:
    """Returns the newest runs of a folder, the newest first.

    Args:
        out: Folder of the runs.
        before: ID of a run; later ones and itself do not count.
    """
    ids = finished_runs.run_ids(out)
    ids = [run_id for run_id in ids if before is None or run_id < before]
    return list(_read(out, ids[: -_NEWEST - 1 : -1]))


def _read(out: Path, run_ids: list[str]) -> Iterator[Observed]:
    for run_id in run_ids:
        with contextlib.suppress(RunNotFoundError):  # a record that cannot be read
            if run := observe(finished_runs.read(out, run_id)):
                yield run


def observe(record: RunRecord) -> Observed | None:
    """Returns what a run has shown; None if its data could not be read."""
    data = record.data
    if data.users is None or data.items is None or data.ratings is None:
        return None
    pairs = record.config.get("evaluation", {}).get("max_scored_pairs", float("inf"))
    steps = {
        step.name: Cost(step.seconds, step.peak_memory)
        for step in record.steps
        if step.state == "done"
    }
    models = record.config.get("models", {})
    return Observed(data.users, data.items, data.ratings, models, pairs, steps)
