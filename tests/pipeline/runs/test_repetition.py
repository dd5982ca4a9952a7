"""A run with nothing new is recorded as TFX records it, and nothing else is repeated.

The oracle is TFX itself: it runs the same small pipeline, from its cache.
"""

import contextlib
import functools
import os
import shutil
import sqlite3
from types import SimpleNamespace

import msgspec
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.live_models import push, versions
from pipeline.config.online_section import OnlineConfig
from pipeline.config.sections import PipelineConfig
from pipeline.runs import metadata_store, output_checksums, repetition, retention
from pipeline.runs.step_result import StepResult
from tests.support.metadata_tables import dangling

STEPS = ["Data", "Champion", "Trainer", "LiveModel"]  # as TFX sorts them
INPUTS = repetition.Inputs("/out", {}, "/data", "f" * 64, "5" * 64, "c" * 12, "life")
# All of the tables, in an order of their own, without the moment and random names.
TABLES = {
    "executions": "SELECT id, type_id, last_known_state FROM Execution",
    "properties": "SELECT execution_id, name, int_value, string_value "
    "FROM ExecutionProperty",
    "artifacts": "SELECT id, type_id, uri, state FROM Artifact",
    "events": "SELECT execution_id, artifact_id, type, step_key, step_index "
    "FROM Event JOIN EventPath ON event_id = Event.id",
    "contexts": "SELECT Context.id, type_id, name FROM Context",
    "parents": "SELECT * FROM ParentContext",
    "associations": "SELECT context_id, execution_id FROM Association",
    "attributions": "SELECT context_id, artifact_id FROM Attribution",
}


def tables(out):
    with contextlib.closing(sqlite3.connect(out / "metadata.sqlite")) as store:
        return {
            name: sorted(map(repr, store.execute(query)))
            for name, query in TABLES.items()
        }


def remember(out, run_id, inputs=INPUTS, state="done"):
    (out / "runs" / run_id).mkdir(parents=True, exist_ok=True)
    (out / "live").mkdir(exist_ok=True)
    steps = [StepResult(name, state, 1.0) for name in STEPS]
    repetition.remember(out, run_id, inputs, inputs, steps)


def repeat(out, run_id, inputs=INPUTS):
    return repetition.find(out, inputs).record(run_id, print, print)


def push_model(out, name, origin):
    model = out / "pushed" / name
    (model / "assets.extra").mkdir(parents=True)
    card = {"model": name, "origin": origin}
    (model / "assets.extra" / "marquee.json").write_text(
        msgspec.json.encode(card).decode()
    )
    push.push(model, out / "live", keep=5)


@pytest.fixture
def last(run, tmp_path):
    """Runs the small pipeline for the first time, as run 1, and remembers it."""
    assert set(run("1").values()) <= {"done", "cached"}
    remember(tmp_path, "1")
    return tmp_path


def test_what_is_recorded_is_what_tfx_records(last, run):
    store, kept = last / "metadata.sqlite", last / "kept.sqlite"
    shutil.copy(store, kept)
    states = run("2")
    assert set(states.values()) == {"cached"}
    by_tfx = tables(last)
    shutil.copy(kept, store)
    ended = repeat(last, "2")
    assert [(step.name, step.state) for step in ended] == list(states.items())
    assert tables(last) == by_tfx
    assert not any(dangling(last).values())


def test_the_next_run_repeats_a_repetition_and_tfx_continues_after_it(last, run):
    repeat(last, "2")
    remember(last, "2", state="cached")
    names = []
    again = repetition.find(last, INPUTS)
    ended = again.record("3", names.append, lambda step: names.append(step.name))
    assert names == [name for name in STEPS for _ in range(2)]
    assert {step.state for step in ended} == {"cached"}
    assert set(run("4").values()) == {"cached"}
    assert run("5", text="other")["Trainer"] == "done"


def test_clean_keeps_what_a_repetition_took_from_the_cache(last, run):
    repeat(last, "2")
    remember(last, "2", state="cached")
    retired = retention.plan(last, keep_runs=1)
    assert not [folder for folder in retired.folders if "artifacts" in folder.parts]
    retention.forget(last, retired)
    assert repetition.find(last, INPUTS)
    assert set(run("3").values()) == {"cached"}


@pytest.mark.parametrize("field", repetition.Inputs.__struct_fields__)
def test_another_input_of_any_kind_is_left_to_tfx(last, field):
    other = {"seed": 1} if field == "config" else "other"
    changed = msgspec.structs.replace(INPUTS, **{field: other})
    assert repetition.find(last, changed) is None
    assert repetition.find(last, INPUTS)


def damaged(out, run):
    [model] = out.glob("artifacts/Trainer/model/*/model")
    model.write_text("rating$")


def removed(out, run):
    [examples] = out.glob("artifacts/Data/examples/*")
    shutil.rmtree(examples)


def rolled_back_or_pushed(out, run):
    push_model(out, "m", "Trainer/model/2")


def run_by_tfx_since(out, run):
    run("1b", text="other")


