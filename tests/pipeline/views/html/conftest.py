"""A run's record, and what a report gathers of it, made by hand."""

import dataclasses

import msgspec
import pytest

from components.champion.gate import Gate
from components.infra_check.figures import ServingCheck
from components.ratings_example_gen.input_errors import Problem
from pipeline.runs.model_record import (
    Finding,
    GateRecord,
    Interval,
    JudgedLive,
    ModelRecord,
    SliceFigures,
)
from pipeline.runs.record import DataRecord, Live, Rows, StepRecord
from pipeline.runs.step_outputs import Counts
from pipeline.views.html.report_contents import Contents
from pipeline.views.html.sample_lists import Example
from pipeline.views.html.training_curves import Curve, Epoch
from tests.support.run_record import make_record

HOSTILE = (
    "</script><script>alert(1)</script>\u202e\u2028<!--<img src=x onerror=alert(1)>"
)


def finding(rule, metric, value, passed=True, part="", users=1000):
    interval = Interval(value, value - 0.02, value + 0.02, users)
    words = f"{metric} is {value}, by {rule}"
    return Finding(rule, part, metric, interval, passed, words)


def model(name, verdict, ndcg):
    metrics = {
        **{"ndcg@10": ndcg, "hit_rate@10": 2 * ndcg, "mrr": ndcg, "auc": 0.7},
        **{"coverage@10": 0.5, "gini@10": 0.6, "novelty@10": 3.0},
        **{"diversity@10": None, "popularity_lift@10": -0.25, "num_users": 1000.0},
        "mean_rank_auc": 0.9,
    }
    return ModelRecord(
        name=name,
        state="trained",
        verdict=verdict,
        rule=f"of {name}",
        metrics=metrics,
        intervals={"ndcg@10": (ndcg - 0.02, ndcg + 0.02)},
        slices={
            "activity=100-499": SliceFigures(
                950, metrics, {"ndcg@10": (ndcg - 0.02, ndcg + 0.02)}
            ),
            "activity=20-99": SliceFigures(50, metrics),
        },
        findings=[
            finding("floor", "ndcg@10", ndcg),
            finding("floor", "ndcg@10", ndcg, part="activity=100-499", users=950),
            finding("floor", "ndcg@10", ndcg, None, part="activity=20-99", users=50),
            finding("reference", "ndcg@10", ndcg - 0.0231, verdict != "refused"),
        ],
        parameters=74241,
        train_seconds=12.5,
        samples_per_second=8e5,
        share_of_users=1.0,
    )


@pytest.fixture
def run():
    return make_record(
        data=DataRecord(
            source="sample",
            users=1000,
            items=789,
            ratings=80000,
            sparsity=0.9,
            first="2019-01-01T09:22:25+00:00",
            last="2021-12-29T00:42:27+00:00",
        ),
        rows=Rows(80010, 80000, 7, 3, 0),
        steps=[
            StepRecord(name=name, state="done", seconds=2.0)
            for name in ("RatingsExampleGen", "Trainer_neumf", "Pusher")
        ],
        models=[
            model("popularity", "reference", 0.0231),
            model("neumf", "live", 0.1289),
            model("deepfm", "refused", 0.02),
        ],
        live=Live("3", "neumf"),
        gate=GateRecord(
            metric="ndcg@10",
            live=JudgedLive("mf_als", "x", "", {"ndcg@10": 0.1111}),
            serving=ServingCheck("process", True, []),
        ),
    )


@pytest.fixture
def contents(run):
    """Returns the report's contents; ``dataclasses.replace`` changes a part."""
    epochs = [
        Epoch(n + 1, {"loss": 1 / (n + 1), "ndcg": value}, 0.5 if n else None)
        for n, value in enumerate([0.1, 0.3, 0.2])
    ]
    problem = Problem("a.csv", 3, "empty_id", "no id", HOSTILE)
    return Contents(
        run=run,
        gate=Gate(),
        metric="ndcg@10",
        models=[run.models[1], run.models[0], run.models[2]],
        live_before=run.gate.live,
        slices=[],
        counts=Counts(
            **{"users": 1000, "items": 789, "read": 80010, "kept": 80000},
            bad_by_kind={"empty_id": 7},
            first_problems=[problem],
        ),
        features=[],
        changes=None,
        curves={"neumf": [Curve("", "ndcg", epochs, 2)]},
        examples=[Example("7", "rated much", 9, ["Liked"], 3, [(HOSTILE, 0.5)])],
        no_examples="",
        lineage=None,
        no_lineage="nobody knows",
        links={"run.json": "run.json"},
        online=None,
        estimates={},
    )


@pytest.fixture
def of_record():
    """A function: contents, fields of the record → contents of such a run."""

    def made(contents, **changes):
        run = msgspec.structs.replace(contents.run, **changes)
        return dataclasses.replace(contents, run=run)

    return made


@pytest.fixture
def hostile():
    """Returns a title that tries to break out of its element in every way."""
    return HOSTILE
