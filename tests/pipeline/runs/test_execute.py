"""Runs read again, and what they mean to whoever called."""

import json
import math
import subprocess
import sys

import pytest

from components.anomaly_gate import AnomaliesError
from components.ratings_example_gen import BadInputError, recognise_ratings
from pipeline.config.data_settings import data_settings
from pipeline.config.errors import ConfigError
from pipeline.config.schema import DataConfig, LabelConfig, PipelineConfig
from pipeline.runs import execute
from pipeline.runs.local_runner import StepResult


def write(out, run_id, **run):
    folder = out / "runs" / run_id
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))


def test_the_newest_run_is_read_or_the_one_that_is_named(tmp_path):
    for run_id in ("20261122-031500", "20261122-091500", "20251231-235959"):
        write(tmp_path, run_id, run={"id": run_id})
    assert execute.read(tmp_path, None)["run"]["id"] == "20261122-091500"
    assert execute.read(tmp_path, "20251231-235959")["run"]["id"] == "20251231-235959"


def test_a_run_that_did_not_finish_is_none(tmp_path):
    write(tmp_path, "20261122-031500", run={"id": "20261122-031500"})
    (tmp_path / "runs" / "20261122-091500").mkdir()
    assert execute.read(tmp_path, None)["run"]["id"] == "20261122-031500"
    with pytest.raises(
        execute.RunNotFoundError, match="20261122-091500.*has 2026.*031500"
    ):
        execute.read(tmp_path, "20261122-091500")


@pytest.mark.parametrize("text", ["", "{", "[" * 5000])
def test_a_damaged_run_is_named(tmp_path, text):
    write(tmp_path, "20261122-031500", run={})
    (tmp_path / "runs/20261122-031500/run.json").write_text(text)
    with pytest.raises(execute.RunNotFoundError, match="run.json cannot be read"):
        execute.read(tmp_path, None)


def test_no_run_at_all_says_how_to_start_one(tmp_path):
    with pytest.raises(execute.RunNotFoundError, match="marquee run.*--out"):
        execute.read(tmp_path / "nowhere", None)
    assert issubclass(execute.RunNotFoundError, LookupError)


PUSHED = {"version": 1, "overtaken": ""}


