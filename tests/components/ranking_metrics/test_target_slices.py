"""In which slices targets are by the popularity and the age of their items."""

import math

import numpy as np

from components.ranking_metrics.target_slices import (
    AGES,
    POPULARITIES,
    age_of,
    popularity_of,
)


def test_thirds_of_the_ratings_from_the_most_popular_item_on():
    shares = [0, 0.33, 0.34, 0.66, 0.67, 1, math.nan]
    places = popularity_of(np.array(shares, np.float32)).tolist()
    assert [POPULARITIES[place] for place in places[:-1]] == [
        *("head", "head", "middle", "middle", "tail", "tail")
    ]
    assert places[-1] == -1  # in none of them


def test_ages_are_in_whole_days():
    days = [0, 29.9, 30, 364.9, 365, 9999, math.nan]
    places = age_of(np.array(days, np.float32) * 86_400).tolist()
    assert [list(AGES.values())[place] for place in places[:-1]] == [
        *("0-29", "0-29", "30-364", "30-364", "365+", "365+")
    ]
    assert places[-1] == -1
