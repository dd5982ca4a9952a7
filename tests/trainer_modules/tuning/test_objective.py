"""A trial is judged by the eval split, with the metric of the Evaluator."""

import dataclasses

import numpy as np
import pytest

from components.ranking_metrics.metrics import ranking_metrics
from tests.support.models import configure
from trainer_modules import features as f
from trainer_modules import inputs, training
from trainer_modules.registry import MODELS
from trainer_modules.trainer_settings import TrainerSettings
from trainer_modules.tuning.objective import Objective

pytestmark = pytest.mark.integration


def ndcg(rank, num_candidates):
    return float(ranking_metrics(rank, num_candidates)[1])


@pytest.fixture
def objective(planted):
    def make(name, metric=ndcg, data=planted.data, **settings):
        return Objective(
            TrainerSettings(
                model=MODELS[name],
                config=configure(name, settings),
                recipe="",
                seed=0,
                require_gpu=False,
                mixed_precision=False,
                warm_start=False,
                split={},
                max_scored_pairs=1 << 30,
                index_from=None,
                index_probes=1,
                leave_out=(),
                catalogue="",
                num_items=24,
                num_rated_items=24,
                num_items_before_test=24,
            ),
            data,
            metric,
        )

    return make


@pytest.mark.parametrize("time_bias", [True, False])
def test_a_trial_decides_whether_times_are_read(objective, planted, time_bias):
    data = dataclasses.replace(planted.data, reads_times=False)
    sizes = {"epochs": 1, "embedding_dim": 4, "max_history_length": 4}
    tried = objective("hstu", data=data, time_bias=not time_bias, **sizes)
    assert 0 < tried({"time_bias": time_bias}, "a trial", lambda measure: None) <= 1


@pytest.mark.parametrize("name", ["gmf", "mf_als"])
def test_the_metric_is_that_of_slow_numpy(objective, planted, name, monkeypatch):
    models = []
    whole = {"gmf": "fit", "mf_als": "solve"}[name]
    trained = getattr(training, whole)
    monkeypatch.setattr(
        training,
        whole,
        lambda model, *given, **named: (
            models.append(model) or trained(model, *given, **named)
        ),
    )
    curve = []
    settings = {"epochs": 3, "batch_size": 64} if name == "gmf" else {}
    metric = objective(name, **settings)(
        {}, "a trial", lambda measure: curve.append(measure())
    )
    [model] = models
    expected = []
    for users in inputs.eval_users(planted.data, 1000):
        catalogue = np.arange(2, planted.data.sizes.num_items)[np.newaxis]
        scores = model({**users, f.ITEM_INDEX: catalogue}).numpy()
        for user, score in enumerate(scores):
            seen = set(users[f.HISTORY_ITEM_INDEX][user].numpy())
            label = users[f.LABEL][user].numpy()
            liked = users[f.ITEM_INDEX][user].numpy()[label == 1]
            order = [
                item
                for item in np.argsort(-score, kind="stable") + 2
                if item not in seen
            ]
            gain = sum(
                1 / np.log2(order.index(item) + 2)
                for item in liked
                if order.index(item) < 10
            )
            ideal = sum(1 / np.log2(np.arange(min(len(liked), 10)) + 2))
            expected.append(gain / ideal)
    assert metric == pytest.approx(np.mean(expected), abs=1e-6)
    assert len(curve) == (3 if name == "gmf" else 0)
    if curve:
        assert metric in [pytest.approx(value) for value in curve]


def test_values_of_a_trial_replace_the_settings(objective):
    with pytest.raises(ValueError, match="heads"):
        objective("sasrec")({"embedding_dim": 31, "heads": 2}, "", lambda measure: None)
    assert objective("ease")({"l2": 1.0}, "", lambda measure: None) != objective(
        "ease"
    )({"l2": 2e4}, "", lambda measure: None)


def test_closed_forms_do_not_learn_from_the_split_that_judges_them(
    objective, planted, monkeypatch
):
    learned = []
    ease = MODELS["ease"].load_class()
    solve = ease.solve
    monkeypatch.setattr(
        ease,
        "solve",
        lambda self, pairs: learned.append(len(pairs)) or solve(self, pairs),
    )
    objective("ease")({}, "", lambda measure: None)
    assert learned == [int((planted.data.train_ratings.label == f.LIKED).sum())]


def test_an_eval_split_without_likes_is_an_error(objective, transformed_log):
    targets = {user: [(3, 0, 1.0)] for user in range(2, 10)}
    liked = {user: [(2, 1, 5.0), (4, 1, 5.0)] for user in targets}
    without = transformed_log(liked, targets, 10, 9)
    with pytest.raises(ValueError, match=r"eval split.*label\.threshold"):
        objective("ease", data=without)({}, "", lambda measure: None)


def test_auc_is_of_all_targets(objective):
    metric = objective("deepfm", metric=None, epochs=3, batch_size=64)
    assert metric({}, "", lambda measure: None) > 0.6


def test_only_files_of_train_and_eval_are_opened(objective, planted, monkeypatch):
    opened = []
    read = inputs.records_of
    monkeypatch.setattr(
        inputs, "records_of", lambda files: opened.extend(files) or read(files)
    )
    data = dataclasses.replace(planted.data)  # nothing of it has been read
    objective("gmf", data=data, epochs=1)({}, "", lambda measure: None)
    known = {*planted.data.train_files, *planted.data.eval_files}
    assert opened
    assert set(opened) <= known
