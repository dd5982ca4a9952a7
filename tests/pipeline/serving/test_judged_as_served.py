"""The Evaluator against a recomputation from the raw files, and against the server.

Each kind of model is trained and judged by the pipeline's own steps, in this process.
What must come out is computed by tests/reference/judging.py from the ratings file, with
nothing of the product but the exported model's scores; for popularity not even these.
Then a real server is queried for every user of the test split, and the metrics of the
lists must be the Evaluator's.
"""

import base64
import collections
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from components.champion.judgements import read_slices
from pipeline.recommend.all_users import recommend_to_all
from pipeline.recommend.one_user import recommend
from pipeline.runs.step_outputs import newest_output
from tests.reference import judging, ranking
from tests.support.judged_models import (
    DAY,
    MIN_RATINGS,
    MODELS,
    START,
    example,
    exported,
    judged_by_pipeline,
    served_from,
    wait_for,
    write_log,
)
from tests.support.server import serving, until
from trainer_modules.model_card import read_card

pytestmark = pytest.mark.integration
# Their scores are sums of table rows. The others multiply matrices, so the scores of
# two unknown users for two unknown items are equal up to rounding only.
LOOKED_UP = {"popularity", "item_knn", "ease"}


def assert_judged_so(judged, name, score):
    """The Evaluator's metrics are those of the scores."""
    evaluation = newest_output(judged.out, f"Evaluator_{name}", "evaluation")
    measured = read_slices(evaluation)[""].metrics
    expected, targets = judging.judge(
        judged.rows, judged.splits, score, ranking.user_metrics
    )
    expected["num_targets"] = len(targets)
    if name in LOOKED_UP:
        expected["auc"] = ranking.auc(*zip(*targets, strict=True))
    else:
        lowest, highest = ranking.auc_range(*zip(*targets, strict=True), rounding=1e-6)
        assert lowest - 1e-6 <= measured["auc"] <= highest + 1e-6, name
        assert highest - lowest < 0.05, name
    for metric, value in expected.items():
        assert measured[metric] == pytest.approx(value, abs=1e-6), (name, metric)


# In `make test-integration` a closed form, one that scores items without a row, and one
# that reads times; `fm` is judged in its context below. Every other one is in the slow
# cases. Without a refit, which only a random split lets see ratings from after a
# target, models of two tasks are enough.
QUICK = {"popularity", "mf_als", "two_tower", "hstu"}
OTHERS = {*MODELS} - {"two_stage"}  # which trains two models
NOT_REFITTED = {"gmf", "hstu"}
CASES = {
    "temporal-few-models": ("temporal", True, QUICK),
    "leave_last_out-True": ("leave_last_out", True, OTHERS),
    "temporal-False": ("temporal", False, {*NOT_REFITTED, "item_knn", "two_stage"}),
    "random-True": ("random", True, OTHERS),
    "random-False": ("random", False, NOT_REFITTED),
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(case, id=name, marks=[pytest.mark.slow] * (case[2] != QUICK))
        for name, case in CASES.items()
    ],
)
def judged(request, tmp_path_factory):
    """Judged models, the log as it was read here, and how it is split."""
    kind, refit, models = request.param
    folder = tmp_path_factory.mktemp("judged")
    write_log(folder / "log")
    rows = judging.parse((folder / "log" / "ratings.dat").read_text())
    return SimpleNamespace(
        rows=rows,
        splits=judging.split(rows, kind),
        models=sorted(models),
        out=judged_by_pipeline(folder, kind, refit, sorted(models)),
    )


def test_metrics_are_those_recomputed_from_the_raw_files(judged):
    for name in judged.models:
        model = tf.saved_model.load(str(exported(judged.out, name)))
        ask = model.signatures["serving_default"]

        def score(*question, ask=ask):
            return ask(examples=tf.constant([example(*question)]))["score"][0].numpy()

        if name == "popularity":
            score = judging.popularity(judged.splits, MIN_RATINGS)
        assert_judged_so(judged, name, score)


@pytest.fixture
def served(judged, tmp_path):
    """The folder from which the judged models are served."""
    return served_from(judged.out, tmp_path)


