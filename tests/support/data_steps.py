"""The outputs of the steps over all ratings, for comparison of two runs."""

import json

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv

SPLITS = ("train", "eval", "test")
VOCABULARIES = "Transform/transform_graph/*/transform_fn/assets/*"


def assert_same_results(out, expected, num_users):
    """Compares a run's data steps and metrics with those of another run."""
    assert all(len(records) == num_users for records in examples(expected).values())
    assert examples(out) == examples(expected)
    assert len(vocabularies(expected)) >= 2
    assert vocabularies(out) == vocabularies(expected)
    for split in SPLITS:
        count, features = statistics(out, split)
        expected_count, expected_features = statistics(expected, split)
        assert count == expected_count == num_users
        assert features == pytest.approx(expected_features, rel=1e-6)
    for model, values in metrics(expected).items():
        assert metrics(out)[model] == pytest.approx(values, abs=1e-6), model


def examples(out):
    """Split → its records, as a set."""
    return {
        split: {
            record.numpy()
            for path in out.glob(f"artifacts/RatingsExampleGen/examples/*/*-{split}/*")
            for record in tf.data.TFRecordDataset(str(path), "GZIP")
        }
        for split in SPLITS
    }


def vocabularies(out):
    return {
        path.name: path.read_bytes() for path in out.glob(f"artifacts/{VOCABULARIES}")
    }


def statistics(out, split):
    [path] = out.glob(f"artifacts/StatisticsGen/statistics/*/*-{split}/*.pb")
    found = tfdv.load_stats_binary(str(path)).datasets[0]
    return found.num_examples, {
        feature.path.step[0]: feature.num_stats.mean or feature.string_stats.unique
        for feature in found.features
    }


def metrics(out):
    [run] = out.glob("runs/*/run.json")
    return {m["name"]: m["metrics"] for m in json.loads(run.read_text())["models"]}
