"""Models learn from the time: comedies are liked at the weekend, dramas in the week."""

import dataclasses
import datetime
import zoneinfo

import numpy as np
import pytest
import tensorflow as tf

from tests.reference import ranking as reference
from tests.support.catalogue import write_catalogue
from tests.support.examples import serialize, serialize_splits
from tests.support.models import build, serve, train
from tests.support.transform import TRANSFORM_CONFIG
from trainer_modules import features as f
from trainer_modules.inputs import Data, eval_users
from trainer_modules.item_index import item_index
from trainer_modules.registry import MODELS
from trainer_modules.sizes import Sizes, read_item_fields
from trainer_modules.tasks import in_batch, rating, retrieval
from trainer_modules.time_context import TimeContext

pytestmark = pytest.mark.integration

NUM_USERS, NUM_ITEMS, NUM_RATED, NUM_TRAIN = 60, 20, 14, 9
ITEMS = [f"i{n:02}" for n in range(NUM_ITEMS)]
COMEDIES = {*ITEMS[: NUM_ITEMS // 2]}
ZONE = "America/New_York"
HOUR, DAY, START = 3600, 86_400, 1_590_000_000
SATURDAY, MONDAY = 1_593_894_000, 1_594_056_000  # 2020-07-04 and 06, in New York too


def is_weekend(time):
    moment = datetime.datetime.fromtimestamp(time, zoneinfo.ZoneInfo(ZONE))
    return moment.weekday() >= 5


def rated():
    """Yields each user's items, stars and times, oldest first.

    Half of the ratings are at weekends, so that neither genre is liked more often.
    """
    random = np.random.default_rng(3)
    every = [START + hour * HOUR for hour in range(24 * 120)]
    share = np.where([is_weekend(time) for time in every], 2.5, 1)
    for _ in range(NUM_USERS):
        items = random.permutation(ITEMS)[:NUM_RATED].tolist()
        times = random.choice(every, NUM_RATED, replace=False, p=share / share.sum())
        times = np.sort(times).tolist()
        stars = [
            5.0 if (item in COMEDIES) == is_weekend(time) else 1.0
            for item, time in zip(items, times, strict=True)
        ]
        yield items, stars, times


RATED = list(rated())


@pytest.fixture(scope="module")
def log(transform, tmp_path_factory):
    """The transform output, the data without contexts, and the eval records."""
    splits = {f.TRAIN_SPLIT: [], f.EVAL_SPLIT: []}
    for user, its in enumerate(RATED):
        known = {"user_id": [f"u{user}".encode()]}
        for split, record in zip(
            splits.values(), serialize_splits(*its, NUM_TRAIN, **known), strict=True
        ):
            split.append(record)
    output, files = transform(splits, TRANSFORM_CONFIG)
    catalogue = write_catalogue(
        tmp_path_factory.mktemp("catalogue"),
        ITEMS,
        item_genres=[["Comedy" if item in COMEDIES else "Drama"] for item in ITEMS],
    )
    item_ids = output.vocabulary_by_name(f.ITEM_VOCABULARY)
    item_fields, item_values = read_item_fields(catalogue, item_ids)
    sizes = Sizes(
        num_users=NUM_USERS + f.NUM_RESERVED,
        num_items=len(item_ids) + f.NUM_RESERVED,
        item_fields=item_fields,
        num_item_values=len(item_values) + f.NUM_RESERVED,
    )
    data = Data(
        [files[f.TRAIN_SPLIT]],
        [files[f.EVAL_SPLIT]],
        output.transformed_feature_spec(),
        sizes,
        num_unknown_items=0,
    )
    return output, data, splits[f.EVAL_SPLIT]


def with_context(data, *fields):
    context = TimeContext(fields, ZONE)
    sizes = dataclasses.replace(
        data.sizes,
        num_context_fields=len(fields),
        num_context_values=context.num_values,
    )
    return dataclasses.replace(data, sizes=sizes, context=context)


def evaluated(model, output, data, records):
    """Returns the AUC of all targets, and the mean nDCG of users with a like."""
    serving = serve(model, output, data)
    found = serving.evaluate(tf.constant(records))
    label, score, rank = (found[n].numpy() for n in ("label", "score", "rank"))
    gains = [
        reference.user_metrics(own[likes == f.LIKED].tolist(), int(count))["ndcg@10"]
        for own, likes, count in zip(rank, label, found["num_candidates"], strict=True)
        if (likes == f.LIKED).any()
    ]
    auc = reference.auc(score[label >= 0], label[label >= 0])
    return auc, np.mean(gains)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("fm", {"num_negatives": 0}),
        ("fm", {}),
        ("warp_mf", {}),
    ],
)
def test_what_is_liked_on_a_weekday_is_learned_with_the_context_only(
    log, tmp_path, name, settings
):
    output, data, records = log
    both = with_context(data, "hour", "weekday")
    figures = []
    for each in (data, both):
        model = train(name, each, tmp_path, learning_rate=0.01, patience=3, **settings)
        figures.append(evaluated(model, output, each, records))
    (auc_without, gain_without), (auc, gain) = figures
    assert auc_without < 0.65
    assert auc > 0.85
    assert gain > gain_without + 0.1


