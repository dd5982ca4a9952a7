"""The metrics inside of TFMA: what is computed, and what a gate lets pass."""

import json

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tfx_bsl.public import tfxio

from components.ranking_metrics.extractors import custom_extractors
from components.ranking_metrics.metrics import TargetMetric
from components.ranking_metrics.statistics import METRICS, Statistics
from pipeline.config import GateConfig
from pipeline.evaluation import BASELINE, CANDIDATE, eval_config

NUM_ITEMS = 40
GATE = GateConfig(
    metric="ndcg@10",
    floors={"auc": 0.6, "ndcg@10": 0.1, "hit_rate@10": 0.2},
    max_loss=0.01,
)


class Judged(tf.Module):
    """Answers as a model would whose ranks are those in the record, shifted."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        ints = tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
        record = tf.io.parse_example(examples, {"place": ints, "liked": ints})
        rank, label = record["place"].to_tensor(), record["liked"].to_tensor(-1)
        shift = {"good": 0, "slightly_worse": 3, "zero": 20}.get(self.kind, 0)
        rank = tf.where(rank > 0, rank + shift, 0)
        score = 1 / (1 + tf.cast(rank, tf.float32)) + 0.5 * tf.cast(label, tf.float32)
        if self.kind in ("constant", "nan"):
            rank = tf.where(rank > 0, tf.constant(NUM_ITEMS, tf.int64), 0)
            score = tf.zeros_like(score) + (0.5 if self.kind == "constant" else np.nan)
        users = tf.shape(rank)[0]
        probability = tf.clip_by_value(score, 0, 1)
        return {
            "rank": rank,
            "label": label,
            "score": score,
            "probability": probability,
            "error": probability - tf.cast(label, tf.float32),
            "num_candidates": tf.fill([users], tf.constant(NUM_ITEMS, tf.int64)),
            "catalogue_size": tf.fill([users], NUM_ITEMS),
            "top_item": tf.tile(tf.range(2, 12)[tf.newaxis], [users, 1]),
        }


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folders = {}
    for kind in ("good", "slightly_worse", "zero", "constant", "nan"):
        folders[kind] = str(tmp_path_factory.mktemp(kind))
        model = Judged(kind)
        tf.saved_model.save(
            model, folders[kind], signatures={"evaluate": model.evaluate}
        )
    return folders


PEOPLE = [  # places and labels of the targets of each user
    ([1], [1]),
    ([3, 12], [1, 0]),
    ([2, 5, 30], [1, 1, 0]),
    ([25], [0]),
    ([9], [1]),
]


@pytest.fixture(scope="module")
def judge(models, tmp_path_factory):
    """Evaluates with TFMA as TFX's Evaluator does; (metrics, failed metrics)."""
    records = []
    for number, (place, liked) in enumerate(PEOPLE):
        record = tf.train.Example()
        record.features.feature["user_id"].bytes_list.value.append(b"%d" % number)
        record.features.feature["place"].int64_list.value.extend(place)
        record.features.feature["liked"].int64_list.value.extend(liked)
        records.append(record.SerializeToString())

    def run(kind, baseline=None):
        config = tfma.utils.update_eval_config_with_defaults(
            eval_config(GATE),
            has_baseline=baseline is not None,
            rubber_stamp=baseline is None,
        )
        shared = [
            tfma.default_eval_shared_model(
                models[folder],
                model_name=name if baseline else "",  # TFX drops a lone model's name
                eval_config=config,
            )
            for name, folder in ((CANDIDATE, kind), (BASELINE, baseline))
            if folder
        ]
        shared = shared if baseline else shared[0]
        source = tfxio.TFExampleBeamRecord(
            physical_format="inmem",
            raw_record_column_name=tfma.ARROW_INPUT_COLUMN,
            telemetry_descriptors=["test"],
        )
        folder = str(tmp_path_factory.mktemp("evaluation"))
        with beam.Pipeline(runner="DirectRunner") as pipeline:
            (
                pipeline
                | beam.Create(records, reshuffle=False)
                | source.BeamSource()
                | tfma.ExtractEvaluateAndWriteResults(
                    eval_shared_model=shared,
                    eval_config=config,
                    output_path=folder,
                    extractors=custom_extractors(shared, config, None),
                )
            )
        names = [CANDIDATE, BASELINE] if baseline else [None]
        metrics = [
            {
                name: value.get("doubleValue", np.nan)
                for name, value in tfma.load_eval_result(folder, model_name=which)
                .get_metrics_for_slice()
                .items()
                if not name.endswith("_diff")
            }
            for which in names
        ]
        validation = tfma.load_validation_result(folder)
        failed = sorted(
            failure.metric_key.name
            for part in validation.metric_validations_per_slice
            for failure in part.failures
        )
        assert validation.validation_ok == (not failed)
        return metrics, failed

    return run


def expected(outputs):
    """The statistics of the people, which have tests of their own."""
    total = Statistics()
    for places, labels in PEOPLE:
        targets = [
            (place, label, 1 / (1 + place) + 0.5 * label)
            for place, label in zip(places, labels, strict=True)
        ]
        user = outputs(targets, NUM_ITEMS, range(2, 12), NUM_ITEMS)
        total.add_user(user)
    return total.results()


def test_tfma_computes_every_metric_once_for_each_model(judge, outputs):
    [good, worse], failed = judge("good", baseline="slightly_worse")
    assert failed == []
    assert set(good) == set(METRICS)  # and nothing of how they are made
    for name, value in expected(outputs).items():
        np.testing.assert_allclose(good[name], value, rtol=1e-5, err_msg=name)
    assert worse["mrr"] < good["mrr"]
    # Counted by hand: users 0, 1, 2 and 4 liked something, all in the first ten.
    assert good["hit_rate@10"] == 1
    assert good["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 2 + 1 / 9) / 4)
    assert good["num_users"] == 5
    assert good["num_targets"] == 8
    assert good["coverage@10"] == 10 / NUM_ITEMS


@pytest.mark.parametrize("kind", ["constant", "nan"])
def test_a_model_without_an_opinion_is_refused(judge, kind):
    _, failed = judge(kind)
    assert failed == ["auc", "hit_rate@10", "ndcg@10"]


def test_losing_more_than_allowed_against_the_live_model_is_refused(judge):
    _, failed = judge("slightly_worse", baseline="good")
    assert failed == ["ndcg@10"]


def test_tfma_sees_a_loss_against_nothing(judge):
    # Champion knows better: tests/components/champion/test_component.py.
    [good, live], failed = judge("good", baseline="zero")
    assert good["ndcg@10"] > live["ndcg@10"] == 0
    assert failed == ["ndcg@10"]


def test_a_metric_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no metric 'ndgc@10'; there are hit_rate@10"):
        TargetMetric("ndgc@10")


def test_configuration_survives_tfma():
    given = {"name": "ndcg@10", "num_sampled": 100, "code_version": "abc"}
    assert json.loads(json.dumps(TargetMetric(**given).get_config())) == given
