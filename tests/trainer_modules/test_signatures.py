"""The exported model, loaded where there is nothing but TensorFlow."""

import base64
import collections
import json
import math
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.support.examples import serialize
from trainer_modules import features as f
from trainer_modules.item_index import item_index

pytestmark = pytest.mark.integration

# -I: neither this project nor the working folder is on the path.
ASK = """
    import base64, json, sys
    import tensorflow as tf

    request = json.load(sys.stdin)
    records = tf.constant([base64.b64decode(r) for r in request["records"]])
    targets = tf.constant([base64.b64decode(r) for r in request["targets"]])
    signatures = tf.saved_model.load(request["folder"]).signatures
    answers = {
        "serving_default": signatures["serving_default"](examples=records),
        "evaluate": signatures["evaluate"](examples=targets),
        "recommend": signatures["recommend"](
            user_id=tf.constant(request["users"]),
            history_item_id=tf.constant(request["histories"]),
            history_rating=tf.constant(request["ratings"]),
            user_features=tf.constant(request["features"]),
            k=tf.constant(request["k"]),
            exclude_item_id=tf.constant(request["exclude"]),
        ),
    }
    ours = {"trainer_modules", "components", "pipeline", "tensorflow_transform", "tfx"}

    def plain(value):
        if isinstance(value, list):
            return [plain(v) for v in value]
        return value.decode() if isinstance(value, bytes) else value

    answers = {
        signature: {
            name: plain(value.numpy().tolist()) for name, value in outputs.items()
        }
        for signature, outputs in answers.items()
    }
    imported = sorted(ours & set(sys.modules))
    print(json.dumps({"answers": answers, "imported": imported}))
"""
USERS = ["u03", "u08", "new"]
HISTORIES = [["b01", "w02", "never"], ["b04", "", ""], ["", "", ""]]
RATINGS = [[5.0, 5.0, 5.0], [5.0, math.nan, math.nan], [math.nan] * 3]
FEATURES = [["user_gender=F"]] * 3
EXCLUDE = [["b05", "never"], ["", ""], ["w01", "b00"]]
K = 99  # more than the catalogue has


@pytest.fixture(scope="module")
def records():
    candidates = [[b"b00", b"w05", b"never"], [b"w01"], [b"b11", b"w11"]]
    return [
        serialize(
            user_id=[user.encode()],
            candidate_item_id=items,
            history_item_id=[item.encode() for item in history if item],
            history_rating=[5.0 for item in history if item],
            user_gender=[b"F"],
        )
        for user, history, items in zip(USERS, HISTORIES, candidates, strict=True)
    ]


@pytest.fixture(scope="module")
def targets(planted):
    new_user = serialize(
        user_id=[b"new"], item_id=[b"b03", b"never"], rating=[4.0, 2.0]
    )
    return [*planted.records[:5], new_user]