@pytest.mark.parametrize(
    ("errors", "verdicts", "is_news", "pushed", "exit_status"),
    [
        ({}, ["reference", "live", "passed"], True, "done", 0),
        ({}, ["reference", "live"], False, "cached", 0),
        ({}, ["reference", "passed"], False, "done", 0),  # not surely better
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
    models = [{"verdict": verdict} for verdict in verdicts]
    decided = {"models": models, "changed": is_news}
    steps = [
        StepResult(name, "failed", 1.0, kind.__new__(kind))
        for name, kind in errors.items()
    ]
    steps.append(StepResult("Pusher", pushed, 0.1))
    status = execute._status(steps, decided, checked(blessed=True), PUSHED)
    assert execute.exit_status({"run": {"status": status}}) == exit_status
    assert (status == execute.CHANGED) == (is_news and not errors)


def test_a_champion_that_cannot_serve_is_refused(checked):
    steps = [StepResult("Pusher", "done", 0.1)]
    decided = {"models": [{"verdict": "live"}], "changed": True}
    fit, unfit = checked(blessed=True), checked(blessed=False)
    assert execute._status(steps, decided, fit, PUSHED) == execute.CHANGED
    assert (
        execute._status(steps, decided, unfit, execute._pushed({})) == execute.REFUSED
    )
    assert (
        execute._status(steps, decided, execute._infra({}), PUSHED) == execute.REFUSED
    )


def test_what_was_overtaken_by_a_rollback_changed_nothing(checked, tmp_path):
    steps = [StepResult("Pusher", "done", 0.1)]
    decided = {"models": [{"verdict": "live"}], "changed": True}
    told = {"version": None, "overtaken": "version 3 is live by now"}
    (tmp_path / "pushed.json").write_text(json.dumps(told))
    pushed = execute._pushed({("Pusher", "pushed_model"): str(tmp_path)})
    assert pushed["overtaken"]
    status = execute._status(steps, decided, checked(blessed=True), pushed)
    assert status == execute.UNCHANGED


@pytest.fixture
def checked(tmp_path):
    """What a run reads of an InfraCheck that said so."""

    def outputs(blessed):
        told = {"blessed": blessed, "problems": []}
        (tmp_path / "checked.json").write_text(json.dumps(told))
        return execute._infra({("InfraCheck", "blessing"): str(tmp_path)})

    return outputs


def test_live_is_the_highest_version_that_is_a_number(tmp_path):
    assert execute.live(tmp_path / "live") == {"version": None, "model": None}
    for version, model in (("99", "neumf"), ("1000", "mf_als"), ("tmp-2000", "x")):
        folder = tmp_path / "live" / version / "assets.extra"
        folder.mkdir(parents=True)
        card = {"model": model, "origin": "a", "pushed": "now", "restored": None}
        (folder / "marquee.json").write_text(json.dumps(card))
    assert execute.live(tmp_path / "live") == {"version": "1000", "model": "mf_als"}


def test_what_could_not_be_measured_is_null_in_json():
    run = {"a": [math.nan, {"b": math.inf}, 1.5], "c": "nan", "d": None, "e": 0}
    strict = json.loads(json.dumps(execute._without_nan(run), allow_nan=False))
    assert strict == {"a": [None, {"b": None}, 1.5], "c": "nan", "d": None, "e": 0}


def test_dates_are_utc_and_data_without_counts_has_none():
    counts = {"users": 4, "items": 5, "kept": 10, "first": 0, "last": 86400}
    counts |= {"duplicate_users": 1, "rating_min": 1.0, "rating_max": 5.0}
    counts |= {"late_keys": {"mood": 2}}
    assert execute._data("mine", LabelConfig(), counts) == {
        "source": "mine",
        "users": 4,
        "items": 5,
        "ratings": 10,
        "duplicate_users": 1,
        "sparsity": 0.5,
        "first": "1970-01-01T00:00:00+00:00",
        "last": "1970-01-02T00:00:00+00:00",
        "one_label": None,
        "reading": None,
        "late_keys": {"mood": 2},
    }
    assert execute._data("mine", LabelConfig(), {}) == {"source": "mine"}
    likes = execute._data("mine", LabelConfig("> 0"), counts)
    assert likes["one_label"].startswith("Every rating is liked")


@pytest.mark.parametrize(
    ("header", "columns", "is_refused"),
    [
        ("user_id,item_id,rating", {}, True),
        ("user_id,item_id,rating,timestamp", {}, False),
        ("user_id,item_id,rating,when", {}, True),
        ("user_id,item_id,rating,when", {"timestamp": "when"}, False),
    ],
)
def test_a_model_of_what_comes_next_needs_times(tmp_path, header, columns, is_refused):
    (tmp_path / "mine.csv").write_text(f"{header}\n" + "7,8,3,978300760\n" * 3)
    config = PipelineConfig(
        data=DataConfig(columns=columns), models={"mf_als": {}, "attrec": {}}
    )
    layout = recognise_ratings(tmp_path, data_settings(config))
    if is_refused:
        message = r"models.attrec: .*column of times.*--column timestamp.*--models mf_a"
        with pytest.raises(ConfigError, match=message):
            execute.check_models(
                config, recognise_ratings(tmp_path, data_settings(config))
            )
    else:
        execute.check_models(config, recognise_ratings(tmp_path, data_settings(config)))
    layout = recognise_ratings(tmp_path, data_settings(config))
    execute.check_models(PipelineConfig(models={"mf_als": {}}), layout)


def test_reading_a_run_again_does_not_import_tfx():
    script = (
        "import sys, pipeline.runs.execute; "
        "assert not {'tfx', 'tensorflow', 'apache_beam'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
