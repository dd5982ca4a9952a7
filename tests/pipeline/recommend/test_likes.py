"""Reasons and similar items, compared with counts over sets of users."""

import itertools

import numpy as np
import pytest

from pipeline.recommend.item_titles import Titles
from pipeline.recommend.likes import NUM_REASONS, Likes, Reason
from trainer_modules import features as f

ITEMS = [f"i{n}" for n in range(12)]


@pytest.fixture
def titles():
    import pyarrow as pa

    return Titles(pa.table({f.ITEM_ID: ITEMS, "title": [f"Film {i}" for i in ITEMS]}))


@pytest.fixture
def pairs():
    """Returns pairs of an item and a user, some of them more than once."""
    random = np.random.default_rng(5)
    # The last two items have no likes.
    return random.integers(0, 10, 150), random.integers(0, 25, 150)


def likers_of(pairs):
    likers = {item: set() for item in ITEMS}
    for item, user in zip(*pairs, strict=True):
        likers[ITEMS[item]].add(int(user))
    return likers


def naive_reasons(pairs, recommended, liked):
    likers = likers_of(pairs)
    for item in recommended:
        found = []
        for like in liked:
            together = len(likers.get(item, set()) & likers.get(like, set()))
            if together and like != item:
                each = len(likers[item]) * len(likers[like])
                found.append(
                    Reason(like, f"Film {like}", together, together / each**0.5)
                )
        yield sorted(found, key=lambda reason: -reason.cosine)[:NUM_REASONS]


def test_reasons_are_counts_of_users_who_like_both(pairs, titles):
    item, user = pairs
    likes = Likes(ITEMS, item.astype(np.int32), user.astype(np.int32))
    recommended = [*ITEMS, "unheard of"]
    for liked in itertools.chain(
        itertools.combinations(ITEMS, 2), [ITEMS[::-1], [], ["never rated", "i3"]]
    ):
        wanted = list(naive_reasons(pairs, recommended, liked))
        answer = likes.reasons(recommended, liked, titles)
        assert [[(r.item_id, r.title, r.users) for r in found] for found in answer] == [
            [(r.item_id, r.title, r.users) for r in found] for found in wanted
        ]
        assert [r.cosine for found in answer for r in found] == pytest.approx(
            [r.cosine for found in wanted for r in found]
        )


@pytest.mark.parametrize("k", [1, 3, 99])
def test_similar_items_are_liked_by_the_same_users(pairs, k):
    item, user = pairs
    likes = Likes(ITEMS, item.astype(np.int32), user.astype(np.int32))
    likers = likers_of(pairs)
    for one in ITEMS:
        cosines = {
            other: len(likers[one] & likers[other])
            / (len(likers[one]) * len(likers[other])) ** 0.5
            for other in ITEMS
            if other != one and likers[one] & likers[other]
        }
        found = likes.similar(one, k)
        best = sorted(cosines.values(), reverse=True)[:k]
        assert [cosine for _, cosine in found] == pytest.approx(best)
        assert all(cosines[other] == pytest.approx(c) for other, c in found)
        assert len(dict(found)) == len(found)
    assert likes.similar("unheard of", k) == []


def test_without_any_like_there_are_no_reasons_and_no_similar_items(titles):
    nothing = np.zeros(0, np.int32)
    likes = Likes(ITEMS, nothing, nothing)
    assert likes.reasons(["i1"], ["i2"], titles) == [[]]
    assert likes.similar("i1", 3) == []
