"""``TargetMetric``: makes each of the statistics a metric that TFMA computes."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types

from components.metric_names import METRICS
from components.ranking_metrics.extractors import (
    EVENT_TYPE_HASH,
    TARGET_HASH,
    USER_HASH,
)
from components.ranking_metrics.metrics import (
    NUM_SAMPLED,
    Columns,
    Statistics,
    measure_user,
)
from components.ranking_metrics.target_slices import age_of, popularity_of

USERS = "users"
BASE_NAME = "_target_statistics"  # the underscore keeps it out of what TFMA writes
COMPACT_EVERY = 1024  # users

Measured = tuple[Columns, int]


class MeasureUser(metric_types.Preprocessor):
    """Measures each user once, however many slices the user is in."""

    def __init__(self, model_name: str, num_sampled: int):
        super().__init__(f"{BASE_NAME}:{model_name}:{num_sampled}")
        self.model_name, self.num_sampled = model_name, num_sampled

    def process(self, extracts: dict[str, Any]) -> Iterator[Measured]:
        """Yields the columns of a user; nothing for one without a usable target."""
        user = metric_types.StandardMetricInputs(extracts)
        outputs = dict(user.get_predictions(self.model_name))
        # Versions that an older release exported do not have these.
        outputs.setdefault("is_new", np.zeros_like(outputs["label"]))
        outputs.setdefault("index_recall", math.nan)
        for name in ("more_popular", "item_age"):
            outputs.setdefault(name, np.full(outputs["label"].shape, math.nan))
        features = extracts[tfma.FEATURES_KEY]
        [id_hash] = np.ravel(features[USER_HASH])
        outputs["target"] = np.ravel(features[TARGET_HASH])
        outputs["event_type"] = np.ravel(features[EVENT_TYPE_HASH])
        outputs["popularity"] = popularity_of(outputs["more_popular"])
        outputs["age"] = age_of(outputs["item_age"])
        columns = measure_user(outputs, int(id_hash), self.num_sampled)
        if columns:
            yield columns, int(outputs["catalogue_size"])


class TargetStatistics(beam.CombineFn):
    """Combines the users of a slice."""

    def __init__(self, model_name: str):
        self.model_name = model_name

    def create_accumulator(self) -> Statistics:
        """Returns statistics without users."""
        return Statistics()

    def add_input(self, total: Statistics, user: Measured) -> Statistics:
        """Adds one user."""
        total.add(*user)
        if len(total.parts["user"]) > COMPACT_EVERY:
            total.compact()
        return total

    def compact(self, total: Statistics) -> Statistics:
        """Joins small arrays before pickling, as thousands of them take seconds."""
        total.compact()
        return total

    def merge_accumulators(self, totals: Iterable[Statistics]) -> Statistics:
        """Merges the users of several workers."""
        merged = self.create_accumulator()
        for total in totals:
            merged.merge(total)
        merged.compact()
        return merged

    def extract_output(self, total: Statistics) -> dict[Any, dict[str, Any]]:
        """Returns all metrics under one private key."""
        users = {USERS: total.users().encoded()}
        return {_base_key(self.model_name): {**total.results(), **users}}


class TargetMetric(metric_types.Metric):
    """One of ``METRICS``, or ``USERS``, chosen by its name.

    One pass over the users computes all of them: each metric declares the same
    computation, and TFMA runs it once.
    """

    def __init__(
        self, name: str, num_sampled: int = NUM_SAMPLED, code_version: str = ""
    ):
        """Makes the metric.

        Args:
            name: One of ``METRICS``, or ``USERS`` for the encoded ``Users``.
            num_sampled: Number of negatives in the sampled metrics; it must be the same
                for all metrics.
            code_version: Part of an Evaluator's cache key; unused otherwise.

        Raises:
            ValueError: If there is no metric of that name.
        """
        if name not in (*METRICS, USERS):
            raise ValueError(f"no metric {name!r}; there are {', '.join(METRICS)}")
        super().__init__(
            _computations, name=name, num_sampled=num_sampled, code_version=code_version
        )


def _computations(
    name: str, num_sampled: int, model_names: list[str] | None = None, **_: Any
) -> list[metric_types.MetricComputation]:
    computations: list[Any] = []
    for model_name in model_names or [""]:
        base = _base_key(model_name)
        key = metric_types.MetricKey(name=name, model_name=model_name)

        def pick(
            metrics: dict[Any, Any],
            base: metric_types.MetricKey = base,
            key: metric_types.MetricKey = key,
        ) -> dict[Any, Any]:
            return {key: metrics[base][name]}

        computations += [
            metric_types.MetricComputation(
                keys=[base],
                preprocessors=[MeasureUser(model_name, num_sampled)],
                combiner=TargetStatistics(model_name),
            ),
            metric_types.DerivedMetricComputation(keys=[key], result=pick),
        ]
    return computations


def _base_key(model_name: str) -> metric_types.MetricKey:
    return metric_types.MetricKey(name=BASE_NAME, model_name=model_name)
