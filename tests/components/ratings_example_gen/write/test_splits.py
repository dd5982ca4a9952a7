"""Grouping, splitting and encoding against one user at a time in plain Python."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ratings_example_gen.write import (
    example_encoder,
    splits,
    tfrecords,
    user_histories,
)

SPLITS = ("train", "eval", "test")
Rating = tuple[str, str, float, int]


@dataclass
class Record:
    """One Example as plain Python: lists of (item, rating, timestamp)."""

    targets: list[tuple[str, float, int]]
    history: list[tuple[str, float, int]]


def table(rows: list[Rating], times: bool = True) -> pa.Table:
    columns = {
        "user_id": pa.array([row[0] for row in rows], pa.string()),
        "item_id": pa.array([row[1] for row in rows], pa.string()),
        "rating": pa.array([row[2] for row in rows], pa.float32()),
        "timestamp": pa.array([row[3] for row in rows], pa.int64()),
        "order": pa.array(range(len(rows)), pa.int64()),
    }
    if not times:
        del columns["timestamp"]
    return pa.table(columns)


def decode(record: bytes) -> tuple[str, Record]:
    feature = tf.train.Example.FromString(record).features.feature

    def ratings(prefix: str) -> list[tuple[str, float, int]]:
        items = [i.decode() for i in feature[f"{prefix}item_id"].bytes_list.value]
        values = feature[f"{prefix}rating"].float_list.value
        times = feature[f"{prefix}timestamp"].int64_list.value
        return list(zip(items, values, times, strict=True))

    (user,) = feature["user_id"].bytes_list.value
    return user.decode(), Record(ratings(""), ratings("history_"))


def split_with_code(rows, kind, max_history=10_000, num_buckets=2, **options):
    """Runs the code under test; returns split → user → record, and the counts."""
    found: dict[str, dict[str, Record]] = {split: {} for split in SPLITS}
    counts: Counter[str] = Counter()
    grouped = [
        user_histories.group_ratings([piece], max_history)
        for _, piece in user_histories.scatter(table(rows), num_buckets)
    ]
    hours: Counter[int] = Counter()
    for bucket in grouped:
        hours.update((bucket.timestamp // 3600).tolist())
    for bucket in grouped:
        counts.update(duplicates=bucket.duplicates, truncated=bucket.truncated)

        def divide(bucket):
            if kind == "leave_last_out":
                return bucket, splits.leave_last_out(bucket)
            if kind == "temporal":
                cuts = splits.find_cuts(hours, options["eval"], options["test"])
                return bucket, splits.temporal(bucket, cuts)
            fractions = (options["eval"], options["test"])
            return splits.random(bucket, fractions, options["seed"])

        if "held_out" in options:
            bucket, ranges = splits.hold_items_out(
                bucket, options["held_out"], 7, divide
            )
        else:
            bucket, ranges = divide(bucket)
        encoder = example_encoder.Encoder(bucket, {})
        for split in SPLITS:
            for raw in encoder.encode(ranges[split], with_history=split != "train"):
                user, record = decode(raw)
                assert user not in found[split]
                found[split][user] = record
    return found, counts


def group_by_hand(rows: list[Rating], max_history: int):
    """Returns user → [(item, rating, time)] sorted, and the counts."""
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    for position, (user, item, _, time) in enumerate(rows):
        key = (time, position)
        newest[user, item] = max(newest.get((user, item), key), key)
    by_user = defaultdict(list)
    for time, position in sorted(newest.values()):
        user, item, rating, _ = rows[position]
        by_user[user].append((item, rating, time))
    kept = {user: ratings[-max_history:] for user, ratings in by_user.items()}
    counts = Counter(
        duplicates=len(rows) - len(newest),
        truncated=len(newest) - sum(map(len, kept.values())),
    )
    return kept, counts


def split_by_hand(by_user, kind, cuts=None):
    found: dict[str, dict[str, Record]] = {split: {} for split in SPLITS}
    for user, ratings in by_user.items():
        if kind == "leave_last_out":
            first = second = len(ratings)
            if len(ratings) >= 3:
                first, second = len(ratings) - 2, len(ratings) - 1
        else:
            first = sum(time < cuts[0] for _, _, time in ratings)
            second = sum(time < cuts[1] for _, _, time in ratings)
        parts = {
            "train": (ratings[:first], []),
            "eval": (ratings[first:second], ratings[:first]),
            "test": (ratings[second:], ratings[:second]),
        }
        for split, (targets, history) in parts.items():
            if targets:
                found[split][user] = Record(targets, history)
    return found


LOGS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "é", "w w"]),
        st.text(st.sampled_from("ab✓"), min_size=1, max_size=3),
        st.sampled_from([0.5, 1.0, 4.5]),
        st.integers(-5, 5)
        | st.integers(0, 40_000)
        | st.sampled_from([2**35, -(2**35)]),
    ),
    min_size=1,
    max_size=60,
)
MAX_HISTORY = st.sampled_from([3, 5, 10_000])


@settings(max_examples=50)
@given(rows=LOGS, max_history=MAX_HISTORY)
def test_leave_last_out(rows, max_history):
    by_user, counts = group_by_hand(rows, max_history)
    found, found_counts = split_with_code(rows, "leave_last_out", max_history)
    assert found == split_by_hand(by_user, "leave_last_out")
    assert found_counts == counts


@settings(max_examples=50)
@given(rows=LOGS, max_history=MAX_HISTORY, share=st.sampled_from([0.1, 0.3]))
def test_temporal(rows, max_history, share):
    by_user, counts = group_by_hand(rows, max_history)
    found, found_counts = split_with_code(
        rows, "temporal", max_history, eval=share, test=share
    )
    times = [time for ratings in by_user.values() for _, _, time in ratings]
    cuts = cuts_by_hand(times, share, share)
    assert found == split_by_hand(by_user, "temporal", cuts)
    assert found_counts == counts
    first_target = min(
        time for record in found["test"].values() for _, _, time in record.targets
    )
    for split in ("train", "eval"):
        for record in found[split].values():
            assert all(time < first_target for _, _, time in record.targets)


@settings(max_examples=50)
@given(rows=LOGS, kind=st.sampled_from(["leave_last_out", "temporal", "random"]))
def test_items_that_are_held_out_are_test_targets_beside_those_of_the_split(rows, kind):
    share = {"eval": 0.3, "test": 0.3, "seed": 1}
    found, _ = split_with_code(rows, kind, num_buckets=1, held_out=0.4, **share)
    by_user, _ = group_by_hand(rows, 10_000)
    elsewhere = {
        item
        for split in ("train", "eval")
        for record in found[split].values()
        for item, _, _ in record.targets
    }
    # The same digest as in the code, but no array: a share of all hashes.
    out = {row[1] for row in rows if hashed(row[1]) < 0.4}
    assert not out & elsewhere
    kept = [row for row in rows if row[1] not in out]
    expected = {split: {} for split in SPLITS}
    if kept:
        # ``temporal`` places its cuts by all ratings, so the hand places them as well.
        if kind == "random":
            expected, _ = split_with_code(kept, kind, num_buckets=1, **share)
        else:
            times = [time for ratings in by_user.values() for _, _, time in ratings]
            cuts = cuts_by_hand(times, 0.3, 0.3) if kind == "temporal" else None
            expected = split_by_hand(group_by_hand(kept, 10_000)[0], kind, cuts)
    for user, ratings in by_user.items():
        new = [rating for rating in ratings if rating[0] in out]
        if new:
            record = expected["test"].get(user)
            if record is None:
                before = [
                    rating
                    for split in ("train", "eval")
                    if user in expected[split]
                    for rating in expected[split][user].targets
                ]
                record = Record([], sorted(before, key=lambda rating: rating[2]))
            # Both parts are in the order of time; of equal times, the split's first.
            targets = sorted([*record.targets, *new], key=lambda rating: rating[2])
            expected["test"][user] = Record(targets, record.history)
    assert found == expected


def hashed(item: str) -> float:
    digest = hashlib.blake2b(item.encode(), digest_size=8, key=b"7/held out").digest()
    return int.from_bytes(digest, "little") / 2**64


def test_the_share_of_items_that_are_held_out_is_that_of_the_setting():
    rows = [("u", f"item {n}", 1.0, n) for n in range(5000)]
    found, _ = split_with_code(rows, "leave_last_out", held_out=0.2)
    [record] = found["test"].values()
    assert abs(len(record.targets) / 5000 - 0.2) < 5 * (0.2 * 0.8 / 5000) ** 0.5


def cuts_by_hand(times: list[int], eval_share: float, test_share: float):
    """The newest hour from whose beginning on enough ratings follow."""

    def cut(share: float) -> int:
        hours = sorted({time // 3600 * 3600 for time in times}, reverse=True)
        for hour in hours:
            if sum(time >= hour for time in times) >= share * len(times):
                return hour
        raise AssertionError

    return cut(eval_share + test_share), cut(test_share)


@settings(max_examples=50)
@given(rows=LOGS, max_history=MAX_HISTORY, seed=st.integers(0, 9))
def test_random(rows, max_history, seed):
    by_user, counts = group_by_hand(rows, max_history)
    found, found_counts = split_with_code(
        rows, "random", max_history, eval=0.3, test=0.3, seed=seed
    )
    assert found_counts == counts
    assert everything(found) == everything({"all": by_user})
    for split in SPLITS:
        for user, record in found[split].items():
            order = {rating: n for n, rating in enumerate(by_user[user])}
            before = [
                rating
                for earlier in SPLITS[: SPLITS.index(split)]
                for rating in found[earlier].get(user, Record([], [])).targets
            ]
            assert record.history == sorted(before, key=lambda rating: rating[2])
            positions = [order[rating] for rating in record.targets]
            assert positions == sorted(positions)


def everything(found) -> Counter:
    """Counts (user, rating) over all splits' targets."""
    return Counter(
        (user, rating)
        for users in found.values()
        for user, record in users.items()
        for rating in (record.targets if isinstance(record, Record) else record)
    )


