"""A cached run queries ML Metadata equally often, however many runs there were."""

import shutil

import pytest

from benchmarks.store import clone_last_run, counted
from pipeline.runs import store_lookups
from pipeline.runs.metadata_store import open_metadata
from tests.support.metadata_tables import counts


def test_a_thousand_cached_runs_make_the_next_one_no_dearer(run, tmp_path):
    store, few = tmp_path / "metadata.sqlite", tmp_path / "few.sqlite"
    run("1")
    assert set(run("2").values()) == {"cached"}
    shutil.copy(store, few)
    for number in range(3, 6):
        run(str(number))
    with counted() as after_real_ones:
        run("6")
    real = counts(store)

    shutil.copy(few, store)
    clone_last_run(store, 3)
    with counted() as after_clones:
        run("6")
    assert counts(store) == real  # clones are what real cached runs leave
    assert after_clones.calls == after_real_ones.calls
    assert after_clones.bytes == pytest.approx(after_real_ones.bytes, rel=0.02)

    shutil.copy(few, store)
    clone_last_run(store, 1000)
    with counted() as after_a_thousand:
        assert set(run("1007").values()) == {"cached"}
    assert after_a_thousand.calls == after_real_ones.calls
    assert after_a_thousand.bytes < 1.1 * after_real_ones.bytes


def test_the_newest_outputs_of_a_key_that_are_there_are_taken(run, tmp_path):
    run("1")
    run("2", "others")
    assert set(run("3").values()) == {"cached"}
    for damaged in tmp_path.glob("artifacts/Data/examples/*/data"):
        if damaged.read_text() == "ratings":
            damaged.unlink()
    assert run("4")["Data"] == "done"
    assert run("5")["Data"] == "cached"


def test_makers_and_users_are_those_that_worked(run, tmp_path):
    run("1")
    run("2")
    store = open_metadata(tmp_path / "metadata.sqlite")
    [examples] = store.get_artifacts_by_type("Examples")
    [maker] = store_lookups.makers(store, examples.id)
    assert maker.type.endswith("make_data")
    users = store_lookups.users(store, examples.id)
    assert [user.type.rpartition(".")[2] for user in users] == ["train", "train"]
