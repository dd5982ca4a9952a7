"""Transformed records as training reads them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import make_interactions
from trainer_modules import features as f
from trainer_modules import inputs


def parsed(planted, records):
    """Users' indices of each record's lists, by the vocabularies."""
    vocabularies = {
        name: [b"", b"?", *planted.output.vocabulary_by_name(name)]
        for name in (f.USER_VOCABULARY, f.ITEM_VOCABULARY, f.USER_FEATURE_VOCABULARY)
    }
    rows = []
    for record in records:
        feature = tf.train.Example.FromString(record).features.feature
        row = {
            "user": vocabularies["user_id"].index(
                feature["user_id"].bytes_list.value[0]
            )
        }
        for name in (f.ITEM_ID, f.HISTORY_ITEM_ID):
            row[name] = [
                vocabularies["item_id"].index(item)
                for item in feature[name].bytes_list.value
            ]
        for name in ("user_gender", "user_occupation"):
            row[f.index_of(name)] = [
                vocabularies["user_feature"].index(name.encode() + b"=" + value)
                for value in feature[name].bytes_list.value
            ]
        row["stars"] = list(feature[f.HISTORY_RATING].float_list.value)
        for name in (f.TIMESTAMP, f.HISTORY_TIMESTAMP):
            row[name] = list(feature[name].int64_list.value)
        row["liked"] = [stars > 3 for stars in row["stars"]]
        rows.append(row)
    return rows


def padded(lists, padding=0):
    longest = max(map(len, lists))
    return [[*values, *[padding] * (longest - len(values))] for values in lists]


def test_positives_are_what_was_liked_each_once(planted):
    # A planted user's history before the eval target is the train record.
    expected = {
        (row["user"], item)
        for row in parsed(planted, planted.records)
        for item, liked in zip(row[f.HISTORY_ITEM_ID], row["liked"], strict=True)
        if liked
    }
    data = planted.data
    once = data.train_ratings
    for ratings in (once, once.joined(once)):
        found = data.interactions(ratings.where(ratings.liked()))
        pairs = list(
            zip(found.user_index.tolist(), found.item_index.tolist(), strict=True)
        )
        assert pairs == sorted(expected)
        assert found.user_index.dtype == found.item_index.dtype == np.int32
        assert found.num_users == data.sizes.num_users
        assert found.num_items == data.sizes.num_items


def test_ratings_of_both_splits_are_joined(planted):
    data = planted.data
    both = data.train_ratings.joined(data.eval_ratings)
    assert len(both.liked()) == len(planted.records) * 11  # ten of train, one of eval
    assert both.rating[-1] == data.eval_ratings.rating[-1]


def test_no_rating_at_all_is_an_error_that_says_so(planted, tmp_path):
    path = str(tmp_path / "none.gz")
    with tf.io.TFRecordWriter(path, "GZIP"):
        pass
    nothing = inputs.read_ratings(planted.data, [path])
    with pytest.raises(ValueError, match="no positive among the 0 .*label.threshold"):
        nothing.liked()
    assert nothing.mean() == 0


def test_ratings_are_in_the_order_of_the_records(planted):
    expected = [
        (row["user"], item, int(liked), stars, time)
        for row in parsed(planted, planted.records)
        for item, liked, stars, time in zip(
            *(row[f.HISTORY_ITEM_ID], row["liked"], row["stars"]),
            row[f.HISTORY_TIMESTAMP],
            strict=True,
        )
    ]
    found = planted.data.train_ratings
    *columns, judged = (
        getattr(found, field.name) for field in dataclasses.fields(found)
    )
    assert judged is None  # only logs of events have it
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    dtypes = [*[np.int32] * 3, np.float32, np.int64]
    assert [column.dtype for column in columns] == dtypes
    disliked = found.where(found.label == 0)
    assert len(disliked) == sum(not liked for _, _, liked, *_ in expected)
    assert set(disliked.rating.tolist()) == {1.0}
    mean = np.mean([stars for *_, stars, _ in expected])
    assert found.mean() == pytest.approx(mean)


def test_times_stay_with_their_ratings_when_splits_are_joined(planted):
    both = planted.data.ratings_of_both_splits()
    expected = [
        (row["user"], item, time)
        for row in sorted(parsed(planted, planted.records), key=lambda row: row["user"])
        for item, time in zip(
            row[f.HISTORY_ITEM_ID] + row[f.ITEM_ID],
            row[f.HISTORY_TIMESTAMP] + row[f.TIMESTAMP],
            strict=True,
        )
    ]
    columns = (both.user_index, both.item_index, both.timestamp)
    assert list(zip(*map(np.ndarray.tolist, columns), strict=True)) == expected


def test_times_are_read_only_for_a_model_that_reads_them(planted):
    data = dataclasses.replace(planted.data, reads_times=False)
    assert data.train_ratings.timestamp is None
    assert data.ratings_of_both_splits().timestamp is None
    [batch] = inputs.eval_users(data, 1000)
    assert f.HISTORY_TIMESTAMP not in batch


def test_a_log_without_times_has_the_time_0_everywhere(transformed_log):
    log = {2: [(3, 1, 5.0), (4, 1, 5.0)], 3: [(5, 1, 5.0)]}
    data = transformed_log(log, {2: [(6, 1, 5.0)]}, 4, 7, reads_times=True)
    assert data.train_ratings.timestamp.tolist() == [0, 0, 0]
    [batch] = inputs.eval_users(data, 1000)
    assert batch[f.HISTORY_TIMESTAMP].numpy().tolist() == [[0, 0]]
    assert (data.first_rated() == inputs.NEVER).all()


def test_files_are_read_in_an_order_that_does_not_depend_on_their_names(tmp_path):
    users = ([300, 2], [7], [])
    for names in ("xyz", "zyx"):
        paths = [str(tmp_path / name) for name in names]
        for path, indices in zip(paths, users, strict=True):
            with tf.io.TFRecordWriter(path, "GZIP") as file:
                for index in indices:
                    example = tf.train.Example()
                    feature = example.features.feature[f.USER_INDEX]
                    feature.int64_list.value.append(index)
                    file.write(example.SerializeToString())
        read = inputs.records_of(inputs.sorted_by_first_user(paths))
        examples = map(tf.train.Example.FromString, read.as_numpy_iterator())
        assert [
            example.features.feature[f.USER_INDEX].int64_list.value[0]
            for example in examples
        ] == [7, 300, 2]


def test_user_fields_are_tables_by_user(planted):
    tables = dict(planted.data.user_fields)
    rows = parsed(planted, planted.records)
    taste, moods, weights = (
        tables.pop(f"user_{name}")
        for name in ("taste_vector", "moods_index", "moods_weight")
    )
    assert (moods.dtype, weights.dtype) == (np.int32, np.float32)
    [loud] = set(moods[weights == 2])
    assert set(weights[moods == loud]) == {1, 2}
    assert taste.dtype == np.float32
    users = tf.data.TFRecordDataset(planted.data.train_files[0], "GZIP")
    for example in map(tf.train.Example.FromString, users.as_numpy_iterator()):
        [user] = example.features.feature["user_index"].int64_list.value
        wanted = example.features.feature["user_taste_vector"].float_list.value
        assert taste[user].tolist() == list(wanted)
    assert list(tables) == ["user_gender_index", "user_occupation_index"]
    for name, table in tables.items():
        assert table.shape[0] == planted.data.sizes.num_users
        assert not table[:2].any()  # the reserved rows
        wanted = padded([row[name] for row in rows])
        assert table[[row["user"] for row in rows]].tolist() == wanted


def test_without_user_fields_there_is_no_table(planted):
    ids = dataclasses.replace(planted.data.sizes, user_fields=(), user_weights={})
    assert dataclasses.replace(planted.data, sizes=ids).user_fields == {}


def test_eval_users_have_their_history_and_their_targets(planted):
    expected = parsed(planted, planted.records)
    [batch] = inputs.eval_users(planted.data, 1000)
    types = dict.fromkeys(
        (
            *("user_index", "item_index", "label"),
            *("history_item_index", "history_label", "history_timestamp"),
        ),
        tf.int64,
    ) | {"user_gender_index": tf.int64, "user_occupation_index": tf.int64}
    types |= dict.fromkeys(
        ("rating", "user_taste_vector", "user_moods_weight"), tf.float32
    )
    types["user_moods_index"] = tf.int64
    assert {name: value.dtype for name, value in batch.items()} == types
    assert batch[f.USER_INDEX].numpy().tolist() == [row["user"] for row in expected]
    for name, wanted in (
        (f.ITEM_INDEX, f.ITEM_ID),
        (f.HISTORY_ITEM_INDEX, f.HISTORY_ITEM_ID),
        (f.HISTORY_LABEL, "liked"),
        (f.HISTORY_TIMESTAMP, f.HISTORY_TIMESTAMP),
        ("user_gender_index", "user_gender_index"),
        ("user_occupation_index", "user_occupation_index"),
    ):
        rows = [row[wanted] for row in expected]
        assert batch[name].numpy().tolist() == padded(rows), name
    assert batch[f.LABEL].numpy().tolist() == [[1, 0]] * len(expected)
    assert batch[f.RATING].numpy().tolist() == [[4.0, 2.0]] * len(expected)


def test_eval_users_are_as_many_as_whole_batches_hold(planted, monkeypatch):
    monkeypatch.setattr(inputs, "READ_BATCH", 5)
    batches = list(inputs.eval_users(planted.data, 12))
    assert [len(batch[f.USER_INDEX]) for batch in batches] == [5, 5, 5]


def test_eval_users_are_those_who_liked_a_target_however_late(
    transformed_log, monkeypatch
):
    """With READ_BATCH records at once, three batches have no user who liked one."""
    monkeypatch.setattr(inputs, "READ_BATCH", 4)
    fans = {14, 15, 19, 21}
    targets = {user: [(3, 0, 1.0), (4, user in fans, 5.0)] for user in range(2, 22)}
    data = transformed_log({user: [(2, 1, 5.0)] for user in targets}, targets, 22, 9)

    def found(limit):
        batches = inputs.eval_users(data, limit)
        return [batch[f.USER_INDEX].numpy().tolist() for batch in batches]

    assert found(1) == found(2) == [[14, 15]]
    assert found(3) == [[14, 15], [19, 21]] == found(1000)


def test_interactions_are_sorted_unique_and_turn_around():
    pairs = [(3, 1), (2, 4), (3, 1), (1, 1), (2, 2)]
    found = make_interactions(pairs, 5, 6)
    assert len(found) == 4
    assert found.user_index.tolist() == [1, 2, 2, 3]
    assert found.item_index.tolist() == [1, 2, 4, 1]
    assert found.row_splits().tolist() == [0, 0, 1, 3, 4, 4]
    turned = found.transposed()
    assert turned.user_index.tolist() == [1, 1, 2, 4]
    assert turned.item_index.tolist() == [1, 3, 2, 2]
    assert dataclasses.astuple(turned)[2:] == (6, 5, None)