@settings(max_examples=50)
@given(rows=LOGS, kind=st.sampled_from(["leave_last_out", "temporal", "random"]))
def test_every_kept_rating_is_a_target_exactly_once(rows, kind):
    by_user, _ = group_by_hand(rows, 10_000)
    found, _ = split_with_code(rows, kind, eval=0.2, test=0.2, seed=1)
    assert everything(found) == everything({"all": by_user})


@settings(max_examples=50)
@given(rows=LOGS, kind=st.sampled_from(["leave_last_out", "temporal"]))
def test_nothing_at_or_after_a_target_is_in_its_history(rows, kind):
    position = {}
    for ratings in group_by_hand(rows, 10_000)[0].items():
        position[ratings[0]] = {rating: n for n, rating in enumerate(ratings[1])}
    found, _ = split_with_code(rows, kind, eval=0.2, test=0.2)
    for split in ("eval", "test"):
        for user, record in found[split].items():
            first = min(position[user][rating] for rating in record.targets)
            seen = [position[user][rating] for rating in record.history]
            assert seen == list(range(first))


@pytest.mark.parametrize("kind", ["leave_last_out", "temporal", "random"])
def test_of_a_person_under_two_ids_only_a_random_split_lets_the_test_be_learned(kind):
    rows = [
        (user, f"i{n}", 1.0, n * 3600) for n in range(40) for user in ("one", "two")
    ]
    found, _ = split_with_code(rows, kind, eval=0.1, test=0.2, seed=0)
    tested = {item for item, *_ in found["test"]["one"].targets}
    learned = {item for item, *_ in found["train"]["two"].targets}
    assert bool(tested & learned) == (kind == "random")


