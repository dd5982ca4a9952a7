"""Ranks against a slow reference, with everything that can be wrong with a score."""

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from tests.reference import ranking as reference
from tests.support.models import build
from trainer_modules import features as f
from trainer_modules import left_out, ranking
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


def ranked(people, num_unknown=0, num_top=3, users_at_once=1):
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
        ranking.Candidates(NUM_ITEMS, num_unknown, users_at_once=users_at_once),
        num_top,
    ), targets


def of_unknown(scores, num_rare=ranking.NUM_RARE):
    """The unknown row's score, or the mean of the rarest items if that is less."""
    rarest = scores[2:][-num_rare:]
    mean = float(np.mean(np.float32(rarest)))
    return np.nan if np.isnan([scores[1], mean]).any() else min(scores[1], mean)


@settings(max_examples=30)
@given(
    users,
    st.integers(0, 3),
    st.sampled_from([1, NUM_ITEMS * 2, NUM_ITEMS * 100]),
    st.sampled_from([1, 3]),
)
def test_ranks_are_those_of_the_reference(people, num_unknown, max_pairs, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "MAX_SCORED_PAIRS", max_pairs)  # blocks of 1, 2, all
        patch.setattr(ranking, "NUM_RARE", 3)
        found, targets = ranked(people, num_unknown, users_at_once=at_once)
    for user, (scores, seen, _) in enumerate(people):
        # The catalogue spelt out: each unknown item is an item like others.
        scores = [0.0, of_unknown(scores, 3), *scores[2:]]
        left = max(0, num_unknown - (1 in seen))
        everything = [0.0, 0.0, *scores[2:], *[scores[1]] * left]
        stands_for = [
            NUM_ITEMS if target == 1 and left else target for target in targets[user]
        ]
        own = [scores[target] for target in targets[user]]
        expected = reference.ranks(everything, seen, stands_for, own)
        assert found["rank"][user].numpy().tolist() == expected
        candidates = [i for i in range(2, len(everything)) if i not in seen]
        assert found["num_candidates"][user] == len(candidates)
        real = targets[user] > 0
        np.testing.assert_array_equal(found["score"][user][real], np.float32(own)[real])


def test_many_unknown_items_are_not_ahead_because_many_like_one_of_them():
    # Row 1 is what a hundred items were liked together; each has about a rare one's.
    scores = [0.0, 50.0, 9.0, 8.0, 7.0, 6.0, 5.0, 0.2, 0.1]
    found, _ = ranked([(scores, set(), {2, 6, 7})], num_unknown=100)
    # The mean of the seven is 5.04: only scores below it rank behind the hundred.
    assert found["rank"].numpy().tolist() == [[1, 105, 106]]
    scores[1] = 0.15  # but it may be worse
    found, _ = ranked([(scores, set(), {1, 2, 7})], num_unknown=100)
    assert found["rank"].numpy().tolist() == [[106, 1, 6]]


def test_candidates_without_a_row_score_alike_wherever_they_are_asked_for():
    scores = [[0.0, 50.0, 9, 8, 7, 6, 5, 0.2, 0.1], [0, 0.5, 1, 1, 1, 1, 1, 1, 1]]
    users = {f.USER_INDEX: tf.range(2)}
    items = tf.constant([[1, 2, 1], [8, 1, 2]], tf.int64)
    found = ranking.score_candidates(
        table_model(scores), users, items, ranking.Candidates(NUM_ITEMS)
    )
    a, b = (of_unknown(each) for each in scores)
    np.testing.assert_allclose(found, [[a, 9, a], [1, b, 1]], rtol=1e-6)
    alone = ranking.score_candidates(
        table_model([[0.0, 3.0]]),
        {f.USER_INDEX: tf.range(1)},
        items[:1, :1],
        ranking.Candidates(2),
    )
    np.testing.assert_array_equal(alone, [[3.0]])  # nothing has a row