def test_lists_of_all_test_users_have_the_metrics_of_the_evaluator(judged, served):
    served.push(judged.models[0])
    with serving(served.out) as client:
        for number, name in enumerate(judged.models, start=1):
            if number > 1:
                served.push(name)
            until(client, "/v1/recommend/1")
            wait_for(client, number)
            lists = {}

            def score(user, history, items, lists=lists, name=name):
                answer = client.get(f"/v1/recommend/{user}?k=1000").json()
                assert answer["model"] == name
                lists[user] = {i["item_id"]: i["score"] for i in answer["items"]}
                rated = {item for item, *_ in history}
                assert not rated & set(lists[user])
                if name == "two_tower":
                    assert rated | set(lists[user]) == {str(n) for n in range(1, 53)}
                # For others, items that have no row of their own are on no list.
                body = base64.b64encode(example(user, history, ["none"])).decode()
                body = {"instances": [{"b64": body}]}
                answer = client.post("/v1/models/recommender:predict", json=body)
                [[unknown]] = answer.json()["predictions"]
                return [lists[user].get(item, unknown) for item in items]

            assert_judged_so(judged, name, score)
            assert_batch_and_recommend_say(served.out, lists)


def assert_batch_and_recommend_say(out, lists):
    """The command line's lists are the server's."""
    recommend_to_all(out, out / "all.parquet", 1000)
    rows = pd.read_parquet(out / "all.parquet")
    for user, wanted in lists.items():
        of_user = rows[rows.user_id == user]
        found = dict(zip(of_user.item_id, of_user.score, strict=True))
        assert found == pytest.approx(wanted, abs=1e-4)
    for user in (min(lists), max(lists)):
        answer = recommend(out, user, 1000, [], why=False)
        found = {item.item_id: item.score for item in answer.items}
        assert found == pytest.approx(lists[user], abs=1e-4)


def test_targets_are_judged_in_the_context_that_their_users_would_be_served_in(
    tmp_path,
):
    write_log(tmp_path / "log")
    rows = judging.parse((tmp_path / "log" / "ratings.dat").read_text())
    splits = judging.split(rows, "leave_last_out")
    settings = ["context.fields=[weekday, hour]", "context.timezone=Asia/Tokyo"]
    settings += ["models.fm.learning_rate=0.1"]  # so that the weekday matters
    out = judged_by_pipeline(tmp_path, "leave_last_out", False, ["fm"], settings)
    card = read_card(str(exported(out, "fm")))
    assert card.context == {"fields": ["weekday", "hour"], "timezone": "Asia/Tokyo"}
    served = served_from(out, tmp_path / "served")
    served.push("fm")
    lists = {}
    with serving(served.out) as client:
        until(client, "/v1/recommend/1")

        def score(user, history, items):
            at = splits[user][2][0][2]
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
            answer = client.get(f"/v1/recommend/{user}?k=1000&at={moment}").json()
            lists[user] = at, {i["item_id"]: i["score"] for i in answer["items"]}
            body = base64.b64encode(example(user, history, ["none"], at)).decode()
            body = {"instances": [{"b64": body}]}
            answer = client.post("/v1/models/recommender:predict", json=body)
            [[unknown]] = answer.json()["predictions"]
            return [lists[user][1].get(item, unknown) for item in items]

        judged = SimpleNamespace(rows=rows, splits=splits, out=out)
        assert_judged_so(judged, "fm", score)
    user, other = min(lists), max(lists)
    at, wanted = lists[user]
    recommend_to_all(served.out, served.out / "all.parquet", 1000, at)
    rows = pd.read_parquet(served.out / "all.parquet")
    of_user = rows[rows.user_id == user]
    found = dict(zip(of_user.item_id, of_user.score, strict=True))
    assert found == pytest.approx(wanted, abs=1e-4)
    at, wanted = lists[other]
    answer = recommend(served.out, other, 1000, [], why=False, at=at)
    found = {item.item_id: item.score for item in answer.items}
    assert found == pytest.approx(wanted, abs=1e-4)
    answer = recommend(served.out, other, 1000, [], why=False, at=at + DAY)
    found = {item.item_id: item.score for item in answer.items}
    assert found != pytest.approx(wanted, abs=1e-3)


