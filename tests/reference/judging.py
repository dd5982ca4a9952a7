"""The evaluation of a model from the raw files, by the definitions, in plain Python.

Parsing, splits, exclusion of candidates and ranks are implemented again here. The only
part of the product is a function that scores items for a user; popularity needs none.
"""

import hashlib
from collections import defaultdict

import numpy as np

LIKED = 3  # stars; more is liked


def parse(ratings):
    """Parses ``ratings.dat`` to [(user, item, stars, time)]."""
    rows = [line.split("::") for line in ratings.splitlines()]
    return [(user, item, float(stars), int(time)) for user, item, stars, time in rows]


def in_time(rows):
    """Returns user → [(item, stars, time)], oldest first; equal times by line."""
    by_user = defaultdict(list)
    for user, *rating in sorted(rows, key=lambda row: row[3]):  # a stable sort
        by_user[user].append(tuple(rating))
    return by_user


def split(rows, kind, eval_share=0.1, test_share=0.1, seed=0):
    """Returns user → three lists of (item, stars, time): train, eval and test."""
    by_user = in_time(rows)
    if kind == "leave_last_out":
        return {
            user: (its[:-2], its[-2:-1], its[-1:]) if len(its) >= 3 else (its, [], [])
            for user, its in by_user.items()
        }
    if kind == "temporal":
        first = newest_hours(rows, eval_share + test_share)
        second = newest_hours(rows, test_share)

        def number(user, item, time):
            return (time >= first) + (time >= second)
    else:

        def number(user, item, time):
            share = share_of(user, item, seed)
            return (share >= 1 - eval_share - test_share) + (share >= 1 - test_share)

    return {
        user: tuple(
            [rating for rating in its if number(user, rating[0], rating[2]) == wanted]
            for wanted in range(3)
        )
        for user, its in by_user.items()
    }


def newest_hours(rows, share):
    """Returns the latest full hour after which there is a share of the ratings."""
    times = [time for *_, time in rows]
    hour = max(times) // 3600
    while sum(time >= hour * 3600 for time in times) < share * len(times):
        hour -= 1
    return hour * 3600


def share_of(user, item, seed):
    """Returns a number in [0, 1) for a pair: splitmix64 of two keyed hashes."""

    def hashed(text, key):
        return int.from_bytes(
            hashlib.blake2b(text.encode(), digest_size=8, key=key.encode()).digest(),
            "little",
        )

    mixed = hashed(user, f"{seed}/user") ^ hashed(item, f"{seed}/item")
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
    return ((mixed ^ mixed >> 31) >> 11) / 2**53


def liked(ratings):
    """Returns the liked items of [(item, stars, time)]."""
    return [item for item, stars, _ in ratings if stars > LIKED]


def ranks(scores, seen, targets):
    """Returns the worst rank of each target among the unseen items, and their number.

    Args:
        scores: Item → score, for every item with a rating.
        seen: The user's items in train and eval.
        targets: Items, all of them unseen.
    """
    candidates = set(scores) - set(seen)
    return [
        1 + sum(scores[item] >= scores[own] for item in candidates - {own})
        for own in targets
    ], len(candidates)


def judge(rows, splits, score, user_metrics):
    """Returns a model's ranking metrics, as means over users with a liked target.

    Args:
        rows: The rows returned by ``parse``.
        splits: The splits returned by ``split``.
        score: Function of user, history [(item, stars, time)] and items to scores.
        user_metrics: Function of the ranks of liked targets and the number of
            candidates to metrics by name.

    Returns:
        Metrics by name, and (score, is liked) of every target.
    """
    items = sorted({item for _, item, *_ in rows})
    of_users, targets = [], []
    for user, (train, held_out, test) in sorted(splits.items()):
        if not test:
            continue
        # All earlier ratings in the order of time; train before eval at equal times.
        history = sorted([*train, *held_out], key=lambda rating: rating[2])
        scores = dict(zip(items, score(user, history, items), strict=True))
        targets += [(scores[item], stars > LIKED) for item, stars, _ in test]
        if wanted := liked(test):
            seen = [item for item, *_ in history]
            of_users.append(user_metrics(*ranks(scores, seen, wanted)))
    metrics = {name: np.mean([m[name] for m in of_users]) for name in of_users[0]}
    return metrics, targets


def popularity(splits, min_ratings):
    """Returns a score function: the share of users who liked an item in train or eval.

    Items with fewer than ``min_ratings`` ratings in train share one score, which is at
    most the mean score of the ten rarest other items.
    """
    count, likers = defaultdict(int), defaultdict(set)
    for user, (train, held_out, _) in splits.items():
        for item, *_ in train:
            count[item] += 1
        for item in liked([*train, *held_out]):
            likers[item].add(user)
    known = {item for item in count if count[item] >= min_ratings}
    rest = set().union(*(users for i, users in likers.items() if i not in known))
    everybody = len(set().union(*likers.values()))
    share = {item: np.float32(len(likers[item]) / everybody) for item in known}
    rarest = sorted(known, key=lambda item: (count[item], item.encode()))[:10]
    unknown = min(
        np.float32(len(rest) / everybody),
        np.mean([share[i] for i in rarest], dtype=np.float32),
    )
    return lambda user, history, items: [share.get(i, unknown) for i in items]