def test_new_items_do_not_bound_those_without_a_row():
    # The last two have no row, but features by which the model likes them most.
    scores = [[0.0, 50.0, 9, 8, 7, 6, 5, 40.0, 30.0]]
    candidates = ranking.Candidates(NUM_ITEMS, 1, num_new=2)
    users = {
        f.USER_INDEX: tf.range(1),
        f.HISTORY_ITEM_INDEX: tf.zeros([1, 1], tf.int64),
    }
    target = tf.constant([[f.UNKNOWN_INDEX]], tf.int64)
    model = table_model(scores)
    scored = ranking.score_candidates(model, users, target, candidates)
    assert scored.numpy().tolist() == [[7.0]]  # the mean of those with a row
    found = ranking.rank_targets(model, users, target, candidates, 1)
    assert found["score"].numpy().tolist() == [[7.0]]
    assert found["rank"].numpy().tolist() == [[6]]  # a tie counts against it


DAY = 86_400


@pytest.mark.parametrize("after", [None, 0, 3 * DAY])
def test_an_item_is_left_out_until_enough_time_has_passed(after):
    """Against one target at a time; items 1 are unknown, and there are three."""
    random = np.random.default_rng(7)
    num_users, length, num_unknown = 40, 6, 3
    scores = random.normal(size=[num_users, NUM_ITEMS])
    # The same item may be in a history repeatedly; only its last row keeps it out.
    history = random.integers(0, NUM_ITEMS, [num_users, length])
    names = np.where(history == 1, 100 + random.integers(0, 2, history.shape), history)
    seen_at = np.sort(random.integers(1, 10, history.shape), 1) * DAY
    seen_at[0, -1] = 0  # at an unknown time, as what is liked in a request
    is_last = np.array(
        [[name not in row[n + 1 :] for n, name in enumerate(row)] for row in names]
    )
    targets = random.integers(0, NUM_ITEMS, [num_users, 3])
    times = (10 + random.integers(0, 4, targets.shape)) * DAY
    ragged = [
        tf.RaggedTensor.from_tensor(tf.constant(values, tf.int64))
        for values in (history, seen_at)
    ]
    features = {
        f.USER_INDEX: tf.range(num_users),
        f.HISTORY_ITEM_INDEX: tf.constant(history, tf.int64),
        f.HISTORY_LEFT_OUT: tf.constant(is_last, tf.int64),
        f.TIMESTAMP: tf.constant(times, tf.int64),
        **left_out.again_from(*ragged, after),
    }
    found = ranking.rank_targets(
        table_model(scores),
        features,
        tf.constant(targets),
        ranking.Candidates(NUM_ITEMS, num_unknown),
        3,
    )
    num_again = 0
    for user, own in enumerate(scores):
        last = dict(zip(names[user], seen_at[user], strict=True))
        unknown = of_unknown(own)

        def out_at(time, last=last):
            if after == 0:
                return set()
            return {
                n for n, t in last.items() if not t or after is None or time < t + after
            }

        for place, (target, time) in enumerate(
            zip(targets[user], times[user], strict=True)
        ):
            if not target:
                assert not found["rank"][user, place]
                continue
            out = out_at(time)
            left = num_unknown - sum(name >= 100 for name in out)
            candidates = [own[i] for i in range(2, NUM_ITEMS) if i not in out]
            candidates += [unknown] * left
            score = unknown if target == 1 else own[target]
            is_in = left > 0 if target == 1 else target not in out
            num_again += is_in and target in last
            rank = sum(np.float32(other) >= np.float32(score) for other in candidates)
            assert found["rank"][user, place] == rank + (not is_in)
        top = [
            i for i in np.argsort(-own) if i >= 2 and i not in out_at(times[user, 0])
        ]
        shown = found["top_item"][user].numpy().tolist()
        assert shown[: len(top)] == top[:3]
        newest = max(times[user])
        out = out_at(newest) - {0}
        assert found["num_candidates"][user] == NUM_ITEMS - 2 + num_unknown - len(out)
    assert bool(num_again) == (after is not None)


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
def test_a_target_is_compared_with_itself_at_equal_precision(name):
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
        model, features, tf.cast(best, tf.int64) + 2, ranking.Candidates(num_items), 1
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
        return ranking.rank_targets(
            model, users, target, ranking.Candidates(NUM_ITEMS), 3
        )["rank"]

    found = rank(
        tf.constant(scores, tf.float32),
        histories,
        tf.constant([sorted(items) for items in targets], tf.int64),
    )
    assert found.numpy().tolist() == [[6, 6], [7, 3]]