def write_repeats(folder):
    """Users who rate items again; the last rating of each is on day 30."""
    random = np.random.default_rng(4)
    folder.mkdir()
    by_user = {}
    for user in range(1, 31):
        days = np.sort(random.choice(30, 6, replace=False))
        items = random.choice(9, 6, p=np.arange(9, 0, -1) / 45)
        last = random.choice(items) if user % 2 else random.choice(9)
        rows = [*zip(items, days, strict=True), (last, 30)]
        by_user[str(user)] = [(f"i{i}", START + int(d) * DAY) for i, d in rows]
    lines = ["userId,itemId,rating,timestamp"]
    lines += [f"{u},{i},5,{t}" for u, rows in by_user.items() for i, t in rows]
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    return by_user


@pytest.mark.parametrize(
    ("again", "seconds"),
    [
        ("after 7d", 7 * DAY),
        pytest.param("never", None, marks=pytest.mark.slow),
        pytest.param("true", 0, marks=pytest.mark.slow),
    ],
)
def test_what_is_recommended_again_is_the_same_in_evaluation_batch_and_server(
    again, seconds, tmp_path
):
    by_user = write_repeats(tmp_path / "log")
    settings = ["data.repeats=all", f"lists.recommend_again={again}"]
    settings += ["vocabulary.min_item_ratings=1"]
    out = judged_by_pipeline(tmp_path, "leave_last_out", True, ["popularity"], settings)
    at = START + 30 * DAY
    items = sorted({item for rows in by_user.values() for item, _ in rows})
    before = {user: rows[:-1] for user, rows in by_user.items()}
    count = collections.Counter(i for rows in before.values() for i, _ in rows)
    expected, gains = {}, []
    for user, rows in before.items():
        last = dict(rows)  # of several times, the newest
        left_out = {i for i, t in last.items() if seconds is None or at < t + seconds}
        expected[user] = set(items) - left_out
        target = by_user[user][-1][0]
        others = [i for i in expected[user] if count[i] >= count[target]]
        rank = len(others) + (target in left_out)
        gains.append(1 / np.log2(1 + rank) if rank <= 10 else 0)
    some = [user for user in expected if expected[user] & dict(before[user]).keys()]
    assert bool(some) == (again != "never")

    evaluation = newest_output(out, "Evaluator_popularity", "evaluation")
    measured = read_slices(evaluation)[""].metrics
    assert measured["ndcg@10"] == pytest.approx(np.mean(gains), abs=1e-6)

    model = tf.saved_model.load(str(exported(out, "popularity")))
    made = newest_output(out, "RatingsExampleGen", "examples")
    files = [str(path) for path in Path(made, "Split-test").iterdir()]
    records = list(tf.data.TFRecordDataset(files, "GZIP"))
    judged = model.signatures["evaluate"](examples=tf.stack(records))
    graph = newest_output(out, "Transform", "transform_graph")
    names = tft.TFTransformOutput(str(graph)).vocabulary_by_name("item_id")
    for row, record in enumerate(records):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        [user] = features["user_id"].bytes_list.value
        size = int(judged["num_candidates"][row])
        top = [names[i - 2].decode() for i in judged["top_item"][row, :size].numpy()]
        assert set(top) == expected[user.decode()]

    served = served_from(out, tmp_path / "served")
    served.push("popularity")
    recommend_to_all(served.out, served.out / "all.parquet", 1000, at)
    rows = pd.read_parquet(served.out / "all.parquet")
    assert rows.groupby("user_id").item_id.agg(set).to_dict() == expected
    answer = recommend(served.out, "1", 1000, [], why=False, at=at)
    assert {item.item_id for item in answer.items} == expected["1"]
    moment = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(at))
    with serving(served.out) as client:
        until(client, "/v1/recommend/1")
        for user, wanted in expected.items():
            answer = client.get(f"/v1/recommend/{user}?k=1000&at={moment}").json()
            assert {item["item_id"] for item in answer["items"]} == wanted
