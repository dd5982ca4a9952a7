"""The record of a run, from how its steps ended and what they wrote."""

import json

import msgspec
import pytest

from components.anomaly_gate import AnomaliesError
from components.ratings_example_gen import BadInputError
from pipeline.config.sections import LabelConfig
from pipeline.runs.collect import describe_data, find_live
from pipeline.runs.record import DataRecord, Live
from pipeline.runs.status import Status, judge
from pipeline.runs.step_outputs import (
    Candidate,
    Counts,
    Decision,
    Pushed,
    read_pushed,
    read_serving_check,
)
from pipeline.runs.step_result import StepResult

PUSHED = Pushed(1, "")


def decision(*verdicts, changed):
    models = [Candidate(f"m{n}", verdict, "", {}) for n, verdict in enumerate(verdicts)]
    return Decision(changed=changed, models=models)


@pytest.mark.parametrize(
    ("errors", "verdicts", "is_news", "pushed", "exit_status"),
    [
        ({}, ["reference", "live", "passed"], True, "done", 0),
        ({}, ["reference", "live"], False, "cached", 0),
        ({}, ["reference", "passed"], False, "done", 0),  # not significantly better
        ({}, ["reference", "refused"], False, "done", 5),
        ({"RatingsExampleGen": BadInputError}, [], False, "skipped", 3),
        ({"AnomalyGate": AnomaliesError}, [], False, "skipped", 4),
        ({"Trainer_neumf": RuntimeError}, ["live"], True, "done", 6),
        ({"Transform": OSError}, [], False, "skipped", 6),
    ],
)
def test_exit_status_says_what_came_of_the_run(
    errors, verdicts, is_news, pushed, exit_status, checked
):
    decided = decision(*verdicts, changed=is_news)
    steps = [
        StepResult(name, "failed", 1.0, kind.__new__(kind))
        for name, kind in errors.items()
    ]
    steps.append(StepResult("Pusher", pushed, 0.1))
    status = judge(steps, decided, checked(blessed=True), PUSHED)
    assert status.exit_status == exit_status
    assert (status == Status.CHANGED) == (is_news and not errors)


def test_a_champion_that_cannot_serve_is_refused(checked):
    steps = [StepResult("Pusher", "done", 0.1)]
    decided = decision("live", changed=True)
    fit, unfit = checked(blessed=True), checked(blessed=False)
    assert judge(steps, decided, fit, PUSHED) == Status.CHANGED
    assert judge(steps, decided, unfit, read_pushed({})) == Status.REFUSED
    assert judge(steps, decided, read_serving_check({}), PUSHED) == Status.REFUSED


def test_what_was_overtaken_by_a_rollback_changed_nothing(checked, tmp_path):
    steps = [StepResult("Pusher", "done", 0.1)]
    told = {"version": None, "overtaken": "version 3 is live by now"}
    (tmp_path / "pushed.json").write_text(json.dumps(told))
    pushed = read_pushed({("Pusher", "pushed_model"): tmp_path})
    assert pushed.overtaken
    status = judge(steps, decision("live", changed=True), checked(blessed=True), pushed)
    assert status == Status.UNCHANGED


@pytest.fixture
def checked(tmp_path):
    """What a run reads from an InfraCheck with a given verdict."""

    def outputs(blessed):
        told = {"check": "process", "blessed": blessed, "problems": []}
        (tmp_path / "checked.json").write_text(json.dumps(told))
        return read_serving_check({("InfraCheck", "blessing"): tmp_path})

    return outputs


def test_live_is_the_highest_version_that_is_a_number(tmp_path):
    assert find_live(tmp_path / "live") == Live(None, None)
    for version, model in (("99", "neumf"), ("1000", "mf_als"), ("tmp-2000", "x")):
        folder = tmp_path / "live" / version / "assets.extra"
        folder.mkdir(parents=True)
        card = {"model": model, "origin": "a", "pushed": "now", "restored": None}
        (folder / "marquee.json").write_text(json.dumps(card))
    assert find_live(tmp_path / "live") == Live("1000", "mf_als")


def test_dates_are_utc_and_data_without_counts_has_none():
    counts = Counts(
        **{"users": 4, "items": 5, "read": 10, "kept": 10, "first": 0, "last": 86400},
        **{"duplicate_users": 1, "rating_min": 1.0, "rating_max": 5.0},
        late_keys={"mood": 2},
    )
    assert describe_data("mine", LabelConfig(), counts, None) == DataRecord(
        source="mine",
        users=4,
        items=5,
        ratings=10,
        duplicate_users=1,
        sparsity=0.5,
        first="1970-01-01T00:00:00+00:00",
        last="1970-01-02T00:00:00+00:00",
        one_label=None,
        reading=None,
        late_keys={"mood": 2},
    )
    assert describe_data("mine", LabelConfig(), None, None) == DataRecord("mine")
    events = msgspec.structs.replace(counts, event_types={"buy": 4, "view": 6})
    described = describe_data("shop", LabelConfig(), events, None)
    assert described.event_types == {"buy": 4, "view": 6}
    assert described.sparsity is None  # a pair may have several rows
    likes = describe_data("mine", LabelConfig("> 0"), counts, None)
    assert likes.one_label.startswith("Every rating is liked")
