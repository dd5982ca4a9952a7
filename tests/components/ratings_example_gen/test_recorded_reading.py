"""The spans of a window are compared with how an earlier run of the store read them."""

import dataclasses
import json

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration.metadata import Metadata, sqlite_metadata_connection_config

from components.ratings_example_gen import Settings, recognise_ratings
from components.ratings_example_gen.component import RatingsExampleGen
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.driver import RatingsDriver
from components.ratings_example_gen.execution_input import read_settings
from components.ratings_example_gen.input_errors import BadInputError

SECONDS, MILLISECONDS = 1_600_000_000, 1_600_000_000_000


@pytest.fixture
def spans(tmp_path):
    """A function that adds a span with one rating, and returns the folder."""

    def add(name, time):
        folder = tmp_path / "spans" / name
        folder.mkdir(parents=True)
        rows = f"user_id,item_id,rating,timestamp\nu,i,3,{time}\n"
        (folder / "r.csv").write_text(rows)
        (folder / "_SUCCESS").touch()
        return tmp_path / "spans"

    return add


@pytest.fixture
def store(tmp_path):
    return Metadata(
        sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))
    )


@pytest.fixture
def record(tmp_path, store):
    """A function that records a run which read a folder, as TFX does."""

    def type_id(handle, kind, name):
        made = getattr(mlmd, f"{kind}Type")(name=name)
        return getattr(handle, f"put_{kind.lower()}_type")(made)

    def written(run, folder, verdict, base=None):
        uri = tmp_path / "examples" / run
        uri.mkdir(parents=True)
        layout = recognise_ratings(folder, Settings())
        counts = {"reading": dataclasses.asdict(layout.reading)}
        (uri / "counts.json").write_text(json.dumps(counts))
        with store as opened:
            handle = opened.store
            context = mlmd.Context(
                type_id=type_id(handle, "Context", "pipeline_run"), name=run
            )
            examples = mlmd.Artifact(
                type_id=type_id(handle, "Artifact", "Examples"), uri=str(uri)
            )
            reader = mlmd.Execution(
                type_id=type_id(handle, "Execution", "a.RatingsExampleGen"),
                last_known_state=mlmd.Execution.COMPLETE,
            )
            reader.custom_properties["input_base"].string_value = base or str(folder)
            event = mlmd.Event(type=mlmd.Event.OUTPUT)
            handle.put_execution(reader, [(examples, event)], [context], True)
            champion = mlmd.Execution(
                type_id=type_id(handle, "Execution", "a.Champion"),
                last_known_state=verdict,
            )
            handle.put_execution(champion, [], [context], True)

    return written


def resolve(store, folder, **settings):
    component = RatingsExampleGen(str(folder), Settings(**settings))
    resolved = RatingsDriver(store).resolve_exec_properties(
        dict(component.exec_properties), None, None
    )
    return read_settings(resolved).spans


def test_another_guess_is_refused_and_another_statement_is_not(spans, store, record):
    folder = spans("1", SECONDS)
    assert resolve(store, folder, window="1 spans") == ("1",)  # the first of all runs
    record("r1", folder, mlmd.Execution.COMPLETE)
    assert resolve(store, folder, window="1 spans") == ("1",)
    spans("2", MILLISECONDS)
    with pytest.raises(BadInputError, match="data.timestamp_unit: .* s, .* ms"):
        resolve(store, folder, window="1 spans")
    stated = Dialect(timestamp_unit="ms")
    assert resolve(store, folder, window="1 spans", dialect=stated) == ("2",)
    # `marquee retrain` names its spans, and has its own memory.
    assert resolve(store, folder, spans=("2",)) == ("2",)


def test_the_newest_run_with_a_verdict_on_the_same_folder_counts(
    spans, store, record, tmp_path
):
    folder = spans("1", SECONDS)
    record("r1", folder, mlmd.Execution.COMPLETE)
    other = tmp_path / "other"
    other.mkdir()
    (other / "r.csv").write_text(
        f"user_id,item_id,rating,timestamp\nu,i,3,{MILLISECONDS}\n"
    )
    record("r2", other, mlmd.Execution.COMPLETE)
    record("r3", other, mlmd.Execution.FAILED, base=str(folder))
    assert resolve(store, folder, window="1 spans") == ("1",)
    record("r4", other, mlmd.Execution.CACHED, base=str(folder))
    with pytest.raises(BadInputError, match="data.timestamp_unit"):
        resolve(store, folder, window="1 spans")
    (tmp_path / "examples" / "r4" / "counts.json").unlink()  # cleaned
    assert resolve(store, folder, window="1 spans") == ("1",)
