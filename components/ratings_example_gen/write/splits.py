"""Divides each user's history between train, eval and test.

Whatever the kind, a split is, for each user, a range of targets and a range of the
ratings that precede them. The test targets are preceded by all of train and eval: these
are excluded from the candidates at test, and a model may learn from them.

With types of events, only rows of the judged types are targets; Transform finds them by
their type. The other rows of eval and test are neither targets nor history there.

Of items that are held out, all ratings are test targets, whatever their time.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.ratings_example_gen.write.user_histories import Histories, Int64, mix
from trainer_modules.features import EVAL_SPLIT, SPLITS, TEST_SPLIT, TRAIN_SPLIT

HOUR = 3600


@dataclass(frozen=True)
class Ranges:
    """One split of a bucket: two ranges [begin, end) for each user.

    Attributes:
        begin: [U] offset of the first target.
        end: [U] offset after the last row; ``begin`` for users without rows.
        history_begin: [U] offset of the first rating of the history.
        history_end: [U] offset after the last rating of the history.
    """

    begin: Int64
    end: Int64
    history_begin: Int64
    history_end: Int64


# Histories, and by split the ranges of its rows in them.
Divided = tuple[Histories, dict[str, Ranges]]


def leave_last_out(histories: Histories) -> dict[str, Ranges]:
    """Assigns the last rating to test and the one before to eval, if a user has 3.

    With types of events, they are the last two judged rows, each with what follows it,
    of users who have anything before them.
    """
    begin, end = histories.begins[:-1], histories.begins[1:]
    if histories.is_judged is not None:
        return _leave_last_judged_out(begin, end, histories.is_judged)
    held_out = (end - begin >= 3).astype(np.int64)
    return _cut(begin, end - 2 * held_out, end - held_out, end)


def _leave_last_judged_out(
    begin: Int64, end: Int64, is_judged: npt.NDArray[np.bool_]
) -> dict[str, Ranges]:
    judged = np.flatnonzero(is_judged)
    # [U] place among the judged rows, of a user's first one and after the last one.
    first, last = np.searchsorted(judged, begin), np.searchsorted(judged, end)
    of_eval = np.maximum(last - 2, 0)
    padded = np.append(judged, [0, 0])  # valid places for users without judged rows
    held_out = (last - first >= 2) & (padded[of_eval] > begin)
    return _cut(
        begin,
        np.where(held_out, padded[of_eval], end),
        np.where(held_out, padded[of_eval + 1], end),
        end,
    )


def temporal(histories: Histories, cuts: tuple[int, int]) -> dict[str, Ranges]:
    """Assigns ratings before the first time to train, from the second on to test."""
    begin, end = histories.begins[:-1], histories.begins[1:]
    first, second = (_first_at(histories, cut) for cut in cuts)
    return _cut(begin, first, second, end)


def _first_at(histories: Histories, time: int) -> Int64:
    """Returns the offset of each user's first rating at or after ``time`` [U]."""
    times = histories.timestamp
    if times is None:
        raise ValueError("a split by time needs timestamps")
    older = np.concatenate([[0], np.cumsum(times < time)])
    begins = histories.begins
    return begins[:-1] + older[begins[1:]] - older[begins[:-1]]


def _cut(begin: Int64, first: Int64, second: Int64, end: Int64) -> dict[str, Ranges]:
    return {
        TRAIN_SPLIT: Ranges(begin, first, begin, begin),
        EVAL_SPLIT: Ranges(first, second, begin, first),
        TEST_SPLIT: Ranges(second, end, begin, second),
    }


def random(histories: Histories, fractions: tuple[float, float], seed: int) -> Divided:
    """Assigns each rating to a split by a seeded hash of (user, item).

    Returns:
        The histories with each user's ratings reordered by split, oldest first within
        a split; and the ranges of each split. After these ratings, those of train and
        eval are repeated, by user and time: they are the history of a user's test
        targets, because a model may learn from them before it is tested. At equal
        times, those of train come first, as in the order of the written records.
    """
    begins = histories.begins
    num_users, num_ratings = len(begins) - 1, len(histories.rating)
    user = np.repeat(np.arange(num_users), np.diff(begins))
    share = _hash_to_unit(histories, user, seed)
    eval_fraction, test_fraction = fractions
    is_eval = share >= 1 - eval_fraction - test_fraction
    is_test = share >= 1 - test_fraction
    split = is_eval.astype(np.int64) + is_test
    times = histories.timestamp
    by_time = np.lexsort((split, user) if times is None else (split, times, user))
    rows = np.concatenate([np.lexsort((split, user)), by_time[~is_test[by_time]]])
    reordered = _taken(histories, rows)
    counts = np.zeros((num_users, len(SPLITS)), np.int64)
    np.add.at(counts, (user, split), 1)
    first = begins[:-1] + counts[:, 0]
    second = first + counts[:, 1]
    ranges = _cut(begins[:-1], first, second, begins[1:])
    before_test = counts[:, 0] + counts[:, 1]
    history_end = num_ratings + np.cumsum(before_test)
    test = replace(
        ranges[TEST_SPLIT],
        history_begin=history_end - before_test,
        history_end=history_end,
    )
    return reordered, {**ranges, TEST_SPLIT: test}


