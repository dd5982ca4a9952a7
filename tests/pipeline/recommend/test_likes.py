"""Reasons, compared with counts over sets of users."""

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
    # Nobody likes the last two items, nor is the last user liked by anything.
    return random.integers(0, 10, 150), random.integers(0, 25, 150)


def naive_reasons(pairs, recommended, liked):
    likers = {item: set() for item in ITEMS}
    for item, user in zip(*pairs, strict=True):
        likers[ITEMS[item]].add(int(user))
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


def test_without_any_like_there_are_no_reasons(titles):
    nothing = np.zeros(0, np.int32)
    assert Likes(ITEMS, nothing, nothing).reasons(["i1"], ["i2"], titles) == [[]]
