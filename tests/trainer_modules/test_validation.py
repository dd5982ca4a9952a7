"""The eval split's word on a model, against slow references."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.reference import ranking as reference
from trainer_modules import features as f
from trainer_modules import validation
from trainer_modules.configs.base import GradientConfig

U, V = 10, 30


@pytest.fixture(scope="module")
def scores():
    """[U, V], with ties and some that are equal to stars."""
    return np.random.default_rng(0).integers(0, 8, [U, V]) / 2


@pytest.fixture(scope="module")
def log():
    """Targets of users 2 to 9: (item, label, stars), -1 for neither."""
    random = np.random.default_rng(1)
    labels = {1.0: 0, 2.0: 0, 3.0: -1, 4.0: 1, 5.0: 1}
    train, held_out = {}, {}
    for user in range(2, U):
        items = random.permutation(np.arange(1, V))
        rows = [
            (int(item), labels[stars], stars)
            for item, stars in zip(
                items, random.integers(1, 6, V - 1).astype(float), strict=True
            )
        ]
        train[user], held_out[user] = rows[:6], rows[6 : 6 + 2 * (user % 5)]
    return train, {user: targets for user, targets in held_out.items() if targets}


@pytest.fixture(scope="module")
def data(transformed_log, log):
    return transformed_log(*log, U, V, num_unknown_items=2)


class Scorer(tf.keras.Model):
    """Scores by a function of the features."""

    def __init__(self, score):
        super().__init__()
        self.score = score

    def call(self, features):
        return self.score(features)


@pytest.fixture(scope="module")
def scorer(scores):
    table = tf.constant(scores, tf.float32)

    def score(features):
        users = tf.cast(features[f.USER_INDEX], tf.int32)
        items = tf.cast(features[f.ITEM_INDEX], tf.int32)
        items += tf.zeros([tf.shape(users)[0], 1], tf.int32)
        return tf.gather(tf.gather(table, users), items, batch_dims=1)

    return Scorer(score)


def config(**settings):
    return GradientConfig(**settings)


def test_auc_is_the_share_of_pairs_that_stand_right(
    log, data, scores, scorer, monkeypatch
):
    monkeypatch.setattr(validation, "SCORED_PAIRS", 7)
    targets = [
        (scores[user, item], label)
        for user, rows in log[1].items()
        for item, label, _ in rows
        if label != f.NEITHER
    ]
    measured = validation.LabelsAUC(scorer, data).measure()
    assert 0.3 < measured < 0.7
    expected = reference.auc(*zip(*targets, strict=True))
    assert measured == pytest.approx(expected, abs=1e-9)


def test_error_of_stars_is_over_all_targets_whatever_their_label(
    log, data, scores, scorer
):
    errors = [
        scores[user, item] - stars
        for user, rows in log[1].items()
        for item, _, stars in rows
    ]
    measured = validation.StarsError(scorer, data).measure()
    assert measured == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-6)


def test_ndcg_is_of_the_whole_list_and_of_users_who_liked_something(
    log, data, scores, scorer
):
    train, held_out = log
    gains = []
    for user, targets in held_out.items():
        seen = {item for item, _, _ in train[user]}
        # Two items without an id: one of them is seen where the unknown one is.
        # It scores no better than the ten rarest in the mean.
        of_unknown = min(scores[user, 1], np.mean(scores[user, 2:][-10:]))
        unknown = [of_unknown] * (2 - (1 in seen))
        everything = [0.0, 0.0, *scores[user, 2:], *unknown]
        liked = [item for item, label, _ in targets if label == f.LIKED]
        stands_for = [V if item == 1 else item for item in liked]
        own = [of_unknown if item == 1 else scores[user, item] for item in liked]
        rank = reference.ranks(everything, seen, stands_for, own)
        if liked:
            metrics = reference.user_metrics(rank, V, k=10**3)
            gains.append(metrics["ndcg@1000"])
    assert len(gains) > 3
    measured = validation.Ranking(scorer, data).measure()
    assert measured == pytest.approx(np.mean(gains), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "metric", "mode"),
    [
        ({"task": "rating", "num_negatives": 0}, "auc", "max"),
        ({"task": "rating", "num_negatives": 4}, "ndcg", "max"),
        ({"task": "rating", "loss": "squared_error"}, "rmse", "min"),
        ({"task": "retrieval", "loss": "bpr"}, "ndcg", "max"),
    ],
)
def test_a_task_is_measured_by_what_it_learns(data, scorer, settings, metric, mode):
    measure = validation.validation(scorer, config(**settings), data)
    assert (measure.metric, measure.mode) == (metric, mode)
    logs = {}
    measure.on_epoch_end(0, logs)
    assert set(logs) == {metric}
    assert np.isfinite(logs[metric])


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ({"task": "rating", "num_negatives": 0}, [1, 1]),
        ({"task": "rating", "num_negatives": 0}, [0, -1]),
        ({"task": "retrieval"}, [0, -1]),
        ({"task": "rating", "loss": "squared_error"}, []),
    ],
)
def test_an_eval_split_that_tells_nothing_is_an_error(
    transformed_log, scorer, settings, labels
):
    targets = {2: [(item, label, 3.0) for item, label in enumerate(labels, 3)]}
    silent = transformed_log({2: [(2, 1, 5.0)]}, targets if labels else {}, U, V)
    with pytest.raises(ValueError, match=r"split\.eval_fraction.*label\.threshold"):
        validation.validation(scorer, config(**settings), silent)


def test_targets_are_scored_with_the_users_fields(planted):
    values = planted.output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    cook = values.index(b"user_occupation=cook") + 2

    def is_cook(features):
        cooks = tf.reduce_any(features["user_occupation_index"] == cook, 1)
        return tf.cast(cooks, tf.float32)[:, tf.newaxis] * 5

    # Three users in four are cooks; their targets have four and two stars.
    errors = [5 - 4, 5 - 2] * 3 + [4, 2]
    unread = dataclasses.replace(planted.data)  # nothing of it has been read
    measured = validation.StarsError(Scorer(is_cook), unread).measure()
    assert measured == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-6)
