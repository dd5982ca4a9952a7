"""The metrics inside of TFMA: what is computed, and on which users."""

import json

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.public import tfxio

from components.anomaly_gate.schema import CURATED_SCHEMA
from components.champion.gate import Gate
from components.champion.judgements import read_slices
from components.metric_names import METRICS
from components.ranking_metrics.extractors import activity, custom_extractors, user_hash
from components.ranking_metrics.metrics import Statistics
from components.ranking_metrics.tfma_metrics import TargetMetric, TargetStatistics
from pipeline.evaluation import eval_config
from tests.support.evaluated_users import add_user, evaluate_outputs

NUM_ITEMS = 40
GATE = Gate(
    metric="ndcg@10",
    floors={"auc": 0.6, "ndcg@10": 0.1, "hit_rate@10": 0.2},
    slices=["activity", "user_gender"],
)


class Judged(tf.Module):
    """Answers as a model would whose ranks are the ratings in the record."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        ragged = tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64)
        stars = tf.io.parse_example(examples, {"rating": ragged})["rating"]
        rank = tf.cast(tf.abs(stars), tf.int64).to_tensor()
        label = tf.cast(stars > 0, tf.int64).to_tensor(-1)
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
            "novelty": tf.fill([users], 3.5),
            "diversity": tf.fill([users], np.nan),
            "list_popularity": tf.fill([users], 0.2),
            "history_popularity": tf.fill([users], 0.1),
        }


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folders = {}
    for kind in ("good", "constant", "nan"):
        folders[kind] = str(tmp_path_factory.mktemp(kind))
        model = Judged(kind)
        tf.saved_model.save(
            model, folders[kind], signatures={"evaluate": model.evaluate}
        )
    return folders


PEOPLE = [  # places and labels of the targets, ratings before them, gender
    ([1], [1], 0, [b"F"]),
    ([3, 12], [1, 0], 19, [b"M"]),
    ([2, 5, 30], [1, 1, 0], 20, [b"F"]),
    ([25], [0], 99, []),
    ([9], [1], 100, [b"F", b"M"]),
]


@pytest.fixture(scope="module")
def judge(models, tmp_path_factory):
    """Evaluates with TFMA as TFX's Evaluator does; (folder, failed metrics)."""
    records = []
    for number, (places, labels, num_rated, gender) in enumerate(PEOPLE):
        stars = [
            place if liked else -place
            for place, liked in zip(places, labels, strict=True)
        ]
        record = tf.train.Example()
        feature = record.features.feature
        feature["user_id"].bytes_list.value.append(b"%d" % number)
        feature["item_id"].bytes_list.value.extend([b"i"] * len(stars))
        feature["rating"].float_list.value.extend(stars)
        feature["history_item_id"].bytes_list.value.extend([b"i"] * num_rated)
        feature["user_gender"].bytes_list.value.extend(gender)
        records.append(record.SerializeToString())
    schema = text_format.Parse(CURATED_SCHEMA.read_text(), schema_pb2.Schema())

    def run(kind):
        config = tfma.utils.update_eval_config_with_defaults(
            eval_config(GATE), has_baseline=False, rubber_stamp=True
        )
        shared = tfma.default_eval_shared_model(
            models[kind], model_name="", eval_config=config
        )
        source = tfxio.TFExampleBeamRecord(
            physical_format="inmem",
            raw_record_column_name=tfma.ARROW_INPUT_COLUMN,
            schema=schema,
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
                    extractors=custom_extractors(
                        shared, config, source.TensorAdapterConfig()
                    ),
                    tensor_adapter_config=source.TensorAdapterConfig(),
                )
            )
        validation = tfma.load_validation_result(folder)
        failed = sorted(
            failure.metric_key.name
            for part in validation.metric_validations_per_slice
            for failure in part.failures
        )
        assert validation.validation_ok == (not failed)
        return folder, failed

    return run


