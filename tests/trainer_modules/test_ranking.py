"""Ranks against a slow reference, with everything that can be wrong with a score."""

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from trainer_modules import features as f
from trainer_modules import ranking
from trainer_modules.sizes import Sizes

NUM_ITEMS = 9  # two reserved, seven with an id
SCORES = [0.0, 0.5, 0.5, 1.0, -2.0, float("nan"), float("inf"), -float("inf")]

users = st.lists(
    st.tuples(
        st.lists(st.sampled_from(SCORES), min_size=NUM_ITEMS, max_size=NUM_ITEMS),
        st.sets(st.integers(1, NUM_ITEMS - 1), max_size=6),  # seen
        st.sets(st.integers(1, NUM_ITEMS - 1), max_size=4),  # targets
    ),
    min_size=1,
    max_size=7,
)


def padded(lists):
    longest = max(map(len, lists))
    return np.array([[*items, *[0] * (longest - len(items))] for items in lists])


def table_model(scores):
    """Scores user u with row u of a table."""
    table = tf.constant(scores, tf.float32)

    def model(features):
        items = tf.broadcast_to(
            tf.cast(features[f.ITEM_INDEX], tf.int32),
            [tf.shape(features[f.USER_INDEX])[0], tf.shape(features[f.ITEM_INDEX])[1]],
        )
        rows = tf.gather(table, features[f.USER_INDEX])
        return tf.gather(rows, items, batch_dims=1)

    return model


def ranked(people, num_unknown=0, num_top=3):
    scores, seen, targets = zip(*people, strict=True)
    targets = padded([sorted(items) for items in targets])
    return ranking.rank_targets(
        table_model(scores),
        {
            f.USER_INDEX: tf.range(len(people)),
            f.HISTORY_ITEM_INDEX: tf.constant(
                padded([sorted(items) for items in seen]), tf.int64
            ),
        },
        tf.constant(targets, tf.int64),
        NUM_ITEMS,
        num_unknown,
        num_top,
    ), targets


@settings(max_examples=30)
@given(users, st.integers(0, 3), st.sampled_from([1, NUM_ITEMS * 2, NUM_ITEMS * 100]))
def test_ranks_are_those_of_the_reference(reference, people, num_unknown, max_pairs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "MAX_SCORED_PAIRS", max_pairs)  # blocks of 1, 2, all
        found, targets = ranked(people, num_unknown)
    for user, (scores, seen, _) in enumerate(people):
        # The catalogue spelt out: each unknown item is an item with the score of row 1.
        left = max(0, num_unknown - (1 in seen))
        everything = [0.0, 0.0, *scores[2:], *[scores[1]] * left]
        stands_for = [
            NUM_ITEMS if target == 1 and left else target for target in targets[user]
        ]
        own = [scores[target] for target in targets[user]]
        expected = reference("ranking").ranks(everything, seen, stands_for, own)
        assert found["rank"][user].numpy().tolist() == expected
        candidates = [i for i in range(2, len(everything)) if i not in seen]
        assert found["num_candidates"][user] == len(candidates)
        real = targets[user] > 0
        np.testing.assert_array_equal(found["score"][user][real], np.float32(own)[real])


def test_the_top_is_the_best_of_what_is_not_seen():
    scores = [9.0, 9.0, 0.1, 0.9, 0.5, 0.8, 0.3, 0.2, 0.0]
    found, _ = ranked([(scores, {3}, {5})])
    assert found["top_item"].numpy().tolist() == [[5, 4, 6]]


def test_the_top_is_no_longer_than_the_catalogue():
    found, _ = ranked([([0.0] * NUM_ITEMS, set(), {5})], num_top=50)
    assert found["top_item"].shape == [1, NUM_ITEMS - 2]


def test_a_constant_score_ranks_last_and_so_does_one_that_is_no_number():
    for score in (0.5, float("nan"), float("-inf")):
        found, _ = ranked([([score] * NUM_ITEMS, {2, 3}, {5, 6})])
        assert found["rank"].numpy().tolist() == [[5, 5]]


@pytest.mark.parametrize("name", ["mf_als", "neumf", "deepfm"])
def test_a_target_is_compared_with_itself_at_equal_precision(name, build):
    # The same score computed in two shapes differs in its last bits.
    num_users, num_items = 60, 400
    model = build(name, Sizes(num_users, num_items), embedding_dim=48)
    random = np.random.default_rng(0)
    user = {f.USER_INDEX: tf.range(num_users)}
    nothing = tf.zeros([num_users, 0], tf.int64)
    features = user | {f.HISTORY_ITEM_INDEX: nothing, f.HISTORY_LABEL: nothing}
    model({**features, f.ITEM_INDEX: tf.constant([[2]])})
    for weight in model.weights:
        weight.assign(random.normal(0, 1, weight.shape))
    _, best = tf.math.top_k(
        model({**features, f.ITEM_INDEX: tf.range(2, num_items)[tf.newaxis]}), 3
    )
    found = ranking.rank_targets(
        model, features, tf.cast(best, tf.int64) + 2, num_items, 0, 1
    )
    np.testing.assert_array_equal(found["rank"], [[1, 2, 3]] * num_users)


def test_a_graph_ranks_a_score_that_is_no_number_last_too():
    # Grappler makes "not <" into ">=", of which a NaN is neither.
    nan = float("nan")
    people = [
        ([nan] * NUM_ITEMS, {2}, {3, 4}),
        ([0.0, 0.1, 0.2, nan, 0.4, 0.5, nan, 0.7, 0.8], set(), {3, 8}),
    ]
    scores, seen, targets = zip(*people, strict=True)
    histories = tf.constant(padded([[2], [0]]), tf.int64)

    @tf.function
    def rank(table, history, target):
        def model(features):
            rows = tf.gather(table, features[f.USER_INDEX])
            return tf.gather(rows, features[f.ITEM_INDEX][0], axis=1)

        users = {f.USER_INDEX: tf.range(2), f.HISTORY_ITEM_INDEX: history}
        return ranking.rank_targets(model, users, target, NUM_ITEMS, 0, 3)["rank"]

    found = rank(
        tf.constant(scores, tf.float32),
        histories,
        tf.constant([sorted(items) for items in targets], tf.int64),
    )
    assert found.numpy().tolist() == [[6, 6], [7, 3]]
