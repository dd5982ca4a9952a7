"""The configurations of TFMA and Champion."""

import json

import pytest
import tensorflow_model_analysis as tfma

from components.champion.gate import Gate
from components.metric_names import METRICS
from pipeline import evaluation


@pytest.fixture
def asked():
    def configs(**gate):
        config = evaluation.eval_config(Gate(**gate))
        [spec] = config.metrics_specs
        return {json.loads(m.config)["name"]: m for m in spec.metrics}

    return configs


def test_all_metrics_are_measured_on_all_users_and_on_slices():
    config = evaluation.eval_config(Gate(slices=["activity", "user_gender"]))
    tfma.utils.verify_eval_config(config)
    assert [json.loads(m.config)["name"] for m in config.metrics_specs[0].metrics] == (
        [*METRICS, "users"]
    )
    assert [(s.signature_name, s.is_baseline) for s in config.model_specs] == [
        ("evaluate", False)
    ]
    assert list(config.slicing_specs) == [
        tfma.SlicingSpec(),
        tfma.SlicingSpec(feature_keys=["activity"]),
        tfma.SlicingSpec(feature_keys=["user_gender"]),
    ]


def test_the_number_of_sampled_negatives_is_told_to_every_metric():
    config = evaluation.eval_config(Gate(), num_sampled_negatives=100)
    [spec] = config.metrics_specs
    assert {json.loads(m.config)["num_sampled"] for m in spec.metrics} == {100}


def test_floors_are_bounds_of_their_metrics_on_all_users_alone(asked):
    metrics = asked(metric="mrr", floors={"auc": 0.6, "mrr": 0.1}, max_loss=0.02)
    floors = {
        name: [
            (
                list(bound.slicing_specs),
                bound.threshold.value_threshold.lower_bound.value,
            )
            for bound in metric.per_slice_thresholds
        ]
        for name, metric in metrics.items()
        if metric.per_slice_thresholds
    }
    everybody = [tfma.SlicingSpec()]
    assert floors == {"auc": [(everybody, 0.6)], "mrr": [(everybody, 0.1)]}


def test_the_code_is_in_the_cache_key(asked, monkeypatch):
    before = asked()
    monkeypatch.setattr(evaluation, "code_version", lambda *modules: "another")
    after = asked()
    assert all(before[name] != after[name] for name in METRICS)