@pytest.fixture(scope="module")
def good(judge):
    folder, failed = judge("good")
    assert failed == []
    return read_slices(folder)


def measured(numbers):
    """The statistics of some of the people, which have tests of their own."""
    total = Statistics()
    for number in numbers:
        places, labels, _, _ = PEOPLE[number]
        targets = [
            (place, label, 1 / (1 + place) + 0.5 * label)
            for place, label in zip(places, labels, strict=True)
        ]
        outputs = evaluate_outputs(targets, NUM_ITEMS, range(2, 12), NUM_ITEMS)
        add_user(total, outputs, user=user_hash(b"%d" % number))
    return total


SLICES = {
    "": [0, 1, 2, 3, 4],
    "activity=new": [0],
    "activity=1-19": [1],
    "activity=20-99": [2, 3],
    "activity=100-499": [4],
    "user_gender=F": [0, 2],
    "user_gender=M": [1],
    "user_gender=F|M": [4],
    "user_gender=unknown": [3],
}


def test_tfma_computes_every_metric_on_all_users_and_on_each_slice(good):
    assert set(good) == set(SLICES)
    for name, numbers in SLICES.items():
        assert set(good[name].metrics) == set(METRICS), name
        for metric, value in measured(numbers).results().items():
            np.testing.assert_allclose(
                good[name].metrics[metric], value, rtol=1e-5, err_msg=f"{name} {metric}"
            )
    # Counted by hand: users 0, 1, 2 and 4 liked something, all in the first ten.
    overall = good[""].metrics
    assert overall["hit_rate@10"] == 1
    assert overall["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 2 + 1 / 9) / 4)
    assert overall["num_users"] == 4
    assert overall["num_targets"] == 8
    assert overall["coverage@10"] == 10 / NUM_ITEMS


def test_each_slice_has_its_users_one_by_one(good):
    for name, numbers in SLICES.items():
        expected, found = measured(numbers).users(), good[name].users
        assert found.metrics == expected.metrics
        for field in ("user", "target_user", "label"):
            np.testing.assert_array_equal(
                getattr(found, field), getattr(expected, field), err_msg=name
            )
        for field in ("values", "score"):
            np.testing.assert_allclose(
                getattr(found, field), getattr(expected, field), rtol=1e-5
            )


@pytest.mark.parametrize("kind", ["constant", "nan"])
def test_a_model_without_an_opinion_fails_the_floors(judge, kind):
    folder, failed = judge(kind)
    assert failed == ["auc", "hit_rate@10", "ndcg@10"]
    overall = read_slices(folder)[""].metrics
    assert overall["finite_scores"] == (kind == "constant")
    assert np.isnan(overall["auc"]) == (kind == "nan")


def test_activity_is_named_by_its_least_ratings():
    found = activity(np.array([0, 1, 19, 20, 99, 100, 499, 500, 10**6]))
    names = ["new", "1-19", "1-19", "20-99", "20-99", "100-499", "100-499"]
    assert found[:, 0].tolist() == [*names, "500+", "500+"]


def test_a_users_hash_is_the_same_everywhere():
    # The first eight bytes of `b2sum -l 64`.
    assert user_hash(b"") == 0xE4A6A0577479B2B4


def test_what_is_sent_between_workers_is_few_arrays():
    total = Statistics()
    for rank in range(1, 500):
        add_user(total, evaluate_outputs([(rank, 1, 0.5)], 500))
    sent = TargetStatistics("").compact(total)
    assert {len(parts) for parts in sent.parts.values()} == {1}
    assert sent.results()["num_users"] == 499


def test_a_metric_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no metric 'ndgc@10'; there are hit_rate@10"):
        TargetMetric("ndgc@10")


def test_configuration_survives_tfma():
    given = {"name": "ndcg@10", "num_sampled": 100, "code_version": "abc"}
    assert json.loads(json.dumps(TargetMetric(**given).get_config())) == given
