"""A model judged from the raw files, as the definitions read; plain Python and numpy.

Own parsing, own splits, own exclusion of candidates, own ranks. Of the product it needs
only a function that scores items for a user, or nothing where it scores by itself.
"""

import hashlib
from collections import defaultdict

import numpy as np

LIKED = 3  # stars; more is liked


def parse(ratings):
    """Lines of ``ratings.dat`` → [(user, item, stars, time)]."""
    rows = [line.split("::") for line in ratings.splitlines()]
    return [(user, item, float(stars), int(time)) for user, item, stars, time in rows]


def in_time(rows):
    """User → [(item, stars, time)], oldest first; of equal times, the earlier line."""
    by_user = defaultdict(list)
    for user, *rating in sorted(rows, key=lambda row: row[3]):  # a stable sort
        by_user[user].append(tuple(rating))
    return by_user


def split(rows, kind, eval_share=0.1, test_share=0.1, seed=0):
    """User → three lists of (item, stars, time): train, eval and test."""
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
    """The latest beginning of an hour from which on there are enough ratings."""
    times = [time for *_, time in rows]
    hour = max(times) // 3600
    while sum(time >= hour * 3600 for time in times) < share * len(times):
        hour -= 1
    return hour * 3600


def share_of(user, item, seed):
    """A number in [0, 1) for a pair, of two keyed hashes through splitmix64."""

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
    """The items of (item, stars, time) that are liked."""
    return [item for item, stars, _ in ratings if stars > LIKED]


def ranks(scores, seen, targets):
    """The worst rank of each target among the items that were not seen.

    Args:
        scores: Item → score, of all items that anybody has rated.
        seen: Items of train and eval.
        targets: Items; none of them seen.
    """
    candidates = set(scores) - set(seen)
    return [
        1 + sum(scores[item] >= scores[own] for item in candidates - {own})
        for own in targets
    ], len(candidates)


def judge(rows, splits, score, user_metrics):
    """The ranking metrics of a model, each a mean over users with a liked target.

    Args:
        rows: The rows returned by ``parse``.
        splits: The splits returned by ``split``.
        score: (user, history, items) → scores; the history is [(item, stars, time)].
        user_metrics: (ranks of the liked targets, candidates) → metrics by name.

    Returns:
        Metrics by name; and [(score, is liked)] of all targets.
    """
    items = sorted({item for _, item, *_ in rows})
    of_users, targets = [], []
    for user, (train, held_out, test) in sorted(splits.items()):
        if not test:
            continue
        # All that came before, in time; of equal times, train before eval.
        history = sorted([*train, *held_out], key=lambda rating: rating[2])
        scores = dict(zip(items, score(user, history, items), strict=True))
        targets += [(scores[item], stars > LIKED) for item, stars, _ in test]
        if wanted := liked(test):
            seen = [item for item, *_ in history]
            of_users.append(user_metrics(*ranks(scores, seen, wanted)))
    metrics = {name: np.mean([m[name] for m in of_users]) for name in of_users[0]}
    return metrics, targets


def popularity(splits, min_ratings):
    """A score function: the share of users who liked an item in train or eval.

    Items with fewer ratings in train are one item; of each of them nothing speaks for
    more than the mean of the ten rarest of the others.
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
