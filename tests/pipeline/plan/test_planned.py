"""Plans of whole runs, with the real reference runs and the real pipeline."""

import re

import pytest

from pipeline.config.sections import PipelineConfig, TrainConfig
from pipeline.plan.makespan import makespan
from pipeline.plan.planned import plan
from pipeline.plan.work import Size
from pipeline.runs.capacity import Capacity
from tests.support.command import ROOT, marquee

LARGE = Size(users=30_000_000, items=500_000, ratings=100_000_000)


def capacity(gigabytes, jobs=2):
    return Capacity(jobs, cores=jobs, memory=gigabytes * 1e9, step_memory=1e9)


def config(tmp_path, **models):
    return PipelineConfig(out=str(tmp_path), models=models)


def test_steps_are_those_of_the_run(tmp_path):
    planned = plan(config(tmp_path, popularity={}, gmf={}), LARGE, capacity(1000))
    names = list(planned.steps)
    assert {"RatingsExampleGen", "Trainer_gmf", "Evaluator_gmf", "Pusher"} <= set(names)
    assert planned.advice == []
    longest = max(each.cost.seconds for each in planned.steps.values() if each.cost)
    assert planned.seconds >= longest


def test_workers_need_the_memory_of_one_process_each(tmp_path):
    def peaks(workers):
        settings = PipelineConfig(
            out=str(tmp_path),
            models={"gmf": {}, "mf_als": {}},
            train=TrainConfig(workers=workers),
        )
        steps = plan(settings, LARGE, capacity(1000)).steps
        return {step: steps[step].cost.peak_memory for step in steps}

    one, three = peaks(1), peaks(3)
    assert three.pop("Trainer_gmf") == 3 * one.pop("Trainer_gmf")
    assert three == one  # mf_als is solved by one process


def test_the_proposed_setting_fits_and_a_larger_one_does_not(tmp_path):
    def advice(dim):
        settings = config(tmp_path, gmf={"embedding_dim": dim})
        return plan(settings, LARGE, capacity(60)).advice

    [line] = [line for line in advice(512) if line.startswith("Trainer_gmf")]
    assert "but 59.0 GB may be used. With --set models.gmf.embedding_dim=" in line
    dim = int(re.search(r"embedding_dim=(\d+)", line)[1])
    assert not any(line.startswith("Trainer_gmf") for line in advice(dim))
    assert any(line.startswith("Trainer_gmf") for line in advice(2 * dim))


def test_a_model_that_no_setting_helps_is_named(tmp_path):
    catalogue = Size(users=10_000, items=400_000, ratings=1_000_000)
    planned = plan(config(tmp_path, ease={}), catalogue, capacity(60))
    [line] = [line for line in planned.advice if "Trainer_ease (" in line]
    assert "leave the model out with --models" in line


def test_fewer_steps_at_once_are_proposed_if_each_fits_alone(tmp_path):
    settings = config(tmp_path, gmf={"embedding_dim": 64}, fm={"embedding_dim": 64})
    alone = plan(settings, LARGE, capacity(1000))
    peaks = sorted(
        (each.cost.peak_memory or 0) / 1e9 for each in alone.steps.values() if each.cost
    )
    room = peaks[-1] + peaks[-2] / 2 + 1  # and 1 GB for Marquee itself
    [line] = plan(settings, LARGE, capacity(room)).advice
    assert "With --jobs 1" in line


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 10), (2, 7), (3, 6)])
def test_makespan_by_hand(jobs, seconds):
    """One step, then three side by side; the longest comes last."""
    steps = {"first": 2.0, "a": 1.0, "b": 3.0, "c": 4.0}
    before = {"first": set(), **dict.fromkeys("abc", {"first"})}
    assert makespan(steps, before, jobs) == seconds


def test_command_reads_the_ratings_and_writes_nothing(tmp_path):
    rows = [
        f"u{user},i{item},5\n" for user in range(40) for item in range(user % 7 + 1)
    ]
    (tmp_path / "ratings.csv").write_text("user,item,rating\n" + "".join(rows))
    ran = marquee(
        *(ROOT, "run", "--data", str(tmp_path / "ratings.csv"), "--plan"),
        *("--models", "popularity,ease", "--out", str(tmp_path / "out")),
    )
    assert ran.status == 0, ran.text
    assert f"40 users, 7 items, {len(rows)} ratings" in ran.text
    assert "Trainer_ease" in ran.text or "not shown" in ran.text
    assert [path.name for path in tmp_path.iterdir()] == ["ratings.csv"]


def test_a_width_that_the_heads_cannot_share_is_not_proposed(tmp_path):
    settings = config(tmp_path, hstu={"embedding_dim": 50})
    advice = "\n".join(plan(settings, LARGE, capacity(20)).advice)
    assert "Trainer_hstu" in advice
    assert "embedding_dim=25" not in advice
