"""Bad models, a copy and a better one get the right verdict for the right reason.

They are made by hand around the transform graph of a real run, exported like any other,
judged by TFX's Evaluator on the test split, and decided on by Champion.
"""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from tfx.components.evaluator.executor import Executor
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts
from tfx.utils import path_utils, proto_utils

from benchmarks.training_data import trainer_data
from components.champion import component
from components.champion.gate import Gate
from components.live_evaluator.executor import NOT_JUDGED_FILE
from components.live_models import push
from components.ranking_metrics import extractors
from pipeline.evaluation import eval_config
from pipeline.runs.step_outputs import newest_output
from tests.support.command import ROOT, marquee
from tests.support.models import serve
from trainer_modules import features as f
from trainer_modules.configs.closed_form import MFALSConfig
from trainer_modules.interactions import Interactions
from trainer_modules.model_card import ModelCard, write_card
from trainer_modules.models.mf_als import MFALS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
# Data set → the slice of the few users whom one model serves badly.
NEW = "activity=new"
FEW = {
    "sample": "user_age=18",
    "ml-100k": "user_occupation=student",
    "newcomers": NEW,
}


class Scores(tf.keras.Model):
    """Scores by any function of a model's features.

    Args:
        score: Features → scores [B, C].
        uses: The models that the function calls, whose variables are saved with it.
    """

    def __init__(self, score, *uses):
        super().__init__()
        self.score, self.uses = score, list(uses)

    def call(self, features, training=False):
        return self.score(features)


def solved(data, embedding_dim, interactions=None):
    tf.keras.utils.set_random_seed(0)
    model = MFALS(MFALSConfig(embedding_dim=embedding_dim), data.sizes)
    liked = data.train_ratings.where(data.train_ratings.liked())
    model.solve(interactions or data.interactions(liked))
    return model


def pairs(features):
    """Returns users [B, 1] and items [B or 1, C] as float32."""
    user = tf.cast(features[f.USER_INDEX], tf.float32)[:, tf.newaxis]
    return user, tf.cast(features[f.ITEM_INDEX], tf.float32)


def made_by_hand(data, is_one_of_few):
    """Returns the models by name; ``live`` is the one to be replaced."""
    live, better = solved(data, 2), solved(data, 64)
    # The data that closed forms such as popularity learn from.
    ratings = data.train_ratings.joined(data.eval_ratings)
    known = data.interactions(ratings.where(ratings.liked()))
    count = tf.math.bincount(tf.constant(known.item_index), minlength=known.num_items)
    popularity = tf.math.log(1 + tf.cast(count, tf.float32))
    # Each user likes as many items as before, but those of random other users.
    other = np.random.default_rng(0).permutation(known.item_index)
    shuffled = Interactions.from_pairs(
        known.user_index, other, known.num_users, known.num_items
    )

    def noise(features):
        user, item = pairs(features)
        chaos = tf.sin(user * 12.9898 + item * 78.233) * 43758.5453
        return chaos - tf.floor(chaos)

    def nan_for_some(features):
        user, _ = pairs(features)
        return tf.where(user % 7 == 0, np.nan, better(features))

    def popular_only(features):
        _, item = pairs(features)
        user, _ = pairs(features)
        return tf.gather(popularity, tf.cast(item, tf.int32)) + 0 * user

    def bad_for_few(features):
        few = is_one_of_few(features)[:, tf.newaxis]
        return tf.where(few, -popular_only(features), better(features))

    def constant(features):
        user, item = pairs(features)
        return 0.3 + 0 * (user + item)

    return {
        "live": live,
        "constant": Scores(constant),
        "random": Scores(noise),
        "shuffled labels": solved(data, 64, shuffled),
        "nan for some": Scores(nan_for_some, better),
        "popular items only": Scores(popular_only),
        "bad for few": Scores(bad_for_few, better),
        "copy of live": live,
        "better": better,
    }


def few_of(data_set, transform):
    """Returns a function that finds which users [B] are among the few."""
    if FEW[data_set] == NEW:
        return lambda features: features[f.USER_INDEX] == f.UNKNOWN_INDEX
    name, _, value = FEW[data_set].partition("=")
    vocabulary = transform.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    index = vocabulary.index(f"{name}={value}".encode()) + f.NUM_RESERVED
    return lambda features: tf.reduce_any(features[f.index_of(name)] == index, 1)


