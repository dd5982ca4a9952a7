"""Configures TFMA: the metrics of each model, on all users and on each slice.

The rules by which the metrics decide are in ``components/champion/rules.py``.
"""

import json

import tensorflow_model_analysis as tfma

from components.champion.gate import Gate
from components.metric_names import METRICS
from components.ranking_metrics import extractors
from components.ranking_metrics.metrics import NUM_SAMPLED
from components.ranking_metrics.tfma_metrics import USERS, TargetMetric
from pipeline.runs.code_version import code_version


def eval_config(
    gate: Gate, num_sampled_negatives: int = NUM_SAMPLED
) -> tfma.EvalConfig:
    """Returns TFMA's configuration: all metrics, on all users and on each slice.

    Floors are also TFMA's thresholds, so that its blessing has a meaning of its own;
    what goes live is decided by Champion alone.

    Args:
        gate: The gate's settings.
        num_sampled_negatives: Number of items sampled for each target in the sampled
            metrics.
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


def _metric(name: str, gate: Gate, num_sampled: int) -> tfma.MetricConfig:
    # The version is in the configuration only to be part of the cache key.
    version = code_version(TargetMetric.__module__, extractors.__name__)
    config = tfma.MetricConfig(
        class_name=TargetMetric.__name__,
        module=TargetMetric.__module__,
        config=json.dumps(
            {"name": name, "num_sampled": num_sampled, "code_version": version}
        ),
    )
    if name in gate.floors:
        # On all users only: on a slice, a value may be below by chance.
        bound = config.per_slice_thresholds.add(slicing_specs=[tfma.SlicingSpec()])
        bound.threshold.value_threshold.lower_bound.value = gate.floors[name]
    return config
