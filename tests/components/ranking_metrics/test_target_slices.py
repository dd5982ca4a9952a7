"""Which third of the training ratings the items of targets are in."""

import math

import numpy as np

from components.ranking_metrics.target_slices import POPULARITIES, popularity_of


def test_thirds_of_the_ratings_from_the_most_popular_item_on():
    shares = [0, 0.33, 0.34, 0.66, 0.67, 1, math.nan]
    places = popularity_of(np.array(shares, np.float32)).tolist()
    assert [POPULARITIES[place] for place in places[:-1]] == [
        *("head", "head", "middle", "middle", "tail", "tail")
    ]
    assert places[-1] == -1  # in none of them