def artifact(kind, folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    made = kind()
    made.uri = str(folder)
    return made


def newcomers():
    """Returns a log of 210 users with the same taste, 60 of whom come at the end."""
    random = np.random.default_rng(0)
    rows = ["user_id,item_id,rating,timestamp"]
    liked_by_all = 1 / np.arange(1, 41)
    for user in range(210):
        items = random.choice(
            40, 12, replace=False, p=liked_by_all / liked_by_all.sum()
        )
        for item in items:
            is_new = user >= 150
            hour = (
                1000 + user if is_new else random.integers(1200)
            )  # splits cut at hours
            stars = 5 if (user + item) % 4 else 2
            rows.append(f"u{user},i{item},{stars},{1_600_000_000 + 3600 * hour}")
    return "\n".join(rows) + "\n"


@pytest.fixture(
    scope="module",
    params=["sample", pytest.param("ml-100k", marks=pytest.mark.movielens)],
)
def judged(request, judge):
    """Returns Champion's verdicts on all models, and the slice of the few."""
    data = None
    if request.param != "sample":
        data = str(request.getfixturevalue("movielens_dir") / request.param)
    return judge(request.param, data)[0], FEW[request.param]


@pytest.fixture(scope="module")
def judged_newcomers(judge, tmp_path_factory):
    """Returns the verdicts on three models, split by time, and the run's folder."""
    path = tmp_path_factory.mktemp("log") / "ratings.csv"
    path.write_text(newcomers())
    by_time = ("--set", "split.kind=temporal", "--set", "split.test_fraction=0.25")
    return judge("newcomers", str(path), by_time, ("live", "bad for few", "better"))


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """Judges the models on a data set; returns verdicts by name, and the folder."""

    def judge(data_set, data=None, settings=(), only=None):
        return _judge(
            tmp_path_factory,
            data_set,
            data or data_set,
            settings,
            only,
        )

    return judge


def _judge(tmp_path_factory, data_set, data, settings, only):
    gate = Gate(slices=[FEW[data_set].partition("=")[0]], min_slice_users=30)
    out = tmp_path_factory.mktemp("out")
    run = marquee(
        ROOT,
        *("run", "--out", str(out), "--data", data),
        *("--models", "popularity", *settings),
    )
    assert run.status == 5, run.text  # popularity alone never goes live
    data, _, transform = trainer_data(out)
    examples = artifact(
        standard_artifacts.Examples, newest_output(out, "RatingsExampleGen", "examples")
    )
    examples.split_names = json.dumps(list(f.SPLITS))
    schema = artifact(
        standard_artifacts.Schema, newest_output(out, "ImportSchemaGen", "schema")
    )
    folder = tmp_path_factory.mktemp("models")

    def evaluated(name, model):
        evaluation = artifact(standard_artifacts.ModelEvaluation, folder / "E" / name)
        context = BaseBeamExecutor.Context(
            beam_pipeline_args=["--runner=DirectRunner"], tmp_dir=str(folder)
        )
        Executor(context).Do(
            {"examples": [examples], "model": [model], "schema": [schema]},
            {
                "evaluation": [evaluation],
                "blessing": [
                    artifact(standard_artifacts.ModelBlessing, folder / "B" / name)
                ],
            },
            {
                "eval_config": proto_utils.proto_to_json(eval_config(gate)),
                "example_splits": json.dumps([f.TEST_SPLIT]),
                "module_path": extractors.__name__,
            },
        )
        return evaluation

    models, evaluations, champion = [], [], None
    popularity = artifact(
        standard_artifacts.Model, newest_output(out, "Trainer_popularity", "model")
    )
    for name, scores in made_by_hand(data, few_of(data_set, transform)).items():
        if only and name not in only:
            continue
        model = artifact(standard_artifacts.Model, folder / name)
        serving = path_utils.serving_model_path(model.uri)
        serve(scores, transform, data, unit="order").save(serving)
        card = ModelCard(name, 7, {})
        if name == "live":
            write_card(serving, msgspec.structs.replace(card, origin="what is live"))
            push.push(Path(serving), folder / "versions", keep=5)
            champion = evaluated(name, model)
            continue
        write_card(serving, card)
        models.append(model)
        evaluations.append(evaluated(name, model))
    assert not Path(champion.uri, NOT_JUDGED_FILE).exists()
    decided = artifact(component.Decision, folder / "decided")
    component.Champion.test_call(
        models=[popularity, *models],
        evaluations=[evaluated("popularity", popularity), *evaluations],
        live_evaluation=champion,
        examples=examples,
        gate=msgspec.json.encode(gate).decode(),
        reference="popularity",
        live_folder=str(folder / "versions"),
        code_version="1",
        champion=artifact(standard_artifacts.Model, folder / "champion"),
        blessing=artifact(standard_artifacts.ModelBlessing, folder / "blessing"),
        decided=decided,
    )
    decision = json.loads(Path(decided.uri, "decision.json").read_text())
    verdicts = {verdict["name"]: verdict for verdict in decision["models"]}
    return verdicts, out


def refused_by(verdict):
    return {
        (finding["rule"], finding["slice"])
        for finding in verdict["findings"]
        if finding["passed"] is False
    }


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("constant", "spread"),
        ("random", "reference"),
        ("shuffled labels", "live"),
        ("nan for some", "finite"),
        ("popular items only", "reference"),
    ],
)
def test_a_bad_model_is_refused_for_what_is_bad(judged, name, rule):
    verdict = judged[0][name]
    assert verdict["verdict"] == "refused", verdict["rule"]
    assert (rule, "") in refused_by(verdict)


