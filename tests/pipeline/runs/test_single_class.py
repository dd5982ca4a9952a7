"""Ratings of which every one is liked, or none, against counting labels by hand."""

import itertools
import operator

import pytest

from pipeline.config.sections import LabelConfig
from pipeline.runs.single_class import explain_one_label

PASSES = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
THRESHOLDS = ["> 3", ">= 3", "> 0", ">= 6"]
NEGATIVES = [None, "< 2", "<= 2"]


def passes(rating, bound):
    sign, number = bound.split()
    return PASSES[sign](rating, float(number))


@pytest.mark.parametrize(
    ("threshold", "negative"), itertools.product(THRESHOLDS, NEGATIVES)
)
def test_it_is_said_when_one_label_is_missing(threshold, negative):
    for ratings in itertools.combinations_with_replacement((1.0, 2.0, 3.0, 5.0), 2):
        liked = any(passes(rating, threshold) for rating in ratings)
        disliked = any(
            passes(rating, negative) if negative else not passes(rating, threshold)
            for rating in ratings
        )
        said = explain_one_label(
            LabelConfig(threshold, negative), min(ratings), max(ratings)
        )
        assert (said is None) == (liked and disliked), ratings
        assert said is None or "Set label.threshold=all" in said
        assert said is None or f"{max(ratings):g}" in said


def test_likes_alone_and_no_ratings_need_no_word():
    assert explain_one_label(LabelConfig("all"), 1.0, 1.0) is None
    assert explain_one_label(LabelConfig(), None, None) is None
