"""Runs that are forgotten, in a store that TFX wrote; SQLite itself is the oracle."""

import contextlib
import datetime
import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

from benchmarks.store import clone_last_run
from pipeline.runs import lock, retention, store_lookups
from pipeline.runs.metadata_store import open_metadata
from tests.support.metadata_tables import counts, dangling


@pytest.fixture
def folder(run, tmp_path):
    """Run 1 on ratings that are gone since, 2 on newer ones, 3 and 4 from the cache."""
    run("1", "old")
    for run_id in ("2", "3", "4"):
        run(run_id, "new")
    for run_id in "1234":
        (tmp_path / "runs" / run_id).mkdir(parents=True)
        (tmp_path / "runs" / run_id / "run.log").write_text("what it said")
    return tmp_path


def texts(out):
    return sorted(path.read_text() for path in out.glob("artifacts/Data/examples/*/*"))


def clean(marquee, out, *options):
    told = marquee("clean", "--out", str(out), *options)
    assert told.status == 0, told.err
    return told.out


def test_what_old_runs_made_goes_and_the_next_run_has_all_from_the_cache(
    marquee,
    folder,
    run,
):
    before = counts(folder / "metadata.sqlite")
    listed = json.loads(clean(marquee, folder, "--keep-runs", "2", "--json"))
    assert counts(folder / "metadata.sqlite") == before
    assert texts(folder) == ["new", "old"]
    told = clean(marquee, folder, "--keep-runs", "2", "--yes")
    assert "1 old runs, 1 to 1" in " ".join(told.split())
    assert not any(Path(entry["path"]).exists() for entry in listed)
    assert {Path(entry["path"]).name for entry in listed} >= {"1"}
    assert texts(folder) == ["new"]
    # Run 2 made what the others took from the cache, and is part of their lineage.
    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["2", "3", "4"]
    assert dangling(folder) == {}
    now = counts(folder / "metadata.sqlite")
    assert now["Execution"] == 11  # three makers of run 2, four each of runs 3 and 4
    assert now["Artifact"] == 3
    assert set(run("5", "new").values()) == {"cached"}
    assert run("6", "old")["Data"] == "done"
    assert dangling(folder) == {}


def test_a_thousand_runs_shrink_to_the_kept_ones(marquee, folder):
    path = folder / "metadata.sqlite"
    clean(marquee, folder, "--keep-runs", "2", "--yes")
    few, size = counts(path), path.stat().st_size
    clone_last_run(path, 1000)
    assert path.stat().st_size > 5 * size
    clean(marquee, folder, "--keep-runs", "2", "--yes")
    now = counts(path)
    # Run 2 made it all; of the others the newest two stay, whichever these are.
    del few["sqlite_sequence"], now["sqlite_sequence"]
    assert now == few
    assert path.stat().st_size <= 1.2 * size
    assert dangling(folder) == {}


def test_makers_of_what_is_kept_stay_known(marquee, folder):
    clean(marquee, folder, "--keep-runs", "1", "--yes")
    store = open_metadata(folder / "metadata.sqlite")
    for artifact in store.get_artifacts():
        [maker] = store_lookups.makers(store, artifact.id)
        runs = [
            context.name
            for context in store.get_contexts_by_execution(maker.id)
            if context.type == "pipeline_run"
        ]
        assert runs == ["2"]


def test_a_run_has_to_be_old_and_beyond_the_newest(folder):
    day = datetime.timedelta(days=1)
    later = datetime.datetime.now(datetime.UTC) + 100 * day
    assert retention.plan(folder, 1, 90 * day).runs == ()
    assert retention.plan(folder, 1, 90 * day, later).runs == ("1", "3")
    assert retention.plan(folder, 2, 90 * day, later).runs == ("1",)
    assert retention.plan(folder, 9, 90 * day, later).runs == ()
    assert retention.plan(folder, 1, 101 * day, later).runs == ()


def test_runs_that_ended_before_their_first_step_go_with_those_of_their_time(
    marquee, folder
):
    for name, moment in (("early", 1_000_000_000), ("late", time.time() + 1000)):
        (folder / "runs" / name).mkdir()
        os.utime(folder / "runs" / name, (moment, moment))
    clean(marquee, folder, "--keep-runs", "2", "--yes")
    left = {path.name for path in (folder / "runs").iterdir()}
    assert left == {"2", "3", "4", "late"}


def test_killed_between_rows_and_files_the_rest_is_found(marquee, folder):
    retention.forget(folder, retention.plan(folder, 2))
    assert texts(folder) == ["new", "old"]
    clean(marquee, folder, "--yes")
    assert texts(folder) == ["new"]


def test_a_store_that_cannot_be_written_loses_nothing(marquee, folder):
    before = counts(folder / "metadata.sqlite")
    with contextlib.closing(sqlite3.connect(folder / "metadata.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        told = marquee("clean", "--out", str(folder), "--keep-runs", "1", "--yes")
    assert told.status == 2
    assert "database is locked" in told.err
    assert "Nothing was removed from it" in " ".join(told.err.split())
    assert counts(folder / "metadata.sqlite") == before
    assert texts(folder) == ["new", "old"]


def test_another_layout_of_the_store_is_left_alone(marquee, folder):
    with contextlib.closing(sqlite3.connect(folder / "metadata.sqlite")) as store:
        store.execute("UPDATE MLMDEnv SET schema_version = 11")
        store.commit()
    with pytest.raises(Exception, match="layout 11"):
        retention.forget(folder, retention.Retired((), *[frozenset()] * 3, ()))


def test_a_moved_folder_loses_nothing_that_is_needed(marquee, folder, tmp_path_factory):
    moved = tmp_path_factory.mktemp("elsewhere") / "out"
    folder.rename(moved)
    assert json.loads(clean(marquee, moved, "--json")) == []
    clean(marquee, moved, "--keep-runs", "1", "--yes")
    assert texts(moved) == ["new"]
    moved.rename(folder)


def test_while_a_run_is_at_work_nothing_is_forgotten(marquee, folder):
    with lock.one_run(folder):
        told = marquee("clean", "--out", str(folder), "--keep-runs", "1", "--yes")
    assert told.status == 7
    assert texts(folder) == ["new", "old"]


@pytest.mark.parametrize(
    ("text", "hours"), [("36h", 36), ("90d", 2160), ("12W", 2016), (" 0d ", 0)]
)
def test_an_age_is_read(text, hours):
    assert retention.parse_age(text) == datetime.timedelta(hours=hours)


@pytest.mark.parametrize("text", ["90", "d", "-1d", "1.5d", "90 days", "", "9999999d"])
def test_what_is_no_age_says_what_was_expected(marquee, tmp_path, text):
    told = marquee("clean", "--out", str(tmp_path), f"--older-than={text}")
    assert told.status == 2
    assert "is not an age such as 36h, 90d or 12w" in " ".join(told.err.split())
