"""The comparison of users, against cases whose answer is known."""

import datetime

import msgspec
import numpy as np
import pytest

from benchmarks.tune import difference
from benchmarks.tune_page import Difference, Row, Search, page


def test_the_interval_is_that_of_the_mean_over_users():
    random = np.random.default_rng(1)
    gained = random.normal(0.1, 0.5, 4000)
    base = random.uniform(size=4000)
    found = difference(base + gained, base)
    # By the central limit theorem, whatever the spread of the users themselves is.
    half = 1.96 * gained.std() / np.sqrt(4000)
    assert found.mean == pytest.approx(gained.mean())
    assert found.low == pytest.approx(gained.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(gained.mean() + half, abs=0.1 * half)


def test_users_without_the_metric_are_left_out():
    one = np.array([0.5, np.nan, 0.5])
    assert difference(one, np.array([0.25, 1.0, 0.25])) == Difference(0.25, 0.25, 0.25)


@pytest.fixture
def row():
    return Row(
        budget="3m",
        searches={
            "tuned": Search(trials=9, complete=4, settings={"l2": 3.0}),
            "random": Search(trials=5, complete=5, settings={"l2": 2.0}),
        },
        test={"default": 0.1, "tuned": 0.125, "random": 0.12},
        over_default=Difference(0.025, 0.01, 0.04),
        over_random=Difference(0.005, -0.01, 0.02),
        date=datetime.date(2026, 11, 29),
        cores=2,
    )


def test_the_page_marks_differences_that_exclude_zero(row):
    assert (
        "| ml-100k | ease | 3m | 9 and 5 | 0.1000 | 0.1250 | 0.1200 | "
        "80% | **+0.0250 (+0.0100 to +0.0400)** | +0.0050 (-0.0100 to +0.0200) |"
    ) in page({"ml-100k": {"ease": row}})


def test_settings_that_were_not_measured_on_the_test_split_have_no_figure(row):
    without = msgspec.structs.replace(
        row, test={"default": 0.1, "tuned": 0.125}, over_random=None
    )
    line = "0.1250 | - | 80% | **+0.0250 (+0.0100 to +0.0400)** | - |"
    assert line in page({"ml-100k": {"ease": without}})
