"""Small TFX components on a real SQLite metadata store."""

import sqlite3

import pytest
from tfx import v1 as tfx
from tfx.types.channel import union
from tfx.v1.types.standard_artifacts import Model, ModelBlessing
from toy_models import BrokenModelError, Champion, bless, make_data, push, train

from pipeline.runs.local_runner import run_locally
from pipeline.runs.step_state import StepFailedError

JOBS = 1


@pytest.fixture(params=[1, 2], ids=["one after the other", "side by side"])
def jobs(request):
    return request.param


@pytest.fixture(autouse=True)
def _set_jobs(monkeypatch, jobs):
    monkeypatch.setitem(globals(), "JOBS", jobs)


@pytest.fixture
def make(tmp_path):
    """Makes a pipeline of nodes on the test's own store."""

    def _make(*nodes):
        return tfx.dsl.Pipeline(
            "test",
            str(tmp_path / "artifacts"),
            components=list(nodes),
            enable_cache=True,
            metadata_connection_config=(
                tfx.orchestration.metadata.sqlite_metadata_connection_config(
                    str(tmp_path / "metadata.sqlite")
                )
            ),
        )

    return _make


@pytest.fixture
def house(make):
    """Makes Data → three Trainers → Champion → Push; the fates are the Trainers'."""

    def _house(a="trained", b="trained", c="trained"):
        data = make_data(text="ratings").with_id("Data")
        trainers = [
            train(examples=data.outputs["examples"], fate=fate).with_id(f"Trainer_{x}")
            for x, fate in zip("abc", (a, b, c), strict=True)
        ]
        champion = Champion(union([trainer.outputs["model"] for trainer in trainers]))
        pusher = push(model=champion.outputs["champion"]).with_id("Push")
        return make(data, *trainers, champion, pusher)

    return _house


def run(pipeline, run_id="1"):
    results = run_locally(
        pipeline, run_id, lambda name: None, lambda result: None, JOBS
    )
    return {result.name: result for result in results}


def states(results):
    return {name: result.state for name, result in results.items()}


def candidates(tmp_path):
    """The models that each run of the champion was given, in the order of the runs."""
    files = (tmp_path / "artifacts" / "Champion" / "champion").glob("*/candidates")
    return [
        file.read_text() for file in sorted(files, key=lambda f: int(f.parent.name))
    ]


def test_second_run_is_served_from_cache(house):
    names = {"Data", "Trainer_a", "Trainer_b", "Trainer_c", "Champion", "Push"}
    assert states(run(house(), "1")) == dict.fromkeys(names, "done")
    assert states(run(house(), "2")) == dict.fromkeys(names, "cached")


def test_changed_step_runs_again_with_what_follows(house):
    run(house(), "1")
    again = states(run(house(b="trained otherwise"), "2"))
    assert again == {
        "Data": "cached",
        "Trainer_a": "cached",
        "Trainer_b": "done",
        "Trainer_c": "cached",
        "Champion": "done",
        "Push": "done",
    }


def test_run_id_names_the_run_in_the_metadata_store(house, tmp_path):
    run(house(), "20261122-031500")
    with sqlite3.connect(tmp_path / "metadata.sqlite") as store:
        rows = store.execute(
            "select Context.name from Context join Type on Context.type_id = Type.id"
            " where Type.name = 'pipeline_run'"
        ).fetchall()
    assert rows == [("20261122-031500",)]


def test_failed_model_is_left_out_and_the_others_go_on(house, tmp_path):
    results = run(house(b="breaks"))
    assert states(results) == {
        "Data": "done",
        "Trainer_a": "done",
        "Trainer_b": "failed",
        "Trainer_c": "done",
        "Champion": "done",
        "Push": "done",
    }
    assert candidates(tmp_path) == ["Trainer_a Trainer_c"]
    assert type(results["Trainer_b"].error) is BrokenModelError
    assert str(results["Trainer_b"].error) == "this model cannot be trained"


def test_failed_model_of_an_earlier_run_is_not_mixed_in(house, tmp_path):
    run(house(), "1")
    run(house(b="breaks"), "2")
    assert candidates(tmp_path) == [
        "Trainer_a Trainer_b Trainer_c",
        "Trainer_a Trainer_c",
    ]


def test_next_run_makes_good_what_failed(house, tmp_path):
    run(house(b="breaks"), "1")
    assert not list(tmp_path.glob("artifacts/Trainer_b/model/*"))
    assert states(run(house(), "2")) == {
        "Data": "cached",
        "Trainer_a": "cached",
        "Trainer_b": "done",
        "Trainer_c": "cached",
        "Champion": "done",
        "Push": "done",
    }


def test_champion_is_skipped_when_no_model_is_left(house):
    results = run(house("breaks", "breaks", "breaks"))
    assert states(results)["Champion"] == "skipped"
    assert states(results)["Push"] == "skipped"
    assert results["Push"].seconds == 0
    assert results["Push"].error is None


