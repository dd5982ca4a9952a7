"""Estimates of costs that follow a rule which only the tests know."""

import numpy as np
import pytest

from pipeline.plan.estimate import Estimator, Line
from pipeline.plan.observed import Cost, Observed

FIXED, PER_RATING, PEAK = 3.0, 2e-5, 1_000_000_000


def run_of(ratings: int, factor: float = 1.0, steps=("Transform", "Trainer_gmf")):
    """Returns a run on a machine that is so many times slower."""
    costs = {
        step: Cost(factor * (FIXED + PER_RATING * ratings), PEAK + 100 * ratings)
        for step in steps
    }
    models = {"gmf": {"epochs": 1}, "my_model": {}}
    return Observed(ratings // 100, 50, ratings, models, float("inf"), costs)


def test_line_through_two_points():
    assert Line.through([(1, 3), (2, 5)]) == pytest.approx((1, 2))


def test_line_weights_relative_errors():
    """Against the minimum on a grid."""
    points = [(1.0, 3.0), (2.0, 4.0), (10.0, 30.0)]
    work, cost = np.asarray(points).T
    fixed, slope = np.meshgrid(np.linspace(0, 3, 601), np.linspace(0, 4, 801))
    lines = fixed[..., None] + slope[..., None] * work
    errors = (((lines - cost) / cost) ** 2).sum(-1)
    best = np.unravel_index(errors.argmin(), errors.shape)
    assert Line.through(points) == pytest.approx((fixed[best], slope[best]), abs=0.01)


@pytest.mark.parametrize(
    ("points", "line"),
    [
        ([(4, 8)], (0, 2)),
        ([(1, 9), (2, 9)], (9, 0)),
        ([(1, 9), (2, 1)], None),  # more work is not cheaper
        ([(1, 1), (2, 9)], None),  # no work does not gain time
    ],
)
def test_line_never_has_a_negative_cost(points, line):
    found = Line.through(points)
    assert min(found) >= 0
    if line:
        assert found == pytest.approx(line)


def test_reference_runs_extrapolate():
    estimator = Estimator([run_of(10_000), run_of(100_000)], [])
    truth = run_of(5_000_000)
    found = estimator.estimate("Trainer_gmf", truth.work("Trainer_gmf"))
    assert found.num_runs == 0
    assert found.cost.seconds == pytest.approx(FIXED + PER_RATING * 5_000_000)
    # Memory grows with ratings and users alike here, so that the line is exact.
    assert found.cost.peak_memory == pytest.approx(PEAK + 100 * 5_000_000, rel=0.01)


def test_other_steps_of_the_machine_scale_a_step_that_it_never_ran():
    own = run_of(20_000, factor=4.0, steps=("Transform",))
    estimator = Estimator([run_of(10_000), run_of(100_000)], [own])
    work = run_of(50_000).work("Trainer_gmf")
    found = estimator.estimate("Trainer_gmf", work)
    assert found.num_runs == 0
    assert found.cost.seconds == pytest.approx(4 * (FIXED + PER_RATING * 50_000))


def test_a_step_of_the_machine_scales_itself():
    own = [
        run_of(20_000, factor=4.0, steps=("Transform",)),
        run_of(30_000, factor=0.5, steps=("Trainer_gmf",)),
    ]
    estimator = Estimator([run_of(10_000), run_of(100_000)], own)
    work = run_of(50_000).work("Trainer_gmf")
    found = estimator.estimate("Trainer_gmf", work)
    assert found.num_runs == 1
    assert found.cost.seconds == pytest.approx(0.5 * (FIXED + PER_RATING * 50_000))


def test_a_step_without_a_reference_follows_from_its_own_runs():
    steps = ("Trainer_my_model",)
    own = [run_of(20_000, steps=steps), run_of(60_000, steps=steps)]
    estimator = Estimator([run_of(10_000)], own)
    work = run_of(200_000).work("Trainer_my_model")
    found = estimator.estimate("Trainer_my_model", work)
    assert found.cost.seconds == pytest.approx(FIXED + PER_RATING * 200_000)
    assert found.num_runs == 2


def test_a_step_that_never_ran_has_no_estimate():
    estimator = Estimator([run_of(10_000)], [run_of(10_000)])
    work = run_of(10_000).work("Trainer_other")
    assert estimator.estimate("Trainer_other", work).cost is None
