"""What lists are like, item by item and pair by pair."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.interactions import Ratings
from trainer_modules.sizes import Sizes

U, V = 8, 7
# How often items 2 to 6 were rated; the last one never.
RATED = {2: 4, 3: 2, 4: 1, 5: 3, 6: 0}
GENRES = np.array([[0, 0], [0, 0], [2, 3], [3, 0], [0, 0], [4, 2], [3, 3]], np.int32)
TOP = [[2, 3, 5], [6, 3, 2], [4, 3, 4]]
HISTORY = [[3, 4, 0], [0, 0, 0], [2, 2, 6]]


@pytest.fixture(scope="module")
def ratings():
    item = np.repeat(list(RATED), list(RATED.values())).astype(np.int32)
    zeros = np.zeros(len(item), np.int32)
    return Ratings(zeros, item, zeros, zeros.astype(np.float32))


@pytest.fixture(scope="module")
def measured(ratings):
    sizes = Sizes(U, V, item_fields={"item_genres": GENRES}, num_item_values=5)
    statistics = ListStatistics(ratings, sizes)
    return {
        name: value.numpy()
        for name, value in statistics(tf.constant(TOP), tf.constant(HISTORY)).items()
    }


def share(item):
    return max(RATED[item], 1) / U


def test_more_popular_is_the_share_of_the_ratings_of_items_that_have_more(ratings):
    statistics = ListStatistics(ratings, Sizes(U, V))
    expected = [1, 1, 0, 0.7, 0.9, 0.4, 1]  # by 10 ratings; 1 for items without any
    np.testing.assert_allclose(statistics.more_popular, expected, rtol=1e-6)
    item = np.where(ratings.item_index == 4, f.UNKNOWN_INDEX, ratings.item_index)
    rowless = dataclasses.replace(ratings, item_index=item)
    statistics = ListStatistics(rowless, Sizes(U, V))
    expected[4] = 1
    np.testing.assert_allclose(statistics.more_popular, expected, rtol=1e-6)


def test_novelty_is_the_mean_self_information_in_bits(measured):
    expected = [np.mean([-math.log2(share(item)) for item in top]) for top in TOP]
    np.testing.assert_allclose(measured["novelty"], expected, rtol=1e-6)


def test_popularity_is_that_of_the_list_and_that_of_the_history(measured):
    lists = [np.mean([share(item) for item in top]) for top in TOP]
    np.testing.assert_allclose(measured["list_popularity"], lists, rtol=1e-6)
    known = [[share(item) for item in history if item] for history in HISTORY]
    histories = [np.mean(each) if each else 0 for each in known]
    np.testing.assert_allclose(measured["history_popularity"], histories, rtol=1e-6)


def test_diversity_is_the_mean_jaccard_distance_of_two_with_genres(measured):
    for top, found in zip(TOP, measured["diversity"], strict=True):
        sets = [set(GENRES[item].tolist()) - {0} for item in top]
        distances = [
            1 - len(a & b) / len(a | b)
            for a, b in itertools.combinations(sets, 2)
            if a and b
        ]
        if distances:
            assert found == pytest.approx(np.mean(distances))
        else:
            assert math.isnan(found)
    assert np.isnan(measured["diversity"]).tolist() == [False, False, True]


def test_without_genres_there_is_no_diversity(ratings):
    told = ListStatistics(ratings, Sizes(U, V))(tf.constant(TOP), tf.constant(HISTORY))
    assert np.isnan(told["diversity"]).all()
    assert np.isfinite(told["novelty"]).all()
