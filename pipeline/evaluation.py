"""What TFMA measures of each model, and the rules that hold a model to it.

The rules themselves, each with its words, are ``components/champion/rules.py``.
"""

import dataclasses
import json

import tensorflow_model_analysis as tfma

from components.champion.rules import Gate
from components.metric_names import METRICS
from components.ranking_metrics import extractors
from components.ranking_metrics.metrics import USERS, TargetMetric
from components.ranking_metrics.statistics import NUM_SAMPLED
from pipeline.config.schema import GateConfig
from pipeline.runs.code_version import code_version


def eval_config(
    gate: GateConfig, num_sampled_negatives: int = NUM_SAMPLED
) -> tfma.EvalConfig:
    """All metrics of a model, on all users and on each slice.

    Floors are TFMA's thresholds too, so that its blessing says something to whoever
    reads it; what goes live is decided by ``rules`` alone.

    Args:
        gate: The bar.
        num_sampled_negatives: In the sampled metrics.
    """
    return tfma.EvalConfig(
        # A SavedModel with signatures; TFMA would try to load a Keras model first.
        model_specs=[
            tfma.ModelSpec(model_type=tfma.TF_GENERIC, signature_name="evaluate")
        ],
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=[key]) for key in gate.slices),
        ],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    _metric(name, gate, num_sampled_negatives)
                    for name in (*METRICS, USERS)
                ]
            )
        ],
    )


def rules(gate: GateConfig) -> str:
    """Returns the bar as Champion takes it: a ``Gate`` as JSON."""
    return json.dumps(dataclasses.asdict(gate_of(gate)))


def gate_of(gate: GateConfig) -> Gate:
    """Returns the bar as the rules take it."""
    return Gate(
        metric=gate.metric,
        floors=gate.floors,
        max_loss=gate.max_loss,
        min_gain=gate.min_gain_over_popularity,
        min_users=gate.min_users,
        min_slice_users=gate.min_slice_users,
        min_score_std=gate.min_score_std,
        calibration=(gate.min_calibration, gate.max_calibration),
        min_coverage_of_live=gate.min_coverage_of_live,
        confidence=gate.confidence,
    )


def _metric(name: str, gate: GateConfig, num_sampled: int) -> tfma.MetricConfig:
    # The version is in the configuration for the cache alone.
    version = code_version(TargetMetric.__module__, extractors.__name__)
    config = tfma.MetricConfig(
        class_name=TargetMetric.__name__,
        module=TargetMetric.__module__,
        config=json.dumps(
            {"name": name, "num_sampled": num_sampled, "code_version": version}
        ),
    )
    if name in gate.floors:
        # Of all users: on a slice, a value may lie below by chance.
        bound = config.per_slice_thresholds.add(slicing_specs=[tfma.SlicingSpec()])
        bound.threshold.value_threshold.lower_bound.value = gate.floors[name]
    return config
