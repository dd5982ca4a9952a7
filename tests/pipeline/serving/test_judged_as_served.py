"""The Evaluator against a recomputation from the raw files, and against the server.

Each kind of model is trained and judged by the pipeline's own steps, in this process.
What must come out is computed by tests/reference/judging.py from the ratings file, with
nothing of the product but the exported model's scores; for popularity not even these.
Then a real server is queried for every user of the test split, and the metrics of the
lists must be the Evaluator's.
"""

import base64
import collections
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx

from components.anomaly_gate.schema import CURATED_SCHEMA
from components.champion.judgements import read_slices
from components.live_models import push
from pipeline.config.load import load_config
from pipeline.pipeline import Places, create_pipeline
from pipeline.recommend.all_users import recommend_to_all
from pipeline.recommend.one_user import recommend
from pipeline.runs.local_runner import run_locally
from pipeline.runs.step_outputs import newest_output
from pipeline.stages.prepare import Source
from tests.reference import judging, ranking
from tests.support.metadata_store import accept
from tests.support.run_record import write_record
from tests.support.server import serving, until
from trainer_modules.model_card import read_card, write_card

pytestmark = pytest.mark.e2e
STEPS = ("RatingsExampleGen", "CatalogueGen", "ImportSchemaGen", "Transform")
MIN_RATINGS = 4  # in train; items with fewer have no row of their own
# A model of each kind: closed forms, and one of each task.
MODELS = {
    "popularity": "{}",
    "mf_als": "{embedding_dim: 8, epochs: 3}",
    "item_knn": "{num_neighbours: 5}",
    "ease": "{l2: 5}",
    "gmf": "{epochs: 2, refit: %s}",
    "fm": "{epochs: 2, refit: %s, embedding_dim: 4}",
    "two_tower": "{epochs: 2, refit: %s, embedding_dim: 8, hidden_units: [8]}",
    "mf_sgd": "{epochs: 2, refit: %s, embedding_dim: 4}",
    "attrec": "{epochs: 2, refit: %s, embedding_dim: 8, max_history_length: 4}",
    "sasrec": "{epochs: 2, refit: %s, embedding_dim: 8, max_history_length: 4}",
    "hstu": "{epochs: 2, refit: %s, embedding_dim: 8, max_history_length: 4}",
}
# Their scores are sums of table rows. The others multiply matrices, so the scores of
# two unknown users for two unknown items are equal up to rounding only.
LOOKED_UP = {"popularity", "item_knn", "ease"}
DAY, START = 86_400, 978_300_000


def write_log(folder):
    """MovieLens's layout: late users and items, equal times, liked and disliked."""
    random = np.random.default_rng(3)
    folder.mkdir()
    lines = []
    for user in range(1, 61):
        first = 0 if user <= 50 else 48  # the last ten come late
        # Items above 40 are rated late and by few, and many times are equal.
        for item in random.choice(52, random.integers(2, 16), replace=False) + 1:
            day = max(first, 45 if item > 40 else 0) + random.integers(0, 12)
            stars = random.choice([1, 2, 3, 4, 5], p=[0.1, 0.1, 0.2, 0.3, 0.3])
            lines.append(f"{user}::{item}::{stars}::{START + day * DAY}")
    random.shuffle(lines)
    (folder / "ratings.dat").write_text("\n".join(lines) + "\n")
    (folder / "users.dat").write_text(
        "".join(f"{u}::{'FM'[u % 2]}::{(18, 25, 35)[u % 3]}::{u % 4}::{u % 5}1234\n"
                for u in range(1, 61))
    )  # fmt: skip
    (folder / "movies.dat").write_text(
        "".join(f"{i}::Film {i} (1999)::{('Drama', 'War|Comedy')[i % 2]}\n"
                for i in range(1, 53))
    )  # fmt: skip


