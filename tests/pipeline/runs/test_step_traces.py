"""Traces of runs, with a small pipeline that TFX executes."""

import logging

import pytest

from pipeline.runs.record import StepRecord
from pipeline.runs.step_result import StepResult
from pipeline.runs.step_traces import traced
from tests.support.cached_runs import run_small_pipeline
from tests.support.run_record import make_record
from tests.support.trace_receiver import receiver


class Silent:
    """An observer that remembers what it gets."""

    def __init__(self):
        self.seen = []

    def steps(self, names):
        self.seen.append(("steps", names))

    def started(self, name):
        self.seen.append(("started", name))

    def ended(self, result):
        self.seen.append(("ended", result.name))


@pytest.fixture
def collector(tmp_path, monkeypatch):
    """Runs a collector that this process sends to."""
    with receiver(tmp_path) as collector:
        for name, value in collector.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
        yield collector


def test_a_run_is_a_trace_of_its_steps_executed_or_cached_with_a_receiver_of_our_own(
    collector, tmp_path
):
    for run_id in ("20261130-010000", "20261130-020000"):
        with traced(run_id, Silent()) as (observer, finish):
            observer.steps(["Data"])
            run_small_pipeline(tmp_path, run_id, observer=observer)
            finish(make_record(run_id))
    spans = collector.spans()
    runs = [span for span in spans if span["name"] == "run"]
    assert [run["attributes"] for run in runs] == [
        {"marquee.run_id": run_id, "marquee.status": "a new model is live"}
        for run_id in ("20261130-010000", "20261130-020000")
    ]
    assert {span["service"] for span in spans} == {"nightly"}
    for run, state in zip(runs, ("done", "cached"), strict=True):
        assert not run.get("parentSpanId")
        steps = [span for span in spans if span.get("parentSpanId") == run["spanId"]]
        states = {s["name"]: s["attributes"]["marquee.step.state"] for s in steps}
        assert states == {
            **dict.fromkeys(("Data", "Trainer", "Champion"), state),
            "LiveModel": states["LiveModel"],
        }
        for step in steps:
            assert step["traceId"] == run["traceId"]
            is_cached = step["attributes"]["marquee.step.state"] == "cached"
            assert step["attributes"]["marquee.step.cached"] is is_cached
            moments = [
                *(run["startTimeUnixNano"], step["startTimeUnixNano"]),
                *(step["endTimeUnixNano"], run["endTimeUnixNano"]),
            ]
            assert moments == sorted(moments)


def test_an_error_is_in_the_trace_by_its_type_alone(collector):
    silent = Silent()
    failed = make_record(
        steps=[StepRecord(name="Transform", state="failed", seconds=1)]
    )
    with traced("20261130-010000", silent) as (observer, finish):
        observer.started("Transform")
        observer.ended(StepResult("Transform", "failed", 1.0, ValueError("user ann")))
        finish(failed)
    with (
        pytest.raises(KeyError, match="user bob"),
        traced("20261130-020000", Silent()),
    ):
        raise KeyError("user bob")
    assert silent.seen == [("started", "Transform"), ("ended", "Transform")]
    spans = collector.spans()
    assert [span["name"] for span in spans] == ["Transform", "run", "run"]
    assert [span["status"] for span in spans] == [{"code": 2}] * 3
    assert [span["attributes"].get("error.type") for span in spans] == [
        *("ValueError", None, "KeyError"),
    ]
    assert not any(user in str(spans) for user in ("ann", "bob"))


def test_without_a_collector_the_observer_is_the_given_one(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    silent = Silent()
    with traced("20261130-010000", silent) as (observer, finish):
        assert observer is silent
        finish(make_record())


def test_a_collector_that_is_down_changes_nothing(monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with (
        caplog.at_level(logging.WARNING),
        traced("20261130-010000", Silent()) as (observer, finish),
    ):
        observer.started("Transform")
        observer.ended(StepResult("Transform", "done", 1.0))
        finish(make_record())
    assert any("opentelemetry" in record.name for record in caplog.records)