def interrupted_since(out, run):
    store = repetition._opened(out / "metadata.sqlite")
    [kind] = [t for t in store.get_context_types() if t.name == "pipeline_run"]
    store.put_contexts([mlmd.Context(type_id=kind.id, name="1b")])


def forgotten(out, run):
    (out / "runs" / "1" / repetition.FILE).unlink()


def cut(out, run):
    path = out / "runs" / "1" / repetition.FILE
    path.write_text(path.read_text()[:-40])


def retired(out, run):
    """As ``marquee clean`` marks artifacts whose files are removed."""
    with contextlib.closing(sqlite3.connect(out / "metadata.sqlite")) as store, store:
        store.execute("UPDATE Artifact SET state = 4 WHERE uri LIKE '%Data/examples%'")


@pytest.mark.parametrize(
    "change",
    [
        *(damaged, removed, rolled_back_or_pushed, run_by_tfx_since),
        *(interrupted_since, forgotten, cut, retired),
    ],
)
def test_whatever_happened_in_between_is_left_to_tfx(last, run, change):
    change(last, run)
    assert repetition.find(last, INPUTS) is None


def test_a_moved_folder_is_left_to_tfx(last, run, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("moved") / "out"
    shutil.move(last, elsewhere)
    assert metadata_store.prepare(elsewhere) == last
    here = msgspec.structs.replace(INPUTS, out=str(elsewhere))
    assert repetition.find(elsewhere, here) is None
    last.mkdir()


@pytest.mark.parametrize("state", ["failed", "skipped"])
def test_a_run_whose_steps_did_not_all_succeed_is_not_remembered(tmp_path, state):
    remember(tmp_path, "1", state=state)
    assert not list(tmp_path.glob("runs/1/*"))


def test_inputs_that_changed_during_a_run_are_not_remembered(tmp_path):
    (tmp_path / "runs" / "1").mkdir(parents=True)
    (tmp_path / "live").mkdir()
    write = functools.partial(repetition.remember, tmp_path, "1")
    write(INPUTS, msgspec.structs.replace(INPUTS, files="e" * 64), [])
    write(INPUTS, msgspec.structs.replace(INPUTS, life="rolled back"), [])
    assert not list(tmp_path.glob("runs/1/*"))
    write(msgspec.structs.replace(INPUTS, life=""), INPUTS, [])  # created by the run
    assert list(tmp_path.glob("runs/1/*"))


def test_a_resolver_that_would_choose_another_version_is_left_to_tfx(last):
    """The run made one of its candidates live, and pruned what was live before."""
    step = SimpleNamespace(name="LiveModel", artifacts=lambda key, kind: chosen)
    found = repetition.find(last, INPUTS)
    found._steps = [step]
    earlier = mlmd.Artifact()
    earlier.custom_properties["origin"].string_value = "Trainer_m/model/1"
    chosen = [earlier]
    assert not found._resolves_the_same(step)  # nothing is live
    push_model(last, "m", "Trainer_m/model/1")
    assert found._resolves_the_same(step)
    push_model(last, "n", "Trainer_n/model/2")
    assert not found._resolves_the_same(step)
    trainer = SimpleNamespace(
        name="Trainer_n",
        artifacts=lambda key, kind: [mlmd.Artifact(uri="/o/Trainer_n/model/2")],
    )
    found._steps = [step, trainer]
    assert found._resolves_the_same(step)
    chosen = []
    assert not found._resolves_the_same(step)


def test_the_newest_version_outside_the_candidates(tmp_path):
    newest = functools.partial(versions.newest_origin_outside, tmp_path / "live")
    assert newest(set()) is None
    for number in (1, 2, 3):
        push_model(tmp_path, f"m{number}", f"Trainer_m/model/{number}")
    assert newest(set()) == "Trainer_m/model/3"
    assert newest({"Trainer_m/model/3"}) == "Trainer_m/model/2"
    assert newest({f"Trainer_m/model/{number}" for number in (1, 2, 3)}) is None


def test_inputs_change_with_bytes_of_equal_size_and_time(tmp_path):
    ratings, schema = tmp_path / "ratings.csv", tmp_path / "schema.pbtxt"
    ratings.write_text("1,2,3\n")
    schema.write_text("")
    config = PipelineConfig(out=str(tmp_path / "out"))

    def read(config=config):
        return repetition.read_inputs(config, tmp_path, [str(ratings)], schema)

    before, status = read(), ratings.stat()
    ratings.write_text("1,2,4\n")
    os.utime(ratings, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read() != before
    ratings.write_text("1,2,3\n")
    assert read() == before
    online = OnlineConfig(attribution_window="2h")  # no step reads it
    assert read(msgspec.structs.replace(config, online=online)) == before
    schema.write_text("#\n")
    assert read() != before


def test_an_output_without_a_checksum_is_taken_as_it_is(tmp_path):
    artifact = mlmd.Artifact(uri=str(tmp_path), state=mlmd.Artifact.LIVE)
    assert output_checksums.is_intact(artifact)