def lists_at(serving, times):
    """Returns the whole list of an unknown user at each time, as ids."""
    rows = len(times)
    listed = serving.recommend(
        tf.fill([rows], "new"),
        tf.fill([rows, 1], ""),
        tf.zeros([rows, 0]),
        tf.fill([rows, 1], ""),
        tf.constant(NUM_ITEMS),
        request_timestamp=tf.constant(times, tf.int64),
    )
    return listed["item_id"].numpy()


def test_a_list_is_that_of_the_time_of_its_request(log, tmp_path):
    output, data, _ = log
    data = with_context(data, "weekday")
    model = train("fm", data, tmp_path, learning_rate=0.01, patience=3)
    serving = serve(model, output, data)
    found = lists_at(serving, [SATURDAY, MONDAY])
    half = len(COMEDIES)
    saturday, monday = ({item.decode() for item in row[:half]} for row in found)
    assert len(saturday & COMEDIES) >= half - 1
    assert len(monday & COMEDIES) <= 1


def with_large_weights(name, output, data, records):
    """Serves an untrained model with large random weights."""
    serving = serve(build(name, data.sizes), output, data)
    serving.evaluate(tf.constant(records[:1]))  # makes the weights
    random = np.random.default_rng(0)
    for weight in serving.model.trainable_variables:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return serving


@pytest.fixture(scope="module")
def served(log, tmp_path_factory):
    """An exported model with large random weights, and its folder."""
    output, data, records = log
    data = with_context(data, "weekday", "hour")
    serving = with_large_weights("deepfm", output, data, records)
    folder = tmp_path_factory.mktemp("served")
    serving.save(str(folder))
    return tf.saved_model.load(str(folder)).signatures


def test_signatures_agree_on_the_scores_of_each_target(log, served):
    """Each target is scored at its own time by all three."""
    _, _, records = log
    found = served["evaluate"](examples=tf.constant(records))
    num_distinct = 0
    for user, (items, stars, times) in enumerate(RATED[:10]):
        history = {
            "history_item_id": [item.encode() for item in items[:NUM_TRAIN]],
            "history_rating": stars[:NUM_TRAIN],
        }
        scores = []
        for place in range(NUM_RATED - NUM_TRAIN):
            item, time = items[NUM_TRAIN + place], times[NUM_TRAIN + place]
            example = serialize(
                user_id=[f"u{user}".encode()],
                candidate_item_id=[item.encode()],
                request_timestamp=[time],
                **history,
            )
            score = served["serving_default"](examples=tf.constant([example]))["score"]
            listed = served["recommend"](
                user_id=tf.constant([f"u{user}"]),
                history_item_id=tf.constant([history["history_item_id"]]),
                history_rating=tf.constant([history["history_rating"]]),
                user_features=tf.fill([1, 1], ""),
                k=tf.constant(NUM_ITEMS),
                exclude_item_id=tf.fill([1, 1], ""),
                request_timestamp=tf.constant([time], tf.int64),
            )
            order = [name.decode() for name in listed["item_id"][0].numpy()]
            rank = order.index(item) + 1
            own = float(listed["score"][0, rank - 1])
            assert found["rank"][user, place] == rank
            assert float(found["score"][user, place]) == pytest.approx(own, abs=1e-5)
            assert float(score[0, 0]) == pytest.approx(own, abs=1e-5)
            scores.append(float(listed["score"][0, 0]))
        num_distinct += len(set(scores))
    assert num_distinct > 30  # the contexts matter


def test_without_a_time_of_the_request_the_context_has_no_value(served):
    def asked(**more):
        example = serialize(user_id=[b"u1"], candidate_item_id=[b"i01"], **more)
        found = served["serving_default"](examples=tf.constant([example]))
        return float(found["score"][0, 0])

    assert asked() == asked(request_timestamp=[0])
    assert asked() != asked(request_timestamp=[SATURDAY])


