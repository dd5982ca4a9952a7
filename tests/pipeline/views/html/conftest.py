"""A run as in ``run.json``, and the contents of its report, both made by hand."""

import copy

import pytest

from pipeline.views.html.report_contents import Contents
from pipeline.views.html.sample_lists import Example
from pipeline.views.html.training_curves import Curve, Epoch

HOSTILE = (
    "</script><script>alert(1)</script>\u202e\u2028<!--<img src=x onerror=alert(1)>"
)


def interval(value, half=0.02, users=1000):
    ends = {"lower": value - half, "upper": value + half}
    return {"value": value, **ends, "num_users": users}


def finding(rule, metric, value, passed=True, part="", users=1000):
    return {
        **{"rule": rule, "slice": part, "metric": metric, "passed": passed},
        **{"interval": interval(value, users=users)},
        "words": f"{metric} is {value}, by {rule}",
    }


def model(name, verdict, ndcg, **more):
    metrics = {
        **{"ndcg@10": ndcg, "hit_rate@10": 2 * ndcg, "mrr": ndcg, "auc": 0.7},
        **{"coverage@10": 0.5, "gini@10": 0.6, "novelty@10": 3.0},
        **{"diversity@10": None, "popularity_lift@10": -0.25, "num_users": 1000.0},
        "mean_rank_auc": 0.9,
    }
    slices = {
        "activity=100-499": {"users": 950, "metrics": metrics},
        "activity=20-99": {"users": 50, "metrics": metrics},
    }
    findings = [
        finding("floor", "ndcg@10", ndcg),
        finding("floor", "ndcg@10", ndcg, part="activity=100-499", users=950),
        finding("floor", "ndcg@10", ndcg, None, part="activity=20-99", users=50),
        finding("reference", "ndcg@10", ndcg - 0.0231, verdict != "refused"),
    ]
    return {
        **{"name": name, "state": "trained", "verdict": verdict, "rule": f"of {name}"},
        **{"metrics": metrics, "intervals": {"ndcg@10": [ndcg - 0.02, ndcg + 0.02]}},
        **{"slices": slices, "findings": findings, "parameters": 74241},
        **{"train_seconds": 12.5, "samples_per_second": 8e5, "share_of_users": 1.0},
        **more,
    }


RUN = {
    "run": {
        **{"id": "20261122-031500", "started": "2026-11-22T03:15:00+00:00"},
        **{"seconds": 62.0, "out": "my out", "log": "run.log"},
        "status": "a new model is live",
    },
    "config": {
        "gate": {"metric": "ndcg@10", "min_slice_users": 100, "confidence": 0.95},
        "label": {"threshold": "> 3"},
    },
    "data": {
        **{"source": "sample", "users": 1000, "items": 789, "ratings": 80000},
        **{"sparsity": 0.9, "first": "2019-01-01T09:22:25+00:00"},
        "last": "2021-12-29T00:42:27+00:00",
    },
    "spans": None,
    "rows": {
        **{"read": 80010, "kept": 80000, "quarantined": 7, "duplicates": 3},
        "truncated": 0,
    },
    "steps": [
        {"name": name, "state": "done", "cached": False, "seconds": 2.0, "error": None}
        for name in ("RatingsExampleGen", "Trainer_neumf", "Pusher")
    ],
    "models": [
        model("popularity", "reference", 0.0231),
        model("neumf", "live", 0.1289),
        model("deepfm", "refused", 0.02),
    ],
    "not_pushed": "",
    "live": {"version": "3", "model": "neumf"},
    "gate": {
        "metric": "ndcg@10",
        "live": {"model": "mf_als", "uri": "x", "problem": "",
                 "metrics": {"ndcg@10": 0.1111}},
        "serving": {"check": "process", "blessed": True, "problems": [], "answers": {}},
    },
    "changed": True,
}  # fmt: skip


@pytest.fixture
def run():
    return copy.deepcopy(RUN)


@pytest.fixture
def contents(run):
    """Returns the report's contents; ``dataclasses.replace`` changes a part."""
    epochs = [
        Epoch(n + 1, {"loss": 1 / (n + 1), "ndcg": value}, 0.5 if n else None)
        for n, value in enumerate([0.1, 0.3, 0.2])
    ]
    by_merit = [run["models"][1], run["models"][0], run["models"][2]]
    return Contents(
        run=run,
        metric="ndcg@10",
        models=by_merit,
        live_before={**run["gate"]["live"], "name": "live before",
                     "verdict": "live before", "intervals": {}},
        slices=[],
        counts={
            "bad_by_kind": {"empty_id": 7},
            "first_problems": [
                {"file": "a.csv", "line": 3, "kind": "empty_id", "reason": "no id",
                 "text": HOSTILE}
            ],
        },
        features=[],
        changes=None,
        curves={"neumf": [Curve("", "ndcg", epochs, 2)]},
        examples=[Example("7", "rated much", 9, ["Liked"], 3, [(HOSTILE, 0.5)])],
        no_examples="",
        lineage=None,
        no_lineage="nobody knows",
        links={"run.json": "run.json"},
    )  # fmt: skip


@pytest.fixture
def hostile():
    """Returns a title that tries to break out of its element in every way."""
    return HOSTILE
