"""What the data was like, and what is different from an earlier run's."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.artifact_place import split_folder
from trainer_modules import features as f

Artifacts = Mapping[tuple[str, str], Path]

STATISTICS = ("StatisticsGen", "statistics")
_TRANSFORM = ("Transform", "transform_graph")
_STATISTICS_FILE = "FeatureStats.pb"
_COMPARED = ("users", "items", "ratings", "sparsity", "first", "last")
_COMPARED_ROWS = ("read", "quarantined", "duplicates", "truncated")


@dataclasses.dataclass(frozen=True)
class Feature:
    """What TFDV counted of one feature of the training split.

    Attributes:
        name: Of it.
        missing: How many users have none of it.
        values: All of them.
        mean: Of numbers; None of texts.
        deviation: Standard, of numbers.
        least: Of numbers.
        most: Of numbers.
        unique: Different values, of texts.
        top: The most frequent text.
        buckets: (low, high, count) of numbers.
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
    """One figure of the data, now and then.

    Attributes:
        name: Of it.
        before: In the earlier run; None where it was not known.
        now: In this one.
    """

    name: str
    before: Any
    now: Any


@dataclasses.dataclass(frozen=True)
class Moved:
    """How the known users, or items, differ between two runs.

    Attributes:
        what: ``users`` or ``items``.
        new: Known now, and not before.
        lost: Known before, and not now.
        stayed: In both.
    """

    what: str
    new: int
    lost: int
    stayed: int


@dataclasses.dataclass(frozen=True)
class Changes:
    """What is different from an earlier run's data.

    Attributes:
        run: The earlier run's id.
        source: Its data's name.
        is_same: Whether both read the very same bytes in the same way.
        figures: Of both.
        moved: Of users and items that training knows; empty where the earlier run's
            artifacts are gone.
        ratings: The earlier run's ratings in training; None where they are gone.
    """

    run: str
    source: str
    is_same: bool
    figures: list[Figure]
    moved: list[Moved]
    ratings: Feature | None


def compare(
    run: Mapping[str, Any],
    artifacts: Artifacts,
    before: Mapping[str, Any],
    artifacts_before: Artifacts,
) -> Changes:
    """Holds a run's data against an earlier run's.

    Args:
        run: Its ``run.json``.
        artifacts: What its steps put out.
        before: The earlier run's ``run.json``.
        artifacts_before: What its steps put out.
    """
    figures = [
        Figure(name, before[part].get(name), run[part].get(name))
        for part, names in (("data", _COMPARED), ("rows", _COMPARED_ROWS))
        for name in names
    ]
    examples = ("RatingsExampleGen", "examples")
    return Changes(
        before["run"]["id"],
        before["data"]["source"],
        artifacts[examples] == artifacts_before.get(examples),
        figures,
        list(_moved(artifacts, artifacts_before)),
        next(
            (each for each in features(artifacts_before) if each.name == f.RATING), None
        ),
    )


def _moved(artifacts: Artifacts, before: Artifacts) -> list[Moved]:
    moved = []
    for what, name in (("users", f.USER_VOCABULARY), ("items", f.ITEM_VOCABULARY)):
        files = [
            each[_TRANSFORM] / "transform_fn" / "assets" / name
            for each in (artifacts, before)
            if _TRANSFORM in each
        ]
        if len(files) == 2 and all(file.is_file() for file in files):
            now, then = (set(file.read_bytes().splitlines()) for file in files)
            moved.append(Moved(what, len(now - then), len(then - now), len(now & then)))
    return moved


def features(artifacts: Artifacts) -> list[Feature]:
    """TFDV's statistics of the training split; none where they are gone."""
    if STATISTICS not in artifacts:
        return []
    folder = split_folder(str(artifacts[STATISTICS]), f.TRAIN_SPLIT)
    path = Path(folder, _STATISTICS_FILE)
    if not path.is_file():
        return []
    read = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    return [_feature(each) for each in read.datasets[0].features]


def _feature(told: statistics_pb2.FeatureNameStatistics) -> Feature:
    name = ".".join(told.path.step) or told.name
    if told.HasField("num_stats"):
        numbers = told.num_stats
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
    texts = told.string_stats
    top = texts.top_values[0].value if texts.top_values else None
    return Feature(
        name,
        texts.common_stats.num_missing,
        texts.common_stats.tot_num_values,
        unique=texts.unique,
        top=top,
    )
