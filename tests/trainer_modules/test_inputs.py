"""Transformed records as training reads them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules import inputs


def parsed(planted, records):
    """Users' indices of each record's lists, by the vocabularies."""
    vocabularies = {
        name: [b"", b"?", *planted.output.vocabulary_by_name(name)]
        for name in (f.USER_VOCABULARY, f.ITEM_VOCABULARY)
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
        row["liked"] = [r > 3 for r in feature[f.HISTORY_RATING].float_list.value]
        rows.append(row)
    return rows


def test_positives_are_what_was_liked_each_once(planted):
    # A planted user's history before the eval target is the train record.
    expected = {
        (row["user"], item)
        for row in parsed(planted, planted.records)
        for item, liked in zip(row[f.HISTORY_ITEM_ID], row["liked"], strict=True)
        if liked
    }
    data = planted.data
    twice = data.train_files * 2
    for files in (data.train_files, twice):
        found = inputs.read_positives(data, files)
        pairs = list(
            zip(found.user_index.tolist(), found.item_index.tolist(), strict=True)
        )
        assert pairs == sorted(expected)
        assert found.user_index.dtype == found.item_index.dtype == np.int32
        assert (found.num_users, found.num_items) == (data.num_users, data.num_items)


def test_positives_of_several_files_are_joined(planted):
    data = planted.data
    both = inputs.read_positives(data, data.train_files + data.eval_files)
    assert len(both) == len(planted.records) * 11


def test_no_positive_at_all_is_an_error_that_says_so(planted, tmp_path):
    path = str(tmp_path / "none.gz")
    with tf.io.TFRecordWriter(path, "GZIP"):
        pass
    with pytest.raises(ValueError, match="no positive.*none.gz.*label.threshold"):
        inputs.read_positives(planted.data, [path])


def test_eval_users_have_their_history_and_their_targets(planted):
    expected = parsed(planted, planted.records)
    [batch] = inputs.eval_users(planted.data, 1000)
    assert {name: value.dtype for name, value in batch.items()} == dict.fromkeys(
        ("user_index", "item_index", "label", "history_item_index", "history_label"),
        tf.int64,
    )
    assert batch[f.USER_INDEX].numpy().tolist() == [row["user"] for row in expected]
    for name, wanted in (
        (f.ITEM_INDEX, f.ITEM_ID),
        (f.HISTORY_ITEM_INDEX, f.HISTORY_ITEM_ID),
        (f.HISTORY_LABEL, "liked"),
    ):
        assert batch[name].numpy().tolist() == [row[wanted] for row in expected]
    assert batch[f.LABEL].numpy().tolist() == [[1]] * len(expected)


def test_eval_users_are_as_many_as_whole_batches_hold(planted, monkeypatch):
    monkeypatch.setattr(inputs, "READ_BATCH", 5)
    batches = list(inputs.eval_users(planted.data, 12))
    assert [len(batch[f.USER_INDEX]) for batch in batches] == [5, 5, 5]


def test_interactions_are_sorted_unique_and_turn_around(interactions):
    pairs = [(3, 1), (2, 4), (3, 1), (1, 1), (2, 2)]
    found = interactions(pairs, 5, 6)
    assert len(found) == 4
    assert found.user_index.tolist() == [1, 2, 2, 3]
    assert found.item_index.tolist() == [1, 2, 4, 1]
    assert found.row_splits().tolist() == [0, 0, 1, 3, 4, 4]
    turned = found.transposed()
    assert turned.user_index.tolist() == [1, 1, 2, 4]
    assert turned.item_index.tolist() == [1, 3, 2, 2]
    assert dataclasses.astuple(turned)[2:] == (6, 5)
