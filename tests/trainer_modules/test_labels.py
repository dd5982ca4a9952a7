"""Stars to labels, by lists written down by hand."""

import pytest
import tensorflow as tf

from trainer_modules import labels


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        ("all", [1, 1, 1, 1, 1]),
        ("> 1", [0, 0, 1, 1, 1]),
        (">= 3", [0, 0, 1, 1, 1]),
        ("> 3", [0, 0, 0, 1, 1]),
        (">=3.5", [0, 0, 0, 1, 1]),
        ("> 3.5", [0, 0, 0, 0, 1]),
    ],
)
def test_a_threshold_makes_labels(threshold, expected):
    stars = tf.ragged.constant([[0.5, 1.0], [], [3.0, 3.5, 5.0]], dtype=tf.float32)
    found = labels.label(stars, threshold)
    assert found.dtype == tf.int64
    assert found.to_list() == [expected[:2], [], expected[2:]]


@pytest.mark.parametrize(
    ("threshold", "negative", "expected"),
    [
        ("> 3", None, [0, 0, 0, 1, 1]),
        ("> 3", "< 3", [0, 0, -1, 1, 1]),
        ("> 3", "<= 3", [0, 0, 0, 1, 1]),
        (">= 3.5", "<1", [0, -1, -1, 1, 1]),
        ("> 1", "<= 5", [0, 0, 1, 1, 1]),  # liked counts first
        ("all", "< 3", [1, 1, 1, 1, 1]),
    ],
)
def test_what_is_neither_liked_nor_disliked_has_a_label_of_its_own(
    threshold, negative, expected
):
    stars = tf.ragged.constant([[0.5, 1.0], [], [3.0, 3.5, 5.0]], dtype=tf.float32)
    found = labels.label(stars, threshold, negative)
    assert found.dtype == tf.int64
    assert found.to_list() == [expected[:2], [], expected[2:]]


@pytest.mark.parametrize("threshold", ["", "3", "< 3", "=> 3", "> x", "> - 1", "> 3 "])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(ValueError, match="expected 'all', '> x' or '>= x'"):
        labels.label(tf.ragged.constant([[1.0]]), threshold)


@pytest.mark.parametrize("negative", ["", "3", "> 3", "=< 3", "< x", "all", "< 3 "])
def test_a_bound_of_the_disliked_that_is_none_is_refused(negative):
    with pytest.raises(ValueError, match="expected '< x' or '<= x'"):
        labels.label(tf.ragged.constant([[1.0]]), "> 3", negative)