def test_random_takes_about_the_fractions_and_follows_the_seed():
    rows = [(f"u{n % 500}", f"i{n // 500}", 1.0, n) for n in range(20_000)]
    once, _ = split_with_code(rows, "random", eval=0.1, test=0.2, seed=1)
    again, _ = split_with_code(
        rows, "random", num_buckets=5, eval=0.1, test=0.2, seed=1
    )
    other, _ = split_with_code(rows, "random", eval=0.1, test=0.2, seed=2)
    assert once == again
    assert once != other
    sizes = [sum(len(r.targets) for r in once[split].values()) for split in SPLITS]
    # Four standard deviations of a binomial with 20,000 trials.
    assert np.allclose(np.array(sizes) / 20_000, [0.7, 0.1, 0.2], atol=0.0125)


def test_without_times_the_order_of_the_file_counts():
    rows = [("u", "a", 1.0, 0), ("u", "b", 2.0, 0), ("u", "a", 3.0, 0)]
    grouped = user_histories.group_ratings([table(rows, times=False)], 10)
    assert grouped.item_id.to_pylist() == ["b", "a"]
    assert grouped.rating.tolist() == [2.0, 3.0]
    assert grouped.duplicates == 1
    (record,) = example_encoder.Encoder(grouped, {}).encode(
        splits.leave_last_out(grouped)["train"], with_history=False
    )
    assert "timestamp" not in tf.train.Example.FromString(record).features.feature


