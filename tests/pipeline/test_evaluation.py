"""What TFMA is asked for."""

import json
import math

import pytest
import tensorflow_model_analysis as tfma

from components.ranking_metrics.statistics import METRICS
from pipeline import evaluation
from pipeline.config import GateConfig


@pytest.fixture
def asked():
    def configs(**gate):
        config = evaluation.eval_config(GateConfig(**gate))
        [spec] = config.metrics_specs
        return {json.loads(m.config)["name"]: m for m in spec.metrics}

    return configs


def test_all_metrics_are_measured_of_two_models_on_all_users():
    config = evaluation.eval_config(GateConfig())
    tfma.utils.verify_eval_config(config)
    assert [json.loads(m.config)["name"] for m in config.metrics_specs[0].metrics] == (
        list(METRICS)
    )
    assert [(s.signature_name, s.is_baseline) for s in config.model_specs] == [
        ("evaluate", False),
        ("evaluate", True),
    ]
    assert list(config.slicing_specs) == [tfma.SlicingSpec()]


def test_the_number_of_sampled_negatives_is_told_to_every_metric():
    config = evaluation.eval_config(GateConfig(), num_sampled_negatives=100)
    [spec] = config.metrics_specs
    assert {json.loads(m.config)["num_sampled"] for m in spec.metrics} == {100}


def test_floors_are_bounds_of_their_metrics_alone(asked):
    metrics = asked(metric="mrr", floors={"auc": 0.6, "mrr": 0.1}, max_loss=0.02)
    floors = {
        name: metric.threshold.value_threshold.lower_bound.value
        for name, metric in metrics.items()
        if metric.threshold.HasField("value_threshold")
    }
    assert floors == {"auc": 0.6, "mrr": 0.1}


def test_only_the_gate_metric_is_compared_with_the_live_model(asked):
    metrics = asked(metric="mrr", floors={"auc": 0.6}, max_loss=0.02)
    changes = {
        name: metric.threshold.change_threshold
        for name, metric in metrics.items()
        if metric.threshold.HasField("change_threshold")
    }
    assert set(changes) == {"mrr"}
    assert changes["mrr"].absolute.value == -0.02
    assert changes["mrr"].direction == tfma.MetricDirection.HIGHER_IS_BETTER
    # TFX asks for a value threshold too, or it blesses nothing where nothing is live;
    # NaN is not above it.
    lower = metrics["mrr"].threshold.value_threshold.lower_bound.value
    assert lower == -math.inf


def test_the_code_is_in_the_cache_key(asked, monkeypatch):
    before = asked()
    monkeypatch.setattr(evaluation, "code_version", lambda *modules: "another")
    after = asked()
    assert all(before[name] != after[name] for name in METRICS)