@pytest.fixture(scope="module", params=["mf_als", "fm"])
def asked(request, served, records, targets, tmp_path_factory):
    """Answers of the model in memory and of a process that has only TensorFlow."""
    serving, folder = served(request.param), str(tmp_path_factory.mktemp("served"))
    serving.save(folder)
    memory = {
        "serving_default": serving.score(tf.constant(records)),
        "evaluate": serving.evaluate(tf.constant(targets)),
        "recommend": serving.recommend(
            *map(tf.constant, (USERS, HISTORIES, RATINGS, FEATURES, K, EXCLUDE))
        ),
    }
    question = {
        "folder": folder,
        "records": [base64.b64encode(r).decode() for r in records],
        "targets": [base64.b64encode(r).decode() for r in targets],
        "users": USERS,
        "histories": HISTORIES,
        "ratings": RATINGS,
        "features": FEATURES,
        "k": K,
        "exclude": EXCLUDE,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(ASK)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    return serving, memory, answer


def test_another_process_needs_nothing_of_ours(asked):
    assert asked[2]["imported"] == []


@pytest.mark.parametrize("signature", ["serving_default", "evaluate", "recommend"])
def test_another_process_answers_the_same(asked, signature):
    _, memory, answer = asked
    found = answer["answers"][signature]
    assert set(found) == set(memory[signature])
    for name, value in memory[signature].items():
        if value.dtype == tf.string:
            assert found[name] == [[v.decode() for v in row] for row in value.numpy()]
        else:
            np.testing.assert_allclose(
                np.array(found[name], np.float64), value, rtol=1e-5, atol=1e-6
            )


def test_missing_candidates_score_less_than_any(asked):
    score = asked[1]["serving_default"]["score"].numpy()
    assert np.isfinite(score).tolist() == [
        [True, True, True],
        [True, False, False],
        [True, True, False],
    ]
    assert (score[~np.isfinite(score)] == -np.inf).all()


def test_recommends_each_item_neither_seen_nor_excluded_once_best_first(asked, planted):
    catalogue = set(planted.output.vocabulary_by_name(f.ITEM_VOCABULARY))
    ids, score = (asked[1]["recommend"][key].numpy() for key in ("item_id", "score"))
    assert ids.shape == score.shape == (3, len(catalogue))
    for row, history in enumerate(HISTORIES):
        unseen = catalogue - {item.encode() for item in (*history, *EXCLUDE[row])}
        listed = ids[row][: len(unseen)]
        assert set(listed.tolist()) == unseen
        assert (ids[row][len(unseen) :] == b"").all()
        assert (np.diff(score[row][: len(unseen)]) <= 0).all()
        assert (score[row][len(unseen) :] == -np.inf).all()


def test_recommends_what_it_scores_best(asked):
    """``recommend`` and ``serving_default`` are one function."""
    serving, memory, _ = asked
    ids = memory["recommend"]["item_id"][1].numpy()
    ids = [item for item in ids.tolist() if item]
    record = serialize(
        user_id=[b"u08"],
        candidate_item_id=ids,
        history_item_id=[b"b04"],
        history_rating=[5.0],
        user_gender=[b"F"],
    )
    score = serving.score(tf.constant([record]))["score"]
    np.testing.assert_allclose(
        score[0], memory["recommend"]["score"][1][: len(ids)], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("told", [[], [5.0], [5.0, 5.0, 5.0]])
def test_a_history_without_all_of_its_ratings_counts_as_liked(asked, told):
    serving = asked[0]
    records = [
        serialize(
            user_id=[b"new"],
            candidate_item_id=[b"b00", b"w05"],
            history_item_id=[b"b04", b"b05"],
            history_rating=rating,
        )
        for rating in (told, [5.0, 5.0])
    ]
    records.append(serialize(user_id=[b"u01"], candidate_item_id=[b"b00", b"w05"]))
    score = serving.score(tf.constant(records))["score"].numpy()
    np.testing.assert_allclose(score[0], score[1], rtol=1e-5)
    assert np.isfinite(score).all()


def test_ranks_of_evaluate_are_places_in_the_list_of_recommend(asked, planted, targets):
    serving, memory, _ = asked
    ranks = memory["evaluate"]["rank"].numpy()
    for row, record in enumerate(targets[:5]):
        feature = tf.train.Example.FromString(record).features.feature
        ids = serving.recommend(
            tf.constant([feature["user_id"].bytes_list.value[0]]),
            tf.constant([list(feature["history_item_id"].bytes_list.value)]),
            tf.constant([list(feature["history_rating"].float_list.value)]),
            tf.constant([[]], tf.string),
            tf.constant(K),
        )["item_id"].numpy()[0]
        ids = [item for item in ids.tolist() if item]
        liked_one, disliked_one = feature["item_id"].bytes_list.value
        assert ranks[row, 0] == ids.index(liked_one) + 1
        # The list has none of the three items without an id, which may come before.
        assert ranks[row, 1] - ids.index(disliked_one) - 1 in (0, 3)


def test_evaluate_says_what_metrics_need(asked, planted):
    evaluated = {name: v.numpy() for name, v in asked[1]["evaluate"].items()}
    catalogue = len(planted.output.vocabulary_by_name(f.ITEM_VOCABULARY)) + 3
    assert evaluated["catalogue_size"].tolist() == [catalogue] * 6
    assert evaluated["num_candidates"].tolist() == [catalogue - 14] * 5 + [catalogue]
    assert evaluated["label"].tolist() == [[1, 0]] * 6
    assert evaluated["top_item"].shape == (6, 10)
    assert (evaluated["rank"][5] > 0).all()  # an unknown target has a rank too


def test_outside_of_the_sample_a_user_is_scored_but_not_ranked(served, serve, planted):
    records = tf.constant(planted.records)
    everybody = served("fm").evaluate(records)
    assert (everybody["rank"].numpy() > 0).all()
    sampling = serve(served("fm").model, "logit", share_of_users=0.5)
    half = sampling.evaluate(records)
    is_ranked = half["rank"].numpy()[:, 0] > 0
    assert 12 <= is_ranked.sum() <= 36  # of 48: by a hash, within four deviations
    for name in ("rank", "num_candidates", "top_item"):
        one, other = (answer[name].numpy()[is_ranked] for answer in (half, everybody))
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert not half["rank"].numpy()[~is_ranked].any()
    for name in ("label", "score", "probability", "error", "catalogue_size"):
        np.testing.assert_allclose(
            half[name], everybody[name], rtol=1e-4, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_batch_may_have_nobody_of_the_sample(served, serve, planted, share):
    serving = serve(served("popularity").model, "order", share_of_users=share)
    rank = serving.evaluate(tf.constant(planted.records[:3]))["rank"].numpy()
    assert rank.shape == (3, 2)
    assert (rank > 0).all() == (rank > 0).any() == bool(share)


class Told(tf.keras.Model):
    """Scores 1 + half of the item's index: nothing that training could blur."""

    def call(self, features, training=False):
        score = 1 + tf.cast(features[f.ITEM_INDEX], tf.float32) / 2
        return score + tf.zeros_like(features[f.USER_INDEX], tf.float32)[:, tf.newaxis]


def test_new_items_are_listed_and_ranked_by_their_own_scores(serve, planted):
    new = [b"n1", b"n2", b"n3"]
    vocabulary = list(planted.output.vocabulary_by_name(f.ITEM_VOCABULARY))
    serving = serve(Told(), "order", new_items=new)
    # The score rises with the index: the new items are ahead, the last one first.
    best_first = [*vocabulary, *new][::-1]
    seen = [b"n2", vocabulary[3]]
    found = serving.recommend(
        tf.constant([b"u01"]),
        tf.constant([seen]),
        tf.constant([[]], tf.float32),
        tf.constant([[]], tf.string),
        tf.constant(K),
    )
    unseen = [item for item in best_first if item not in seen]
    assert found["item_id"].numpy()[0].tolist()[: len(unseen)] == unseen
    assert not any(found["item_id"].numpy()[0][len(unseen) :])
    targets = [b"n1", vocabulary[0], b"never"]
    record = serialize(
        user_id=[b"u01"],
        item_id=targets,
        rating=[5.0, 5.0, 5.0],
        history_item_id=seen,
        history_rating=[5.0, 5.0],
    )
    evaluated = serving.evaluate(tf.constant([record]))
    # Three more items are unlisted: they score like the unknown one, at the bottom.
    assert evaluated["rank"].numpy()[0].tolist() == [2, 25, 28]
    assert evaluated["is_new"].numpy().tolist() == [[1, 0, 1]]
    assert evaluated["catalogue_size"].numpy().tolist() == [24 + 3 + 3]
    record = serialize(user_id=[b"u01"], candidate_item_id=targets)
    scores = serving.score(tf.constant([record]))["score"].numpy()[0]
    np.testing.assert_allclose(scores, [1 + 26 / 2, 1 + 2 / 2, 1 + 1 / 2])


def test_evaluate_has_the_popularity_of_the_targets(served, planted):
    known = served("fm").item_ids.numpy()
    index = planted.data.train_ratings.item_index
    counts = {item: int((index == n).sum()) for n, item in enumerate(known) if item}
    targets = [*list(counts)[::5], b"never"]
    record = serialize(user_id=[b"u01"], item_id=targets, rating=[5.0] * len(targets))
    answer = served("fm").evaluate(tf.constant([record]))["more_popular"].numpy()[0]
    ordered = sorted(counts.values(), reverse=True)
    for item, share in zip(targets[:-1], answer, strict=False):
        # Items with equal counts may be in either order.
        places = np.flatnonzero(np.array(ordered) == counts[item])
        allowed = [sum(ordered[:place]) / len(index) for place in places]
        assert np.isclose(allowed, share).any()
    assert answer[-1] == 1


def test_evaluate_has_the_ages_of_the_targets(served, planted):
    first = {}  # from the histories, which are all training ratings
    for record in planted.records:
        feature = tf.train.Example.FromString(record).features.feature
        times = feature["history_timestamp"].int64_list.value
        items = feature["history_item_id"].bytes_list.value
        for item, time in zip(items, times, strict=True):
            first[item] = min(time, first.get(item, time))
    targets = [*list(first)[::5], b"never"]
    long = max(first.values()) + 12345
    times = [long, *[first[item] + 5 for item in targets[1:-1]], long]
    answers = [
        serialize(
            user_id=[b"u01"], item_id=targets, rating=[5.0] * len(targets), **more
        )
        for more in ({"timestamp": times}, {"timestamp": [1] * len(targets)}, {})
    ]
    ages = served("fm").evaluate(tf.constant(answers))["item_age"].numpy()
    known = [long - first[targets[0]], *[5.0] * len(targets[1:-1])]
    np.testing.assert_allclose(ages[0], [*known, math.nan])
    np.testing.assert_array_equal(ages[1], [*[0.0] * len(known), math.nan])  # earlier
    assert np.isnan(ages[2]).all()


def test_a_saved_model_finds_new_items(serve, tmp_path):
    serving = serve(Told(), "order", new_items=[b"n1"])
    serving.save(str(tmp_path))
    record = serialize(user_id=[b"u01"], candidate_item_id=[b"n1"])
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    assert loaded(tf.constant([record]))["score"].numpy().tolist() == [[1 + 26 / 2]]


@pytest.mark.parametrize("name", ["mf_als", "two_tower", "sasrec", "two_stage"])
def test_an_index_that_is_searched_through_changes_no_list(
    name, served, serve, targets, tmp_path
):
    every = served(name)
    index = item_index(every.model, every.num_items, num_probes=999)
    indexed = serve(every.model, every.unit, index=index)
    indexed.save(str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path)).signatures["recommend"]
    given = {
        "user_id": tf.constant(USERS),
        "history_item_id": tf.constant(HISTORIES),
        "history_rating": tf.constant(RATINGS),
        "user_features": tf.constant(FEATURES),
        "k": tf.constant(K),
        "exclude_item_id": tf.constant(EXCLUDE),
    }
    expected = every.recommend(**given)
    for found in (indexed.recommend(**given), loaded(**given)):
        np.testing.assert_array_equal(found["item_id"], expected["item_id"])
        np.testing.assert_allclose(
            found["score"], expected["score"], rtol=1e-4, atol=1e-5
        )
    found = indexed.evaluate(tf.constant(targets))
    np.testing.assert_array_equal(found["index_recall"], np.ones(len(targets)))
    assert np.isnan(every.evaluate(tf.constant(targets))["index_recall"]).all()


def test_the_recall_of_an_index_is_the_share_of_the_list_that_it_finds(
    served, serve, planted
):
    every = served("mf_als")
    index = item_index(every.model, every.num_items, num_probes=3)
    indexed = serve(every.model, "order", index=index)
    recalls = indexed.evaluate(tf.constant(planted.records))["index_recall"].numpy()
    for record, recall in zip(planted.records, recalls, strict=True):
        feature = tf.train.Example.FromString(record).features.feature
        given = {
            "user_id": tf.constant(feature[f.USER_ID].bytes_list.value),
            "history_item_id": tf.constant(
                [feature[f.HISTORY_ITEM_ID].bytes_list.value], tf.string
            ),
            "history_rating": tf.constant(
                [feature[f.HISTORY_RATING].float_list.value], tf.float32
            ),
            "user_features": tf.constant([[]], tf.string),
            "k": tf.constant(10),
        }
        exact, found = (
            set(serving.recommend(**given)["item_id"].numpy()[0]) - {b""}
            for serving in (every, indexed)
        )
        assert recall == pytest.approx(len(exact & found) / len(exact))
    assert 0 < recalls.mean() < 1


@pytest.fixture
def rated(planted):
    """Two users; the second has two targets less."""
    first, second, third = planted.output.vocabulary_by_name(f.ITEM_VOCABULARY)[:3]
    return tf.constant(
        [
            serialize(
                user_id=[b"u01"], item_id=[first, third, second], rating=[5.0, 1.0, 4.0]
            ),
            serialize(user_id=[b"u02"], item_id=[second], rating=[2.5]),
        ]
    )


def test_the_error_of_stars_is_in_stars(serve, rated):
    serving = serve(Told(), "stars")
    answer = serving.evaluate(rated)
    np.testing.assert_array_equal(answer["score"], [[2, 3, 2.5], [2.5, 0, 0]])
    error = answer["error"].numpy()
    np.testing.assert_allclose(error[0], [2 - 5, 3 - 1, 2.5 - 4], atol=1e-6)
    np.testing.assert_allclose(error[1, 0], 0, atol=1e-6)
    assert answer["label"].numpy().tolist() == [[1, 0, 1], [0, -1, -1]]
    assert np.isnan(answer["probability"]).all()


def test_the_error_of_a_logit_is_that_of_its_probability(serve, rated):
    serving = serve(Told(), "logit")
    answer = serving.evaluate(rated)
    probability = 1 / (1 + np.exp(-np.array([2, 3, 2.5])))
    np.testing.assert_allclose(answer["probability"][0], probability, rtol=1e-6)
    np.testing.assert_allclose(answer["error"][0], probability - [1, 0, 1], rtol=1e-5)


def test_scores_that_only_order_items_are_no_probabilities(serve, rated):
    serving = serve(Told(), "order")
    answer = serving.evaluate(rated)
    assert np.isnan(answer["probability"]).all()
    assert np.isnan(answer["error"]).all()


class Fields(tf.keras.Model):
    """Scores with the sum of the indices of a user's occupations."""

    def call(self, features, training=False):
        total = tf.reduce_sum(features["user_occupation_index"], 1, keepdims=True)
        return tf.cast(total, tf.float32) + tf.zeros(tf.shape(features[f.ITEM_INDEX]))


def test_fields_of_a_request_count_and_without_any_those_of_training(serve, planted):
    values = planted.output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    cook, nurse, poet = (
        values.index(b"user_occupation=" + name) + 2
        for name in (b"cook", b"nurse", b"poet")
    )
    people = [  # u06 was trained as nurse, poet and cook, u04 with nothing known
        (b"u06", [], cook + nurse + poet),
        (b"u06", [b"cook"], cook),
        (b"u06", [b"unheard of"], 1),
        (b"u04", [], 0),
        (b"u04", [b"poet"], poet),
        (b"new", [], 0),
        (b"new", [b"cook", b"poet"], cook + poet),
    ]
    records = [
        serialize(user_id=[user], candidate_item_id=[b"b00"], user_occupation=told)
        for user, told, _ in people
    ]
    serving = serve(Fields(), "logit")
    score = serving.score(tf.constant(records))["score"].numpy()
    assert score[:, 0].tolist() == [total for *_, total in people]
    named = [
        [f"user_occupation={name.decode()}" for name in told] for _, told, _ in people
    ]
    listed = serving.recommend(
        tf.constant([user for user, *_ in people]),
        tf.constant([[b""]] * len(people)),
        tf.zeros([len(people), 0]),
        tf.ragged.constant(named, dtype=tf.string).to_tensor(""),
        tf.constant(1),
    )
    assert listed["score"].numpy()[:, 0].tolist() == [total for *_, total in people]
    assert set(planted.data.user_fields) == set(serving.user_fields)


def test_no_graph_is_written_twice(served, tmp_path):
    served("two_tower").save(str(tmp_path))
    content = (tmp_path / "saved_model.pb").read_bytes()
    [graph] = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    copies = collections.Counter(
        re.sub(r"_\d+$", "", function.signature.name)
        for function in graph.graph_def.library.function
    )
    for name in ("score", "evaluate", "recommend", "similar"):
        assert copies[f"__inference_{name}"] == 1
    assert not [name for name in copies if "layer_call" in name]


def test_a_model_may_have_conditions_on_tensors(serve, tmp_path):
    class Conditional(tf.keras.Model):
        @tf.function  # as its error message proposes
        def call(self, features, training=False):
            item = tf.cast(features[f.ITEM_INDEX], tf.float32)
            if tf.reduce_max(item) > 0:  # AutoGraph makes it part of the graph
                item += 1
            return item + tf.zeros_like(features[f.USER_INDEX], tf.float32)[:, None]

    serve(Conditional(), "order").save(str(tmp_path))
    recommend = tf.saved_model.load(str(tmp_path)).signatures["recommend"]
    nothing = [[""]] * len(USERS)
    features = map(tf.constant, (USERS, HISTORIES, RATINGS, FEATURES, K, nothing))
    names = ("user_id", "history_item_id", "history_rating", "user_features", "k")
    names += ("exclude_item_id",)
    score = recommend(**dict(zip(names, features, strict=True)))["score"].numpy()
    assert score[2, -1] == f.NUM_RESERVED + 1  # the first item