def test_a_sample_of_users_is_scored_in_the_same_contexts(log):
    output, data, records = log
    data = with_context(data, "hour")
    serving = serve(train_nothing(data), output, data)
    whole = serving.evaluate(tf.constant(records))
    serving = serve(serving.model, output, data)
    serving.share_of_users = 0.3
    some = serving.evaluate(tf.constant(records))
    np.testing.assert_allclose(some["score"], whole["score"], rtol=1e-5)
    is_ranked = some["rank"].numpy().any(1)
    assert 0 < is_ranked.sum() < NUM_USERS
    np.testing.assert_array_equal(
        some["rank"].numpy()[is_ranked], whole["rank"].numpy()[is_ranked]
    )


def train_nothing(data):
    model = build("fm", data.sizes)
    model(next(iter(rating_batches(data))))
    random = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return model


def rating_batches(data, task=rating, name="fm"):
    config = MODELS[name].config_class()
    training_set = task.training_set(data, data.train_ratings, config, seed=0)
    return training_set.batches.take(training_set.steps)


def test_an_index_is_searched_in_the_context_of_the_first_target(log):
    output, data, records = log
    data = with_context(data, "weekday", "hour")
    serving = with_large_weights("two_tower", output, data, records)
    indexed = serve(serving.model, output, data)
    indexed.index = item_index(serving.model, serving.num_items, num_probes=NUM_ITEMS)
    recall = indexed.evaluate(tf.constant(records))["index_recall"]
    np.testing.assert_array_equal(recall, np.ones(NUM_USERS))
    saturday, monday = lists_at(indexed, [SATURDAY, MONDAY])
    assert saturday.tolist() != monday.tolist()


@pytest.mark.parametrize(
    ("task", "name"), [(rating, "fm"), (retrieval, "warp_mf"), (in_batch, "two_tower")]
)
def test_each_row_of_a_batch_is_in_the_context_of_its_rating(log, task, name):
    _, data, _ = log
    data = with_context(data, "weekday")
    names = {n: i for i, n in enumerate(item_names(log))}
    weekday = {
        (user, names[item]): datetime.datetime.fromtimestamp(
            time, zoneinfo.ZoneInfo(ZONE)
        ).weekday()
        for user, (items, _, times) in enumerate(RATED)
        for item, time in zip(items, times, strict=True)
    }
    users = {index: user for user, index in enumerate(user_indices(log))}
    num_rows = 0
    for batch in rating_batches(data, task, name):
        for user, item, context in zip(
            batch[f.USER_INDEX].numpy(),
            batch[f.ITEM_INDEX][:, 0].numpy(),
            batch[f.CONTEXT][:, 0].numpy(),
            strict=True,
        ):
            if user == f.UNKNOWN_INDEX:  # hidden
                continue
            num_rows += 1
            assert context - f.NUM_RESERVED == weekday[users[user], item]
    assert num_rows > 200


def item_names(log):
    known = [name.decode() for name in log[0].vocabulary_by_name(f.ITEM_VOCABULARY)]
    return ["", "", *known]


def user_indices(log):
    known = log[0].vocabulary_by_name(f.USER_VOCABULARY)
    return [
        known.index(f"u{user}".encode()) + f.NUM_RESERVED for user in range(NUM_USERS)
    ]


def test_eval_users_have_the_context_of_each_target(log):
    _, data, _ = log
    data = with_context(data, "hour")
    users = {index: user for user, index in enumerate(user_indices(log))}
    for batch in eval_users(data, NUM_USERS):
        for user, context in zip(
            batch[f.USER_INDEX].numpy(), batch[f.CONTEXT].numpy(), strict=True
        ):
            times = RATED[users[user]][2][NUM_TRAIN:]
            zone = zoneinfo.ZoneInfo(ZONE)
            hours = [datetime.datetime.fromtimestamp(t, zone).hour for t in times]
            assert (context[:, 0] - f.NUM_RESERVED).tolist() == hours


def test_ratings_without_times_are_an_error(log):
    _, data, _ = log
    data = with_context(data, "hour")
    ratings = data.train_ratings
    nowhere = dataclasses.replace(ratings, timestamp=np.zeros_like(ratings.timestamp))
    with pytest.raises(ValueError, match=r"context.fields is set, but no rating has"):
        data.context_of(nowhere)