def judged_by_pipeline(tmp_path, kind, refit, models, more=()):
    """Runs the steps up to the Evaluators: the folder of the run."""
    out = tmp_path / "out"
    out.mkdir()
    settings = [f"split.kind={kind}", f"vocabulary.min_item_ratings={MIN_RATINGS}"]
    settings += [
        f"models.{name}={MODELS[name].replace('%s', str(refit).lower())}"
        for name in models
    ]
    settings += more
    whole = create_pipeline(
        load_config(None, settings),
        Source(str(tmp_path / "log")),
        Places(
            str(out / "artifacts"),
            str(out / "live"),
            CURATED_SCHEMA,
            tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(out / "metadata.sqlite")
            ),
        ),
    )
    wanted = {*STEPS, *(f"{s}_{m}" for s in ("Trainer", "Evaluator") for m in models)}
    steps = [step for step in whole.components if step.id in wanted]
    for step in steps:
        for before in set(step.upstream_nodes) - set(steps):
            step.remove_upstream_node(before)
        for after in set(step.downstream_nodes) - set(steps):
            step.remove_downstream_node(after)
    part = tfx.dsl.Pipeline(
        pipeline_name="judging",
        pipeline_root=str(out / "artifacts"),
        components=steps,
        metadata_connection_config=whole.metadata_connection_config,
        beam_pipeline_args=["--runner=DirectRunner"],
    )
    for step in run_locally(part, "r1", lambda _: None, lambda _: None):
        assert step.state == "done", step
    return out


def example(user, history, candidates, at=None):
    """Returns a request for scores, with everything that a test record has."""
    made = tf.train.Example()
    feature = made.features.feature
    strings = {
        "user_id": [user],
        "candidate_item_id": candidates,
        "history_item_id": [item for item, *_ in history],
        "user_gender": ["FM"[int(user) % 2]],
        "user_age": [str((18, 25, 35)[int(user) % 3])],
        "user_occupation": [str(int(user) % 4)],
        "user_zip": [f"{int(user) % 5}1234"],
    }
    for name, values in strings.items():
        feature[name].bytes_list.value.extend(value.encode() for value in values)
    feature["history_rating"].float_list.value.extend(s for _, s, _ in history)
    feature["history_timestamp"].int64_list.value.extend(t for *_, t in history)
    if at is not None:
        feature["request_timestamp"].int64_list.value.append(at)
    return made.SerializeToString()


def exported(out, name):
    return Path(newest_output(out, f"Trainer_{name}", "model"), "Format-Serving")


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


# A random split is judged with and without a refit: only there does it put ratings from
# after a target into training. Models without a refit are judged once for each split.
REFITTED = {name for name, settings in MODELS.items() if "refit" in settings}
QUICK = {*MODELS} - {"item_knn", "gmf", "mf_sgd"}
CASES = {
    "temporal-few-models": ("temporal", True, QUICK),
    "leave_last_out-True": ("leave_last_out", True, {*MODELS}),
    "temporal-False": ("temporal", False, {*REFITTED, "item_knn"}),
    "random-True": ("random", True, {*MODELS}),
    "random-False": ("random", False, REFITTED),
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


def served_from(out, tmp_path):
    """Makes the folder from which a model is served to users as of before the test.

    Of the test split it has who the users are, and nothing that they rated.
    """
    made = newest_output(out, "RatingsExampleGen", "examples")
    examples = tmp_path / "artifacts/RatingsExampleGen/examples/9"
    for split in ("train", "eval"):
        shutil.copytree(f"{made}/Split-{split}", examples / f"Split-{split}")
    (examples / "Split-test").mkdir()
    for file in Path(made, "Split-test").iterdir():
        with tf.io.TFRecordWriter(f"{examples}/Split-test/{file.name}", "GZIP") as to:
            for record in tf.data.TFRecordDataset(str(file), "GZIP"):
                whole = tf.train.Example.FromString(record.numpy())
                known = tf.train.Example()
                for name, feature in whole.features.feature.items():
                    if name.startswith("user_"):
                        known.features.feature[name].CopyFrom(feature)
                to.write(known.SerializeToString())
    shutil.copytree(
        newest_output(out, "CatalogueGen", "catalogue"),
        tmp_path / "artifacts/CatalogueGen/catalogue/10",
    )

    def push_model(name):
        origin = f"Trainer_{name}/model/1"
        accept(tmp_path, 9, run=name, model=origin)
        write_record(tmp_path, name)
        folder = tmp_path / "models" / name
        shutil.copytree(exported(out, name), folder)
        card = read_card(str(folder))
        write_card(str(folder), msgspec.structs.replace(card, origin=origin))
        return push.push(folder, tmp_path / "live", keep=99)

    return SimpleNamespace(out=tmp_path, push=push_model)


def wait_for(client, version):
    """Waits until a version makes the lists."""
    end = time.monotonic() + 120
    while client.get("/v1/recommend/1?k=1").json().get("version") != version:
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        time.sleep(0.1)


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
