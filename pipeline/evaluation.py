"""What TFMA measures of each model, and what a model must reach."""

import json
import math

import tensorflow_model_analysis as tfma

from components.ranking_metrics import extractors
from components.ranking_metrics.metrics import TargetMetric
from components.ranking_metrics.statistics import METRICS, NUM_SAMPLED
from pipeline.code_version import code_version
from pipeline.config import GateConfig

CANDIDATE = "candidate"
BASELINE = "baseline"


def eval_config(
    gate: GateConfig, num_sampled_negatives: int = NUM_SAMPLED
) -> tfma.EvalConfig:
    """All metrics of the candidate and, where one is live, of the live model.

    Floors are bounds of the value. In the metric by which models are compared, the
    candidate may lose at most ``gate.max_loss`` against the live model; TFX drops this
    bound where nothing is live.

    Args:
      gate: the bar.
      num_sampled_negatives: in the sampled metrics.
    """
    return tfma.EvalConfig(
        model_specs=[
            _model_spec(CANDIDATE),
            _model_spec(BASELINE, is_baseline=True),
        ],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[_metric(name, gate, num_sampled_negatives) for name in METRICS]
            )
        ],
    )


def _model_spec(name: str, is_baseline: bool = False) -> tfma.ModelSpec:
    return tfma.ModelSpec(
        name=name,
        # A SavedModel with signatures; TFMA would try to load a Keras model first.
        model_type=tfma.TF_GENERIC,
        signature_name="evaluate",
        is_baseline=is_baseline,
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
    threshold = config.threshold
    if name in gate.floors:
        threshold.value_threshold.lower_bound.value = gate.floors[name]
    if name == gate.metric:
        if name not in gate.floors:
            threshold.value_threshold.lower_bound.value = -math.inf
        threshold.change_threshold.direction = tfma.MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -gate.max_loss
    return config