def context_model(scores):
    """Scores user u in the context c by row [u, c] of a table."""
    table = tf.constant(scores, tf.float32)

    def model(features):
        rows = tf.gather_nd(
            table, tf.stack([features[f.USER_INDEX], features[f.CONTEXT][:, 1]], 1)
        )
        items = tf.broadcast_to(
            tf.cast(features[f.ITEM_INDEX], tf.int32),
            [tf.shape(rows)[0], tf.shape(features[f.ITEM_INDEX])[1]],
        )
        return tf.gather(rows, items, batch_dims=1)

    return model


@pytest.mark.parametrize("max_pairs", [1, NUM_ITEMS * 100])  # blocks of 1, all
@pytest.mark.parametrize("after", [None, 3 * DAY])
def test_each_target_is_ranked_in_its_own_context(after, max_pairs, monkeypatch):
    """Against the ranking without contexts, of one target at a time."""
    monkeypatch.setattr(ranking, "MAX_SCORED_PAIRS", max_pairs)
    random = np.random.default_rng(11)
    num_users, num_targets = 30, 5
    scores = random.normal(size=[num_users, 3, NUM_ITEMS])
    context = random.integers(0, 3, [num_users, num_targets])
    history = random.integers(0, NUM_ITEMS, [num_users, 4])
    seen_at = random.integers(1, 10, history.shape) * DAY
    targets = random.integers(0, NUM_ITEMS, [num_users, num_targets])
    targets[:, 3] = 0
    targets[1] = 0  # has no target at all
    times = np.sort(10 + random.integers(0, 4, targets.shape), 1) * DAY * (targets > 0)
    ragged = [
        tf.RaggedTensor.from_tensor(tf.constant(values, tf.int64))
        for values in (history, seen_at)
    ]
    users = {
        f.USER_INDEX: tf.range(num_users),
        f.HISTORY_ITEM_INDEX: tf.constant(history, tf.int64),
        **left_out.again_from(*ragged, after),
    }
    contexts = np.stack([7 - context, context], -1).astype(np.int32)
    found = ranking.rank_targets(
        context_model(scores),
        users | {f.TIMESTAMP: tf.constant(times), f.CONTEXT: tf.constant(contexts)},
        tf.constant(targets),
        ranking.Candidates(NUM_ITEMS, 3),
        4,
    )
    assert len({tuple(row) for row in context.tolist()}) > 20
    candidates = np.zeros(targets.shape, int)
    for place in range(num_targets):
        own = scores[np.arange(num_users), context[:, place]]
        alone = ranking.rank_targets(
            table_model(own),
            users | {f.TIMESTAMP: tf.constant(times[:, place : place + 1])},
            tf.constant(targets[:, place : place + 1]),
            ranking.Candidates(NUM_ITEMS, 3),
            4,
        )
        for name in ("rank", "score"):
            np.testing.assert_array_equal(found[name][:, place], alone[name][:, 0])
        if place == 0:
            np.testing.assert_array_equal(found["top_item"], alone["top_item"])
        candidates[:, place] = alone["num_candidates"]
    np.testing.assert_array_equal(found["num_candidates"], candidates.max(1))
    scored = ranking.score_targets(
        context_model(scores),
        users | {f.TIMESTAMP: tf.constant(times), f.CONTEXT: tf.constant(contexts)},
        tf.constant(targets),
        ranking.Candidates(NUM_ITEMS),
    )
    np.testing.assert_array_equal(scored.numpy() * (targets > 0), found["score"])


def test_users_without_any_target_have_a_list_in_no_context():
    scores = np.random.default_rng(2).normal(size=[2, 1, NUM_ITEMS])
    users = {
        f.USER_INDEX: tf.range(2),
        f.HISTORY_ITEM_INDEX: tf.zeros([2, 1], tf.int64),
        f.TIMESTAMP: tf.zeros([2, 0], tf.int64),
        f.CONTEXT: tf.zeros([2, 0, 2], tf.int32),
    }
    nothing = tf.zeros([2, 0], tf.int64)
    found = ranking.rank_targets(
        context_model(scores), users, nothing, ranking.Candidates(NUM_ITEMS), 1
    )
    assert found["rank"].shape == [2, 0]
    best = 2 + scores[:, 0, 2:].argmax(1)
    np.testing.assert_array_equal(found["top_item"][:, 0], best)
