"""Distances by TFDV are those of the definitions, computed here from counts."""

import numpy as np
import pytest

from components.anomaly_gate.schema import SERVED_SCHEMA, read_schema
from pipeline.served_features.distances import distances

SCHEMA = read_schema(SERVED_SCHEMA)


class Form:
    numbers = ("user_income",)


def drawn(seed, shares, lengths=(1, 6)):
    """500 rows with values at random; at least one of them has each value."""
    random = np.random.default_rng(seed)
    rows = [
        random.choice(list(shares), random.integers(*lengths), p=list(shares.values()))
        for _ in range(500)
    ]
    return [row.tolist() for row in rows]


ONE = drawn(1, {"a": 0.5, "b": 0.3, "c": 0.2})
OTHER = drawn(2, {"a": 0.3, "b": 0.3, "d": 0.4})


def shares(rows):
    values = sorted({value for row in (*ONE, *OTHER) for value in row})
    counts = [sum(row.count(value) for row in rows) for value in values]
    return np.array(counts) / sum(counts)


def largest_difference(p, q):
    return np.abs(p - q).max()


def jensen_shannon(p, q):
    """In bits; 0 log 0 is 0."""

    def divergence(a, b):
        given = a > 0
        return (a[given] * np.log2(a[given] / b[given])).sum()

    middle = (p + q) / 2
    return (divergence(p, middle) + divergence(q, middle)) / 2


@pytest.mark.parametrize("between", ["skew", "drift"])
def test_distances_are_those_of_the_definitions(between):
    name = "user_income"
    found = distances(
        between,
        [{name: row} for row in ONE],
        [{name: row} for row in OTHER],
        Form,
        SCHEMA,
    )
    expected = {
        "L_INFTY": largest_difference(shares(ONE), shares(OTHER)),
        "JENSEN_SHANNON_DIVERGENCE": jensen_shannon(shares(ONE), shares(OTHER)),
    }
    if between == "drift":
        del expected["L_INFTY"]  # it has no comparator
    assert {d.distance: d.value for d in found} == pytest.approx(expected, abs=1e-9)
    assert {d.most for d in found} == {"d"}
    assert all(d.is_alert and d.between == between for d in found)


def test_thresholds_are_those_of_the_schema():
    rows = [{"user_id": ["x"], "user_city": row, "user_income": row} for row in ONE]
    found = distances("skew", rows, rows, Form, SCHEMA)
    assert {(d.feature, d.distance): (d.value, d.threshold) for d in found} == {
        ("user_id", "L_INFTY"): (0, 0.5),
        ("user_city", "L_INFTY"): (0, 0.1),
        ("user_income", "L_INFTY"): (0, 0.1),
        ("user_income", "JENSEN_SHANNON_DIVERGENCE"): (0, 0.1),
    }
    assert not any(d.is_alert for d in found)


def test_a_feature_has_an_entry_of_its_own_or_that_of_its_type():
    schema = read_schema(SERVED_SCHEMA)
    entry = schema.feature.add()
    entry.name, entry.type = "user_city", 1  # BYTES
    entry.skew_comparator.infinity_norm.threshold = 0.75
    rows = [{"user_city": row, "user_zip": row, "no_entry": row} for row in ONE]
    found = distances("skew", rows, rows, Form, schema)
    assert {d.feature: d.threshold for d in found} == {
        "user_city": 0.75,
        "user_zip": 0.1,
    }
