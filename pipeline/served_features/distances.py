"""Distances between two sets of rows, by TFDV and the comparators of a schema."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics.stats_impl import (
    generate_statistics_in_memory,
)
from tensorflow_metadata.proto.v0.schema_pb2 import BYTES, FLOAT, Schema
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList

from components.drift_gate.drift import DISTANCES, measured_in
from pipeline.served_features.training_form import Row, TrainingForm
from trainer_modules import features as f

ANY_USER_FEATURE = "user_*"
Between = Literal["skew", "drift"]


@dataclasses.dataclass(frozen=True)
class Distance:
    """A distance between two sets of lists.

    Attributes:
        between: ``skew`` of the served lists from the training data, or ``drift`` from
            the period before.
        feature: Name of the feature.
        distance: Kind of distance, as TensorFlow Metadata names it.
        value: The distance, from 0 to 1.
        threshold: The largest distance that the schema allows.
        most: The value whose share differs most.
        is_alert: Whether the distance exceeds the threshold.
    """

    between: Between
    feature: str
    distance: str
    value: float
    threshold: float
    most: str
    is_alert: bool

    def __str__(self) -> str:
        """Returns the distance and its threshold as a phrase."""
        return (
            f"{self.between} of {self.feature}: {DISTANCES[self.distance]} "
            f"{self.value:.3f}, allowed {self.threshold:g}; most different is the "
            f"share of {self.most!r}"
        )


def distances(
    between: Between,
    rows: Sequence[Row],
    others: Sequence[Row],
    form: TrainingForm,
    schema: Schema,
) -> list[Distance]:
    """Returns the distances of the features for which the schema has comparators.

    Args:
        between: What is compared.
        rows: Served lists in the form; at least one.
        others: What they are compared with, in the same form; at least one.
        form: The form.
        schema: The comparators.
    """
    served, earlier = _statistics(rows), _statistics(others)
    own = _expanded(schema, [*rows[0]], form)
    if between == "skew":
        found = tfdv.validate_statistics(earlier, own, serving_statistics=served)
    else:
        found = tfdv.validate_statistics(served, own, previous_statistics=earlier)
    return [
        Distance(
            between=between,
            feature=measured.feature,
            distance=measured.distance,
            value=min(measured.value, 1.0),  # rounded, it may be more
            threshold=measured.threshold,
            most=_most(measured.feature, served, earlier),
            is_alert=min(measured.value, 1.0) > measured.threshold,
        )
        for measured in measured_in(found)
    ]


def _statistics(rows: Sequence[Row]) -> DatasetFeatureStatisticsList:
    columns = {
        name: pa.array([row[name] or None for row in rows], pa.list_(pa.string()))
        for name in rows[0]
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    return generate_statistics_in_memory(batch, tfdv.StatsOptions(num_top_values=1))


def _expanded(schema: Schema, names: Sequence[str], form: TrainingForm) -> Schema:
    """Returns the comparators of each feature, also of user features without a name."""
    entries = {(feature.name, feature.type): feature for feature in schema.feature}
    expanded = Schema()
    for name in names:
        kind = FLOAT if name in form.numbers or name == f.HISTORY_RATING else BYTES
        own = entries.get((name, kind))
        if own is None and f.is_user_feature(name):
            own = entries.get((ANY_USER_FEATURE, kind))
        if own is not None:
            entry = expanded.feature.add()
            entry.CopyFrom(own)
            entry.name, entry.type = name, BYTES  # numbers are divided into tenths
    return expanded


def _most(
    name: str,
    served: DatasetFeatureStatisticsList,
    earlier: DatasetFeatureStatisticsList,
) -> str:
    """Returns the value of a category whose share differs most."""
    one, other = _shares(name, served), _shares(name, earlier)
    differences = {
        value: abs(one.get(value, 0) - other.get(value, 0)) for value in {*one, *other}
    }
    # The first of equal ones: the order of a set is not the same in each process.
    most = max(differences.values(), default=0.0)
    return min((v for v, size in differences.items() if size == most), default="")


def _shares(name: str, statistics: DatasetFeatureStatisticsList) -> dict[str, float]:
    for feature in statistics.datasets[0].features:
        if feature.path.step[0] == name:
            buckets = feature.string_stats.rank_histogram.buckets
            total = sum(bucket.sample_count for bucket in buckets)
            return {bucket.label: bucket.sample_count / total for bucket in buckets}
    return {}