def hold_items_out(
    histories: Histories,
    share: float,
    seed: int,
    divide: Callable[[Histories], Divided],
) -> Divided:
    """Assigns all ratings of some items to test, and divides the others.

    Args:
        histories: The ratings.
        share: Share of the items that are held out, chosen by a hash of their ids.
        seed: Seed of the hash.
        divide: Divides the ratings of the other items.

    Returns:
        The divided ratings of the other items, followed by all test targets, by user
        and time; and the ranges of each split.
    """
    items = histories.item_id.dictionary_encode()
    is_drawn = _in_unit(_hashes(items.dictionary, f"{seed}/held out")) < share
    is_out = is_drawn[items.indices.to_numpy()]
    begins = histories.begins
    num_users = len(begins) - 1
    user = np.repeat(np.arange(num_users), np.diff(begins))
    kept = _taken(histories, np.flatnonzero(~is_out))
    counts = np.bincount(user[~is_out], minlength=num_users)
    kept = replace(kept, begins=np.concatenate([[0], np.cumsum(counts)]))
    divided, ranges = divide(kept)
    test, num_divided = ranges[TEST_SPLIT], len(divided.rating)
    num_tests = test.end - test.begin
    # Places in ``divided`` followed by the ratings that are held out.
    places = np.concatenate(
        [
            np.repeat(test.begin - np.cumsum(num_tests) + num_tests, num_tests)
            + np.arange(num_tests.sum()),
            num_divided + np.arange(is_out.sum()),
        ]
    )
    owner = np.concatenate([np.repeat(np.arange(num_users), num_tests), user[is_out]])
    joined = _joined(divided, _taken(histories, np.flatnonzero(is_out)))
    times = joined.timestamp
    order = np.lexsort((owner,) if times is None else (times[places], owner))
    rows = np.concatenate([np.arange(num_divided), places[order]])
    num_targets = np.bincount(owner, minlength=num_users)
    end = num_divided + np.cumsum(num_targets)
    test = replace(test, begin=end - num_targets, end=end)
    return _taken(joined, rows), {**ranges, TEST_SPLIT: test}


def _taken(histories: Histories, rows: Int64) -> Histories:
    """Returns some of the ratings; where each user's begin is not adapted."""
    types, is_judged = histories.event_type, histories.is_judged
    times = histories.timestamp
    return replace(
        histories,
        event_type=None if types is None else types.take(pa.array(rows)),
        is_judged=None if is_judged is None else is_judged[rows],
        item_id=histories.item_id.take(pa.array(rows)),
        rating=histories.rating[rows],
        timestamp=None if times is None else times[rows],
    )


def _joined(first: Histories, second: Histories) -> Histories:
    """Returns the ratings of both, with the users and begins of the first."""
    columns = {
        name: pa.concat_arrays([column, getattr(second, name)])
        if isinstance(column, pa.Array)
        else np.concatenate([column, getattr(second, name)])
        for name in ("event_type", "is_judged", "item_id", "rating", "timestamp")
        if (column := getattr(first, name)) is not None
    }
    return replace(first, **columns)


def _hash_to_unit(
    histories: Histories, user: Int64, seed: int
) -> npt.NDArray[np.float64]:
    """Returns numbers [N] in [0, 1) that depend only on (user, item, seed)."""
    users = _hashes(histories.user_id, f"{seed}/user")[user]
    items = histories.item_id.dictionary_encode()
    mixed = users ^ _hashes(items.dictionary, f"{seed}/item")[items.indices.to_numpy()]
    return _in_unit(mix(mixed))  # Without mixing, xor would show a pattern.


def _in_unit(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _hashes(values: pa.Array, key: str) -> npt.NDArray[np.uint64]:
    digests = (
        hashlib.blake2b(value.encode(), digest_size=8, key=key.encode()).digest()
        for value in values.to_pylist()
    )
    return np.frombuffer(b"".join(digests), np.uint64)


def find_cuts(
    hours: dict[int, int], eval_fraction: float, test_fraction: float
) -> tuple[int, int]:
    """Returns the two times, in seconds UTC, that cut off the newest ratings.

    Args:
        hours: Hour since 1970 → number of ratings in that hour.
        eval_fraction: Least share of all ratings between the cuts, 0 to 1.
        test_fraction: Least share of all ratings after the second cut, 0 to 1.
    """
    if not hours:
        return 0, 0
    ordered = sorted(hours, reverse=True)
    newer = np.cumsum([hours[hour] for hour in ordered])

    def cut(fraction: float) -> int:
        position = np.searchsorted(newer, fraction * newer[-1])
        return ordered[min(int(position), len(ordered) - 1)] * HOUR

    return cut(eval_fraction + test_fraction), cut(test_fraction)