@pytest.mark.parametrize("how", ["required", "optional", "waits", "also in a union"])
def test_step_is_skipped_when_one_that_it_needs_failed(make, how):
    data = make_data(text="ratings").with_id("Data")
    good, bad = (
        train(examples=data.outputs["examples"], fate=fate).with_id(f"Trainer_{fate}")
        for fate in ("trained", "breaks")
    )
    good_model, bad_model = good.outputs["model"], bad.outputs["model"]
    if how == "required":
        champion = Champion(bad_model)
    elif how == "optional":  # an Evaluator must not lose its baseline unnoticed
        champion = Champion(good_model, live=bad_model)
    elif how == "waits":
        champion = Champion(good_model)
        champion.add_upstream_node(bad)
    else:
        champion = Champion(union([good_model, bad_model]), live=bad_model)
    assert states(run(make(data, good, bad, champion))) == {
        "Data": "done",
        "Trainer_trained": "done",
        "Trainer_breaks": "failed",
        "Champion": "skipped",
    }


def test_inputs_that_cannot_be_resolved_are_a_failure(make):
    """TFX's own runner takes such a step for done."""
    never_made = tfx.dsl.Channel(type=Model, producer_component_id="Nobody")
    result = run(make(Champion(never_made)))["Champion"]
    assert result.state == "failed"
    assert isinstance(result.error, StepFailedError)
    assert "models" in str(result.error)


def test_resolver_is_cached_when_it_finds_the_same_again(make):
    def live_model(*others):
        live = tfx.dsl.Resolver(
            strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
            model=tfx.dsl.Channel(type=Model, producer_component_id="Trainer"),
            model_blessing=tfx.dsl.Channel(
                type=ModelBlessing, producer_component_id="Judge"
            ),
        ).with_id("LiveModel")
        return make(live, *others)

    data = make_data(text="ratings").with_id("Data")
    trainer = train(examples=data.outputs["examples"], fate="trained")
    trainer = trainer.with_id("Trainer")
    judge = bless(model=trainer.outputs["model"]).with_id("Judge")

    def state(run_id, *others):
        return states(run(live_model(*others), run_id))["LiveModel"]

    assert state("1") == "done"  # finds nothing
    assert state("2") == "cached"  # finds nothing again
    assert state("3", data, trainer, judge) == "cached"
    assert state("4") == "done"  # finds the model of run 3
    assert state("5") == "cached"


@pytest.mark.parametrize("fate", ["is interrupted", "is interrupted in Beam"])
def test_interrupt_ends_the_run_after_it_was_reported(house, fate):
    started, ended = [], []
    with pytest.raises(KeyboardInterrupt):
        run_locally(house(b=fate), "1", started.append, ended.append)
    assert started == ["Data", "Trainer_a", "Trainer_b"]
    assert [result.state for result in ended] == ["done", "done", "failed"]
    assert "KeyboardInterrupt" in repr(ended[-1].error)
    assert set(states(run(house(), "2")).values()) == {"cached", "done"}


def test_reports_each_step_once_as_it_ends(house):
    events = []
    results = run_locally(
        house(a="breaks", b="breaks", c="breaks"),
        "1",
        lambda name: events.append(("start", name)),
        lambda result: events.append((result.state, result.name)),
    )
    assert events == [
        ("start", "Data"),
        ("done", "Data"),
        ("start", "Trainer_a"),
        ("failed", "Trainer_a"),
        ("start", "Trainer_b"),
        ("failed", "Trainer_b"),
        ("start", "Trainer_c"),
        ("failed", "Trainer_c"),
        ("skipped", "Champion"),
        ("skipped", "Push"),
    ]
    assert [(r.state, r.name) for r in results] == [
        event for event in events if event[0] != "start"
    ]


@pytest.mark.parametrize("fate", ["shorter", "other", "gone", "more"])
def test_a_damaged_output_is_made_anew_and_never_served_from_cache(
    make, tmp_path, fate
):
    def nodes():
        data = make_data(text="ratings").with_id("Data")
        trainer = train(examples=data.outputs["examples"], fate="trained")
        return data, trainer.with_id("Trainer")

    def again(run_id):
        return states(run(make(*nodes()), run_id))

    assert again("1") == {"Data": "done", "Trainer": "done"}
    assert again("2") == {"Data": "cached", "Trainer": "cached"}
    [data] = tmp_path.glob("artifacts/Data/examples/*/data")
    if fate == "gone":
        data.unlink()
    elif fate == "more":
        data.with_name("another").touch()
    else:
        data.write_text({"shorter": "rat", "other": "ratingz"}[fate])
    assert again("3") == {"Data": "done", "Trainer": "done"}
    made = sorted(tmp_path.glob("artifacts/Data/examples/*"), key=lambda p: int(p.name))
    assert (made[-1] / "data").read_text() == "ratings"
    assert again("4") == {"Data": "cached", "Trainer": "cached"}