def test_a_model_that_is_bad_for_few_is_refused_for_them(judged):
    verdicts, few = judged
    verdict = verdicts["bad for few"]
    assert verdict["verdict"] == "refused"
    assert ("reference", few) in refused_by(verdict)
    # On no other slice; on all users only if the few are enough to matter there.
    assert {where for _, where in refused_by(verdict)} <= {few, ""}
    assert few in verdict["rule"]


def test_a_copy_of_the_live_model_is_as_good_and_replaces_nothing(judged):
    copy = judged[0]["copy of live"]
    # On MovieLens 100K, two factors are not significantly better than popularity.
    assert refused_by(copy) <= {("reference", "")}
    if copy["verdict"] == "passed":
        assert "not significant" in copy["rule"]
    else:
        assert copy["verdict"] == "refused"
    [found] = [
        finding["interval"]
        for finding in copy["findings"]
        if (finding["rule"], finding["slice"]) == ("live", "")
    ]
    assert (found["lower"], found["value"], found["upper"]) == (0, 0, 0)


def test_a_truly_better_model_goes_live(judged):
    better = judged[0]["better"]
    # Enough for a single challenger; here eight share the error.
    assert better["evidence"]["value"] > 2 / (1 - Gate().confidence)
    if better["evidence"]["value"] >= better["evidence"]["required"]:
        assert better["verdict"] == "live"
        assert "over the model that was live" in better["rule"]
    else:  # MovieLens 100K has too few users for a single night
        assert judged[1] == FEW["ml-100k"]
        assert better["verdict"] == "passed"
        assert "not significant yet" in better["rule"]


def users_of(out, split):
    """Returns the users with ratings in a split, read without the product."""
    [examples] = out.glob("artifacts/RatingsExampleGen/examples/*")
    files = map(str, (examples / f"Split-{split}").iterdir())
    return {
        tf.train.Example.FromString(record)
        .features.feature["user_id"]
        .bytes_list.value[0]
        for record in tf.data.TFRecordDataset(
            list(files), compression_type="GZIP"
        ).as_numpy_iterator()
    }


def test_split_by_time_the_slice_of_new_users_has_users_whom_training_never_saw(
    judged_newcomers,
):
    verdicts, out = judged_newcomers
    train, held_out, test = (users_of(out, split) for split in f.SPLITS)
    new = test - train - held_out
    assert len(new) > 40
    assert verdicts["better"]["slices"][NEW]["users"] == len(new)
    assert not {f"u{user}".encode() for user in range(150)} & new


def test_a_model_that_is_terrible_for_new_users_is_refused_for_them(judged_newcomers):
    verdicts, _ = judged_newcomers
    assert NEW not in {where for _, where in refused_by(verdicts["better"])}
    terrible = verdicts["bad for few"]
    assert terrible["verdict"] == "refused"
    assert {("reference", NEW), ("live", NEW)} <= refused_by(terrible)
    assert f"on {NEW}" in terrible["rule"]