@settings(max_examples=200)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["u", "v"]),
            st.sampled_from("abc"),
            st.sampled_from([1.0, 2.0, 3.0]),
            st.integers(0, 3),
        ),
        min_size=1,
    ),
    repeats=st.sampled_from(["latest", "first", "highest"]),
    times=st.booleans(),
)
def test_one_rating_of_a_pair_counts(rows, repeats, times):
    grouped = user_histories.group_ratings([table(rows, times)], 10, repeats=repeats)

    def when(number):
        return (rows[number][3] if times else 0, number)

    wanted = {
        "latest": when,
        "first": lambda n: tuple(-part for part in when(n)),
        "highest": lambda n: (rows[n][2], when(n)),
    }[repeats]
    best: dict[tuple[str, str], int] = {}
    for number, (user, item, _, _) in enumerate(rows):
        chosen = best.setdefault((user, item), number)
        best[user, item] = max(chosen, number, key=wanted)
    in_order = sorted(best.values(), key=lambda n: (rows[n][0], when(n)))
    assert grouped.item_id.to_pylist() == [rows[n][1] for n in in_order]
    assert grouped.rating.tolist() == [rows[n][2] for n in in_order]
    assert grouped.duplicates == len(rows) - len(best)


def test_without_times_all_keeps_each_row():
    rows = [("u", "a", 1.0, 0), ("u", "b", 2.0, 0), ("u", "a", 1.0, 0)]
    ratings = [table(rows, times=False)]
    grouped = user_histories.group_ratings(ratings, 10, repeats="all")
    assert grouped.item_id.to_pylist() == ["a", "b", "a"]
    assert grouped.duplicates == 0


def test_users_features_are_in_every_record():
    rows = [("u", item, 1.0, n) for n, item in enumerate("abc")]
    grouped = user_histories.group_ratings([table(rows)], 10)
    users = {
        "u": [
            ("user_age", ["25"]),
            ("user_tags", ["x", "y"]),
            ("user_zip", []),
            ("user_income", [1250.5]),
        ]
    }
    encoder = example_encoder.Encoder(grouped, users)
    for split, ranges in splits.leave_last_out(grouped).items():
        (record,) = encoder.encode(ranges, with_history=split != "train")
        feature = tf.train.Example.FromString(record).features.feature
        assert list(feature["user_age"].bytes_list.value) == [b"25"]
        assert list(feature["user_tags"].bytes_list.value) == [b"x", b"y"]
        assert list(feature["user_zip"].bytes_list.value) == []
        assert list(feature["user_income"].float_list.value) == [1250.5]


@settings(max_examples=50)
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)))
def test_whole_numbers_of_any_size_come_back(values):
    rows = [("u", str(n), 1.0, value) for n, value in enumerate(sorted(values))]
    if rows:
        grouped = user_histories.group_ratings([table(rows)], 10_000)
        begin = np.array([0])
        everything = splits.Ranges(begin, grouped.begins[1:], begin, begin)
        (record,) = example_encoder.Encoder(grouped, {}).encode(
            everything, with_history=False
        )
        feature = tf.train.Example.FromString(record).features.feature
        assert list(feature["timestamp"].int64_list.value) == sorted(values)


def records_read_by_tensorflow(path: str) -> Iterable[bytes]:
    return list(tf.data.TFRecordDataset(path, "GZIP").as_numpy_iterator())


def test_tensorflow_reads_the_files_back(tmp_path):
    records = [b"", b"one", bytes(range(256)) * 8000, b"last"]
    path = str(tmp_path / tfrecords.file_name(0, 1))
    assert tfrecords.write(path, records) == 4
    assert records_read_by_tensorflow(path) == records
    assert tfrecords.write(path, records[:2]) == 2  # A retried bundle.
    assert records_read_by_tensorflow(path) == records[:2]
    assert [p.name for p in tmp_path.iterdir()] == ["data_tfrecord-00000-of-00001.gz"]


@pytest.mark.parametrize("num_buckets", [1, 7])
def test_a_user_is_whole_in_one_bucket(num_buckets):
    rows = [(f"u{n % 50}", f"i{n}", 1.0, n) for n in range(500)]
    pieces = dict(user_histories.scatter(table(rows), num_buckets))
    users = [set(piece["user_id"].to_pylist()) for piece in pieces.values()]
    assert sum(len(found) for found in users) == 50
    back = pa.concat_tables(pieces.values()).sort_by("order")
    assert back.to_pylist() == table(rows).to_pylist()
