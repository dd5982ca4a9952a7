"""``TargetMetric``: any of the statistics as a metric that TFMA computes and gates."""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from tensorflow_model_analysis.metrics import metric_types

from components.ranking_metrics.statistics import METRICS, NUM_SAMPLED, Statistics

BASE_NAME = "_target_statistics"  # the underscore keeps it out of what TFMA writes
COMPACT_EVERY = 1024  # users


class TargetStatistics(beam.CombineFn):
    """Sums ``Statistics`` over the users of a slice."""

    def __init__(self, model_name: str, num_sampled: int):
        self.model_name, self.num_sampled = model_name, num_sampled

    def create_accumulator(self) -> Statistics:
        """Nothing summed yet."""
        return Statistics(self.num_sampled)

    def add_input(
        self, total: Statistics, user: metric_types.StandardMetricInputs
    ) -> Statistics:
        """Adds one user."""
        total.add_user(user.get_predictions(self.model_name))
        if len(total.scores) > COMPACT_EVERY:
            total.compact()
        return total

    def merge_accumulators(self, totals: Iterable[Statistics]) -> Statistics:
        """Adds the sums of several workers."""
        merged = self.create_accumulator()
        for total in totals:
            merged.merge(total)
        merged.compact()
        return merged

    def extract_output(self, total: Statistics) -> dict[Any, dict[str, float]]:
        """All metrics under one private key."""
        return {_base_key(self.model_name): total.results()}


class TargetMetric(metric_types.Metric):
    """One of ``METRICS``, chosen by its name.

    All of them come from one pass over the users: TFMA sees that each asks for the same
    computation, and makes it once.
    """

    def __init__(
        self, name: str, num_sampled: int = NUM_SAMPLED, code_version: str = ""
    ):
        """Makes the metric.

        Args:
          name: one of ``METRICS``.
          num_sampled: negatives in the sampled metrics; the same for all metrics.
          code_version: part of an Evaluator's cache key, otherwise unused.

        Raises:
          ValueError: for a name that is none of ``METRICS``.
        """
        if name not in METRICS:
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
        ) -> dict[Any, float]:
            return {key: metrics[base][name]}

        computations += [
            metric_types.MetricComputation(
                keys=[base],
                preprocessors=None,
                combiner=TargetStatistics(model_name, num_sampled),
            ),
            metric_types.DerivedMetricComputation(keys=[key], result=pick),
        ]
    return computations


def _base_key(model_name: str) -> metric_types.MetricKey:
    return metric_types.MetricKey(name=BASE_NAME, model_name=model_name)
