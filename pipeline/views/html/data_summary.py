"""Summarises a run's data, and compares it with an earlier run's."""

import dataclasses
from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.artifact_place import split_folder
from pipeline.runs.record import DataRecord, Rows, RunRecord
from pipeline.runs.step_outputs import Outputs
from trainer_modules import features as f

STATISTICS = ("StatisticsGen", "statistics")
_TRANSFORM = ("Transform", "transform_graph")
_STATISTICS_FILE = "FeatureStats.pb"
_COMPARED = ("users", "items", "ratings", "sparsity", "first", "last")
_COMPARED_ROWS = ("read", "quarantined", "duplicates", "merged", "truncated")


@dataclasses.dataclass(frozen=True)
class Feature:
    """TFDV's statistics of one feature of the training split.

    Attributes:
        name: Name of the feature.
        missing: Number of users without a value.
        values: Number of values.
        mean: Mean; None for texts, as are the next three.
        deviation: Standard deviation.
        least: Minimum.
        most: Maximum.
        unique: Number of distinct values; None for numbers.
        top: The most frequent value; None for numbers.
        buckets: Histogram of numbers as (low, high, count).
    """

    name: str
    missing: int
    values: int
    mean: float | None = None
    deviation: float | None = None
    least: float | None = None
    most: float | None = None
    unique: int | None = None
    top: str | None = None
    buckets: tuple[tuple[float, float, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of the data in two runs; None where it is not known.

    Attributes:
        name: Name of the figure.
        before: The figure in the earlier run.
        now: The figure in this run.
    """

    name: str
    before: float | str | None
    now: float | str | None


@dataclasses.dataclass(frozen=True)
class Moved:
    """The difference between the known users, or items, of two runs.

    Attributes:
        what: ``users`` or ``items``.
        new: Number of them that occur in this run only.
        lost: Number of them that occur in the earlier run only.
        stayed: Number of them that occur in both runs.
    """

    what: str
    new: int
    lost: int
    stayed: int


@dataclasses.dataclass(frozen=True)
class Changes:
    """The differences from an earlier run's data.

    Attributes:
        run: ID of the earlier run.
        source: Name of its data.
        is_same: Whether both runs read the same bytes in the same way.
        figures: Figures of both runs.
        moved: Users and items in the training vocabulary; empty if the earlier run's
            artifacts are gone.
        ratings: The earlier run's ratings in training; None if they are gone.
    """

    run: str
    source: str
    is_same: bool
    figures: list[Figure]
    moved: list[Moved]
    ratings: Feature | None


def compare(
    run: RunRecord, outputs: Outputs, before: RunRecord, outputs_before: Outputs
) -> Changes:
    """Compares a run's data with an earlier run's.

    Args:
        run: The run.
        outputs: The artifacts of its steps.
        before: The earlier run.
        outputs_before: The artifacts of the earlier run's steps.
    """
    examples = ("RatingsExampleGen", "examples")
    earlier = {feature.name: feature for feature in features(outputs_before)}
    return Changes(
        run=before.run.id,
        source=before.data.source,
        is_same=outputs[examples] == outputs_before.get(examples),
        figures=[
            *_figures(before.data, run.data, _COMPARED),
            *_figures(before.rows, run.rows, _COMPARED_ROWS),
        ],
        moved=_moved(outputs, outputs_before),
        ratings=earlier.get(f.RATING),
    )


def _figures(
    before: DataRecord | Rows, now: DataRecord | Rows, names: tuple[str, ...]
) -> list[Figure]:
    return [Figure(name, getattr(before, name), getattr(now, name)) for name in names]


def _moved(outputs: Outputs, before: Outputs) -> list[Moved]:
    moved = []
    for what, name in (("users", f.USER_VOCABULARY), ("items", f.ITEM_VOCABULARY)):
        files = [
            found[_TRANSFORM] / "transform_fn" / "assets" / name
            for found in (outputs, before)
            if _TRANSFORM in found
        ]
        if len(files) == 2 and all(file.is_file() for file in files):
            now, then = (set(file.read_bytes().splitlines()) for file in files)
            moved.append(Moved(what, len(now - then), len(then - now), len(now & then)))
    return moved


def features(outputs: Outputs) -> list[Feature]:
    """Returns TFDV's statistics of the training split; none if they are gone."""
    if STATISTICS not in outputs:
        return []
    folder = split_folder(str(outputs[STATISTICS]), f.TRAIN_SPLIT)
    path = Path(folder, _STATISTICS_FILE)
    if not path.is_file():
        return []
    read = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    return [_feature(statistics) for statistics in read.datasets[0].features]


def _feature(statistics: statistics_pb2.FeatureNameStatistics) -> Feature:
    name = ".".join(statistics.path.step) or statistics.name
    if statistics.HasField("num_stats"):
        numbers = statistics.num_stats
        common = numbers.common_stats
        return Feature(
            name,
            common.num_missing,
            common.tot_num_values,
            mean=numbers.mean,
            deviation=numbers.std_dev,
            least=numbers.min,
            most=numbers.max,
            buckets=tuple(
                (bucket.low_value, bucket.high_value, bucket.sample_count)
                for histogram in numbers.histograms
                if histogram.type == statistics_pb2.Histogram.STANDARD
                for bucket in histogram.buckets
            ),
        )
    texts = statistics.string_stats
    top = texts.top_values[0].value if texts.top_values else None
    return Feature(
        name,
        texts.common_stats.num_missing,
        texts.common_stats.tot_num_values,
        unique=texts.unique,
        top=top,
    )
