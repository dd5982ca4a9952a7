"""Types of events in training, evaluation and lists."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.support.events_log import TYPES, example, write_events_log
from tests.support.models import build
from tests.support.models import train as trained_on
from tests.support.transform import TRANSFORM_CONFIG, run_transform
from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.interactions import Interactions
from trainer_modules.layers.liked_items import liked_history, liked_items
from trainer_modules.signatures import Served
from trainer_modules.tasks.losses import bpr, cross_entropy
from trainer_modules.tasks.sequence import pieces
from trainer_modules.tasks.task import losses_of_rows, relative

pytestmark = pytest.mark.integration
WEIGHTS = {"view": 0.0, "cart": 2.0, "buy": 4.0, "skip": -1.0}
JUDGED = ["buy", "skip"]
CLOSED_FORMS = ["popularity", "ease", "item_knn", "mf_als"]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_events_log(tmp_path_factory.mktemp("events"), WEIGHTS, JUDGED)


@pytest.fixture(scope="module")
def indices(log):
    """ID → index, of users and items."""
    return {
        name.decode(): index
        for vocabulary in (f.USER_VOCABULARY, f.ITEM_VOCABULARY)
        for index, name in enumerate(log.output.vocabulary_by_name(vocabulary), start=2)
    }


def serve(log, model):
    return Served(
        model,
        log.output,
        unit="order",
        user_fields={},
        list_statistics=ListStatistics(log.data.train_ratings, log.data.sizes),
        first_rated=log.data.first_rated(),
        num_unknown_items=0,
        share_of_users=1.0,
        is_weighted=log.data.is_weighted,
    )


def rated_by_hand(log, indices, parts):
    """X: the summed weights of positive events, [users, items]."""
    matrix = np.zeros([log.data.sizes.num_users, log.data.sizes.num_items])
    for part in parts:
        for user, events in part.items():
            for item, _, rating, _ in events:
                matrix[indices[user], indices[item]] += max(rating, 0)
    return matrix


def test_roles_are_labels_and_types_are_judged(log, indices):
    ratings = log.data.eval_ratings
    found = set(
        zip(
            *(ratings.user_index.tolist(), ratings.item_index.tolist()),
            *(ratings.label.tolist(), ratings.judged.tolist()),
            strict=True,
        )
    )
    label = {"view": -1, "cart": 1, "buy": 1, "skip": 0}
    assert found == {
        (indices[user], indices[item], label[kind], int(kind in JUDGED))
        for user, events in log.later.items()
        for item, kind, _, _ in events
    }
    targets = ratings.targets()
    assert 0 < len(targets) < len(ratings)
    assert targets.judged.all()


def test_weights_of_a_pair_are_added_up(log, indices):
    data = log.data
    assert data.is_weighted
    both = data.ratings_of_both_splits()
    pairs = data.interactions(both.where(both.liked()))
    expected = rated_by_hand(log, indices, [log.past, log.later])
    np.testing.assert_array_equal(pairs.matrix().toarray(), expected)
    np.testing.assert_array_equal(pairs.item_totals(), expected.sum(0))
    np.testing.assert_array_equal(pairs.item_totals(2), (expected**2).sum(0))
    np.testing.assert_array_equal(pairs.transposed().matrix().toarray(), expected.T)


def test_repeated_pairs_add_their_weights():
    pairs = Interactions.from_pairs(
        np.array([2, 1, 2], np.int32),
        np.array([1, 1, 1], np.int32),
        *(3, 2),
        np.array([4.0, 1.0, 2.0], np.float32),
    )
    assert pairs.user_index.tolist() == [1, 2]
    assert pairs.weight.tolist() == [1, 6]


def features_of(items, labels, weights=None):
    features = {
        f.USER_INDEX: tf.constant([1], tf.int64),
        f.HISTORY_ITEM_INDEX: tf.constant([items], tf.int64),
        f.HISTORY_LABEL: tf.constant([labels], tf.int64),
        f.HISTORY_LEFT_OUT: tf.ones([1, len(items)], tf.int64),
    }
    if weights is not None:
        features[f.HISTORY_WEIGHT] = tf.constant([weights], tf.float32)
    return features


@pytest.mark.parametrize("weights", [None, [2.0, 9.0, 3.0, 4.0, 9.0]])
def test_an_item_with_several_events_is_liked_once(weights):
    features = features_of([3, 4, 5, 3, 0], [1, -1, 1, 1, -1], weights)
    liked = liked_history(features)
    found = dict(zip(liked.item_index[0].numpy(), liked.weight[0].numpy(), strict=True))
    totals = {3: 6.0, 5: 3.0} if weights else {3: 1.0, 5: 1.0}
    assert {item: found[item] for item in found if item} == totals
    row = np.zeros(6)
    row[list(totals)] = list(totals.values())
    np.testing.assert_array_equal(liked_items(features, 6)[0], row)
    sums = [3.0, 6.0] if weights else None
    once = liked_history(features_of([5, 3], [1, 1], sums))
    assert liked.fingerprint.numpy() == once.fingerprint.numpy()
    if weights:
        another = liked_history(features_of([5, 3], [1, 1], [3.0, 7.0]))
        assert liked.fingerprint.numpy() != another.fingerprint.numpy()


def test_closed_forms_read_weights(log, indices):
    rated = rated_by_hand(log, indices, [log.past, log.later])
    gram = rated.T @ rated
    users = np.count_nonzero(rated.any(1))

    popularity = trained_on("popularity", log.data, None)
    np.testing.assert_allclose(popularity.share, rated.sum(0) / users, rtol=1e-6)

    ease = trained_on("ease", log.data, None, l2=10.0)
    inverse = np.linalg.inv(gram + 10 * np.eye(len(gram)))
    weight = -inverse / np.diag(inverse)
    np.fill_diagonal(weight, 0)
    np.testing.assert_allclose(ease.item_weight, weight, atol=1e-5)

    knn = trained_on("item_knn", log.data, None, shrink=3.0)
    norm = np.sqrt(np.diag(gram))
    cosine = gram / (np.outer(norm, norm) + 3)
    np.fill_diagonal(cosine, 0)
    expected = -np.sort(-cosine, 1)[:, : knn.similarity.shape[1]]
    np.testing.assert_allclose(knn.similarity, expected, atol=1e-6)


def test_als_solves_the_weighted_problem_in_training_and_serving(log, indices):
    settings = {"embedding_dim": 3, "epochs": 20, "unobserved_weight": 0.2}
    model = trained_on("mf_als", log.data, None, regularization=0.05, **settings)
    rated = rated_by_hand(log, indices, [log.past, log.later])
    items = model.item_embedding.numpy().astype(float)

    def solution(row):
        own, weight = items[row > 0], row[row > 0]
        ridge = 0.05 * (len(own) + 0.2 * (len(items) - f.NUM_RESERVED))
        system = (own.T * weight) @ own + 0.2 * items.T @ items
        return np.linalg.solve(system + ridge * np.eye(3), own.T @ weight)

    for user in (3, 10, 20):
        expected = solution(rated[user])
        np.testing.assert_allclose(model.user_embedding[user], expected, atol=1e-3)
        # The history of training is recognised; one more event for an item is learned.
        own = np.flatnonzero(rated[user] > 0)
        weights = rated[user][own]
        features = features_of(own, np.ones_like(own), weights)
        features[f.USER_INDEX] = tf.constant([user], tf.int64)
        np.testing.assert_array_equal(
            model.users(features)[0], model.user_embedding[user]
        )
        row = rated[user].copy()
        row[own[0]] += 50
        weights[0] += 50
        features[f.HISTORY_WEIGHT] = tf.constant([weights], tf.float32)
        changed = model.users(features)[0]
        np.testing.assert_allclose(changed, solution(row), atol=1e-3)
        assert np.abs(changed - model.user_embedding[user]).max() > 0.01
    # An unknown user with two events for an item: solved as the row is served.
    features = features_of([3, 5, 3], [1, 1, 1], [2.0, 2.0, 4.0])
    features[f.ITEM_INDEX] = tf.range(len(items), dtype=tf.int64)[tf.newaxis]
    row = np.zeros(len(items))
    row[[3, 5]] = [6, 2]
    np.testing.assert_allclose(model(features)[0], items @ solution(row), atol=1e-4)


def test_a_pair_of_weight_three_counts_like_three_pairs():
    score = tf.Variable([[0.3], [-0.2]])
    label = tf.constant([[1.0], [1.0]])

    def gradient(rows, weight):
        batch = {f.LABEL: tf.gather(label, rows), "row": tf.constant(rows)}
        if weight is not None:
            batch[f.WEIGHT] = tf.constant(weight)
        with tf.GradientTape() as tape:
            losses = losses_of_rows(
                lambda features, training: tf.gather(score, features["row"]),
                batch,
                cross_entropy,
            )
            loss = tf.reduce_mean(losses)
        return tf.convert_to_tensor(tape.gradient(loss, score)).numpy()

    weight = relative(np.array([3.0, 1.0], np.float32))
    assert weight.mean() == 1
    np.testing.assert_allclose(
        gradient([0, 1], weight), gradient([0, 0, 0, 1], None), rtol=1e-6
    )


def test_the_weight_of_a_row_multiplies_all_its_losses():
    batch = {f.LABEL: tf.ones([2, 3]), f.WEIGHT: tf.constant([0.5, 2.0])}
    scores = tf.constant([[1.0, 2.0, 3.0], [0.0, -1.0, 1.0]])
    plain = bpr(scores, batch[f.LABEL]).numpy()
    found = losses_of_rows(lambda features, training: scores, batch, bpr)
    np.testing.assert_allclose(found, plain * [[0.5], [2.0]], rtol=1e-6)


def test_pieces_of_histories_have_the_weights_of_their_targets(log):
    ratings = log.data.train_ratings
    count, piece = pieces(ratings, 5, log.data.weights(ratings))
    cut = {name: column.numpy() for name, column in piece(range(count)).items()}
    expected = np.abs(np.where(cut[f.ITEM_INDEX] > 0, cut[f.WEIGHT], 0))
    np.testing.assert_array_equal(cut[f.WEIGHT], expected)
    assert set(np.unique(cut[f.WEIGHT][cut[f.LABEL] == 1])) == {2, 4}


@pytest.mark.parametrize("name", ["ease", "mf_als"])
def test_lists_are_those_that_are_judged(log, indices, name):
    """An item that was viewed or put into a cart is recommended, others never."""
    model = build(name, log.data.sizes)
    training.solve(model, log.data, log.data.train_ratings)
    served = serve(log, model)
    evaluated = {
        name: value.numpy()
        for name, value in served.evaluate(tf.constant(log.records)).items()
    }
    for row, user in enumerate(log.past):
        item, kind, rating, _ = zip(*log.past[user], strict=True)
        listed = served.recommend(
            tf.constant([user]),
            tf.constant([item]),
            tf.constant([rating], tf.float32),
            tf.constant([[]], tf.string),
            tf.constant(99),
            history_event_type=tf.constant([kind]),
        )
        names = [name.decode() for name in listed["item_id"][0].numpy() if name]
        out = {i for i, k, _, _ in log.past[user] if k in JUDGED}
        everything = {name for name in indices if name.startswith("i")}
        assert set(names) == everything - out
        labels = {"buy": 1, "skip": 0}
        assert evaluated["num_candidates"][row] == len(names)
        for place, (target, type_, _, _) in enumerate(log.later[user]):
            assert evaluated["label"][row, place] == labels.get(type_, -1)
            if target in names and type_ in JUDGED:
                score = listed["score"][0, names.index(target)].numpy()
                rank = np.count_nonzero(listed["score"][0].numpy() >= score - 1e-6)
                assert evaluated["score"][row, place] == pytest.approx(score, abs=1e-4)
                assert abs(evaluated["rank"][row, place] - rank) <= 1  # rounding


def test_an_item_without_a_type_is_not_recommended_again(log):
    model = trained_on("popularity", log.data, None)
    served = serve(log, model)
    [listed] = served.recommend(
        tf.constant(["new"]),
        tf.constant([["i01", "i02"]]),
        tf.constant([[0.0]]),
        tf.constant([[]], tf.string),
        tf.constant(99),
        history_event_type=tf.constant([["view"]]),
    )["item_id"].numpy()
    assert b"i01" in listed
    assert b"i02" not in listed


def test_nothing_beside_the_judged_targets_and_the_history_changes_a_rank(log):
    model = build("ease", log.data.sizes)
    training.solve(model, log.data, log.data.train_ratings)
    served = serve(log, model)
    user = next(
        user
        for user, events in log.later.items()
        if {kind for _, kind, _, _ in events} >= {"buy", "view"}
    )
    judged = [event for event in log.later[user] if event[1] in JUDGED]
    whole, alone = (
        served.evaluate(tf.constant([example(user, rows, log.past[user], True)]))
        for rows in (log.later[user], judged)
    )
    is_judged = np.array([event[1] in JUDGED for event in log.later[user]])
    for name in ("rank", "score", "label"):
        np.testing.assert_array_equal(whole[name][0].numpy()[is_judged], alone[name][0])
    assert whole["num_candidates"] == alone["num_candidates"]


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """Rows of one user, with repeats of a known and of unknown items: b, then x, y."""
    rows = [("b", "buy"), ("x", "buy"), ("b", "view"), ("b", "buy"), ("x", "buy")]
    rows += [("y", "skip"), ("c", "view"), ("b", "view")]
    later = [("b", "view"), ("b", "buy"), ("c", "buy"), ("b", "buy"), ("b", "skip")]
    past, targets = (
        [(item, kind, WEIGHTS[kind], 1000 + n) for n, (item, kind) in enumerate(part)]
        for part in (rows, later)
    )
    many = [("b", "buy", 4.0, 1), ("c", "buy", 4.0, 2)] * 3

    def transformed(types):
        splits = {
            f.TRAIN_SPLIT: [example("v", many, [], types)],
            f.EVAL_SPLIT: [example("u", targets, past, types)],
        }
        config = TRANSFORM_CONFIG | {"min_item_ratings": 2, "keeps_repeats": True}
        config |= {"label_threshold": "> 0", "label_negative": "< 0"}
        config |= {"judged": JUDGED} if types else {}
        folder = tmp_path_factory.mktemp("repeated")
        output, files = run_transform(
            folder, splits, config, more=TYPES if types else ()
        )
        [record] = tf.data.TFRecordDataset(files[f.EVAL_SPLIT], "GZIP")
        spec = output.transformed_feature_spec()
        lists = tf.io.parse_example([record], spec)
        return {
            name: value.to_list()[0]
            for name, value in lists.items()
            if isinstance(value, tf.RaggedTensor)
        }

    return {types: transformed(types) for types in (True, False)}


def test_the_last_row_that_keeps_an_item_out_is_marked(repeated):
    # The views of b and c keep neither of them out.
    assert repeated[True][f.HISTORY_LEFT_OUT] == [0, 0, 0, 1, 1, 1, 0, 0]
    # Without types, each row does.
    assert repeated[False][f.HISTORY_LEFT_OUT] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert f.HISTORY_WEIGHT not in repeated[False]


def test_an_item_is_one_target_however_often_it_is_bought(repeated):
    # b is bought twice, and then disliked.
    assert repeated[True][f.JUDGED] == [0, 1, 1, 0, 1]
    assert repeated[False][f.JUDGED] == [1, 1, 1, 0, 1]


def test_each_repeat_counts_in_training_and_in_histories(log):
    data = dataclasses.replace(log.data, counts_repeats=True)
    ratings = data.train_ratings
    twice = ratings.where(np.repeat(np.arange(len(ratings)), 2))
    once = data.interactions(ratings).matrix().toarray()
    np.testing.assert_array_equal(data.interactions(twice).matrix().toarray(), 2 * once)
    assert len(data.interactions(twice)) == len(data.interactions(ratings))
    spec = {n: v for n, v in data.feature_spec.items() if n != f.HISTORY_WEIGHT}
    plain = dataclasses.replace(data, feature_spec=spec)  # no types, so no weights
    assert set(plain.weights(ratings)) == {1.0}


@pytest.fixture(scope="module")
def unweighted(tmp_path_factory):
    """The same log as events of weight 1, and as ratings without types."""
    weights = {"buy": 1.0}
    return [
        write_events_log(tmp_path_factory.mktemp("same"), weights, judged, threshold)
        for judged, threshold in ((["buy"], "> 0"), (None, "all"))
    ]


@pytest.mark.parametrize("name", [*CLOSED_FORMS, "gmf", "attrec", "sasrec", "fm"])
def test_with_all_weights_1_results_are_those_of_ratings(unweighted, name, tmp_path):
    overrides = {} if name in CLOSED_FORMS else {"epochs": 1, "refit": False}
    if name == "fm":
        overrides["num_negatives"] = 2
    events, ratings = (
        trained_on(name, log.data, tmp_path, **overrides) for log in unweighted
    )
    assert len(events.weights) > 0
    for one, other in zip(events.weights, ratings.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("name", ["gmf", "attrec", "sasrec"])
def test_weights_change_what_a_model_learns(log, name, tmp_path):
    weighted = trained_on(name, log.data, tmp_path, epochs=1, refit=False)
    without = dataclasses.replace(log.data)
    vars(without)["is_weighted"] = False  # a cached property
    plain = trained_on(name, without, tmp_path, epochs=1, refit=False)
    assert any(
        not np.allclose(one.numpy(), other.numpy(), atol=1e-6)
        for one, other in zip(weighted.weights, plain.weights, strict=True)
    )
