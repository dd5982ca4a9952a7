"""Events in splits, against one user at a time in plain Python."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ratings_example_gen.events import Events
from components.ratings_example_gen.write import (
    example_encoder,
    splits,
    user_histories,
)

SPLITS = ("train", "eval", "test")
WEIGHTS = {"view": 0.0, "cart": 2.0, "buy": 4.0, "skip": -1.0}
EVENTS = Events(WEIGHTS, ("buy", "skip"))
JUDGED = {"buy", "skip"}

# (user, item, type, hour); every event has an hour of its own.
LOGS = st.lists(
    st.tuples(
        st.sampled_from("uv"), st.sampled_from("abc"), st.sampled_from([*WEIGHTS])
    ),
    min_size=1,
    max_size=40,
).flatmap(
    lambda rows: st.permutations(range(len(rows))).map(
        lambda hours: [(*row, hour) for row, hour in zip(rows, hours, strict=True)]
    )
)


def group(rows, events=EVENTS, **options):
    table = pa.table(
        {
            "user_id": pa.array([row[0] for row in rows], pa.string()),
            "item_id": pa.array([row[1] for row in rows], pa.string()),
            "rating": pa.array([WEIGHTS[row[2]] for row in rows], pa.float32()),
            "timestamp": pa.array([3600 * row[3] for row in rows], pa.int64()),
            "event_type": pa.array([row[2] for row in rows], pa.string()),
            "order": pa.array(range(len(rows)), pa.int64()),
        }
    )
    return user_histories.group_ratings([table], 10_000, events=events, **options)


def written(histories, ranges):
    """Returns split → user → (rows, history), each row (item, type, rating, hour)."""
    found = {}
    for split in SPLITS:
        encoder = example_encoder.Encoder(histories, {})
        found[split] = {}
        for raw in encoder.encode(ranges[split], with_history=split != "train"):
            feature = tf.train.Example.FromString(raw).features.feature

            def rows(prefix, feature=feature):
                return [
                    (item.decode(), kind.decode(), rating, time // 3600)
                    for item, kind, rating, time in zip(
                        feature[f"{prefix}item_id"].bytes_list.value,
                        feature[f"{prefix}event_type"].bytes_list.value,
                        feature[f"{prefix}rating"].float_list.value,
                        feature[f"{prefix}timestamp"].int64_list.value,
                        strict=True,
                    )
                ]

            [user] = feature["user_id"].bytes_list.value
            found[split][user.decode()] = (rows(""), rows("history_"))
    return found


def group_by_hand(rows):
    """Returns user → rows in order: of each item the last judged, other and view."""
    newest = {}
    for user, item, kind, hour in sorted(rows, key=lambda row: row[3]):
        part = "judged" if kind in JUDGED else kind == "view"
        newest[user, item, part] = (item, kind, WEIGHTS[kind], hour)
    by_user = defaultdict(list)
    for (user, _, _), row in sorted(newest.items(), key=lambda pair: pair[1][3]):
        by_user[user].append(row)
    return by_user


def cut_by_hand(by_user, cuts_of):
    found = {split: {} for split in SPLITS}
    for user, rows in by_user.items():
        first, second = cuts_of(rows)
        parts = {
            "train": (rows[:first], []),
            "eval": (rows[first:second], rows[:first]),
            "test": (rows[second:], rows[:second]),
        }
        for split, (own, history) in parts.items():
            if own:
                found[split][user] = (own, history)
    return found


@settings(max_examples=60)
@given(rows=LOGS)
def test_the_last_two_judged_rows_are_left_out_with_what_follows_them(rows):
    def cuts_of(own):
        judged = [place for place, row in enumerate(own) if row[1] in JUDGED]
        if len(judged) < 2 or judged[-2] == 0:
            return len(own), len(own)
        return judged[-2], judged[-1]

    histories = group(rows)
    by_user = group_by_hand(rows)
    found = written(histories, splits.leave_last_out(histories))
    assert found == cut_by_hand(by_user, cuts_of)
    num_kept = sum(map(len, by_user.values()))
    assert histories.duplicates == len(rows) - num_kept


@settings(max_examples=60)
@given(rows=LOGS, cuts=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_nothing_after_a_cut_in_time_reaches_the_model(rows, cuts):
    cuts = tuple(sorted(cuts))

    def cuts_of(own):
        return tuple(sum(row[3] < cut for row in own) for cut in cuts)

    histories = group(rows)
    found = written(
        histories, splits.temporal(histories, tuple(3600 * cut for cut in cuts))
    )
    assert found == cut_by_hand(group_by_hand(rows), cuts_of)
    for own, history in found["test"].values():
        for row in own:
            if row[1] in JUDGED:
                assert all(earlier[3] < row[3] for earlier in history)


@settings(max_examples=30)
@given(rows=LOGS, seed=st.integers(0, 9))
def test_a_random_split_has_each_row_once_with_its_type(rows, seed):
    histories = group(rows)
    found = written(*splits.random(histories, (0.3, 0.3), seed))
    everything = [
        (user, row)
        for split in SPLITS
        for user, (own, _) in found[split].items()
        for row in own
    ]
    by_hand = [(user, row) for user, own in group_by_hand(rows).items() for row in own]
    assert sorted(everything) == sorted(by_hand)


@pytest.mark.parametrize("repeats", ["latest", "first", "highest"])
def test_a_view_never_replaces_a_purchase(repeats):
    rows = [("u", "a", kind, hour) for hour, kind in enumerate(["buy", "cart", "view"])]
    kept = group(rows, repeats=repeats)
    assert kept.event_type.to_pylist() == ["buy", "cart", "view"]
    assert kept.is_judged.tolist() == [True, False, False]
    np.testing.assert_array_equal(kept.rating, [4, 2, 0])


@settings(max_examples=60)
@given(rows=LOGS)
def test_count_adds_up_what_was_before_the_row_that_is_kept(rows):
    histories = group(rows, repeats="count")
    users = np.repeat(histories.user_id.to_pylist(), np.diff(histories.begins))
    found = {
        (user, item, kind, time // 3600): rating
        for user, item, kind, time, rating in zip(
            *(users, histories.item_id.to_pylist(), histories.event_type.to_pylist()),
            *(histories.timestamp.tolist(), histories.rating.tolist()),
            strict=True,
        )
    }
    expected = {}
    for user, own in group_by_hand(rows).items():
        for item, kind, weight, hour in own:
            # Carts and purchases are apart; so are purchases and skips.
            expected[user, item, kind, hour] = weight * sum(
                other[:3] == (user, item, kind) and other[3] <= hour for other in rows
            )
    assert found == expected
    # Added to a row that is kept: those of its pair, group and sign. A purchase of what
    # was skipped later is left out.
    kept_kinds = {(user, item, kind) for user, item, kind, _ in expected}
    merged = sum(row[:3] in kept_kinds for row in rows) - len(expected)
    assert histories.merged == merged
    assert histories.duplicates == len(rows) - len(expected) - merged


@settings(max_examples=60)
@given(rows=LOGS, twice=st.booleans())
def test_all_keeps_every_event_once(rows, twice):
    """An event that is delivered twice, with the same time, is one."""
    histories = group([*rows, *rows] if twice else rows, repeats="all")
    users = np.repeat(histories.user_id.to_pylist(), np.diff(histories.begins))
    found = zip(
        *(users, histories.item_id.to_pylist(), histories.event_type.to_pylist()),
        *(histories.timestamp // 3600, histories.rating.tolist()),
        strict=True,
    )
    expected = [(*row, WEIGHTS[row[2]]) for row in rows]
    assert list(found) == sorted(expected, key=lambda row: (row[0], row[3]))
    assert histories.duplicates == (len(rows) if twice else 0)
    assert histories.merged == 0


def test_all_keeps_different_types_of_one_time():
    rows = [("u", "a", "cart", 1), ("u", "a", "buy", 1), ("u", "a", "buy", 1)]
    histories = group(rows, repeats="all")
    assert histories.event_type.to_pylist() == ["cart", "buy"]
    assert histories.duplicates == 1


def test_without_events_no_type_is_written():
    rows = [("u", "a", "buy", 0), ("u", "b", "view", 1)]
    [raw] = example_encoder.Encoder(group(rows, events=None), {}).encode(
        splits.temporal(group(rows, events=None), (9999999, 9999999))["train"],
        with_history=False,
    )
    names = set(tf.train.Example.FromString(raw).features.feature)
    assert names == {"user_id", "item_id", "rating", "timestamp"}
