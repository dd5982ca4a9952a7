"""Runs that are found and read again."""

import pytest

from pipeline.runs import finished_runs
from tests.support.run_record import write_record


def test_the_newest_run_is_read_or_the_one_that_is_named(tmp_path):
    for run_id in ("20261122-031500", "20261122-091500", "20251231-235959"):
        write_record(tmp_path, run_id)
    assert finished_runs.read(tmp_path).run.id == "20261122-091500"
    named = finished_runs.read(tmp_path, "20251231-235959")
    assert named.run.id == "20251231-235959"


def test_a_run_that_did_not_finish_is_none(tmp_path):
    write_record(tmp_path, "20261122-031500")
    (tmp_path / "runs" / "20261122-091500").mkdir()
    assert finished_runs.read(tmp_path).run.id == "20261122-031500"
    with pytest.raises(
        finished_runs.RunNotFoundError, match="20261122-091500.*are 2026.*031500"
    ):
        finished_runs.read(tmp_path, "20261122-091500")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "[" * 5000, "\udcff"])
def test_a_damaged_run_is_named(tmp_path, text):
    write_record(tmp_path, "20261122-031500")
    path = tmp_path / "runs/20261122-031500/run.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(
        finished_runs.RunNotFoundError, match="run.json cannot be read.*backup"
    ):
        finished_runs.read(tmp_path)


def test_no_run_at_all_says_how_to_start_one(tmp_path):
    with pytest.raises(finished_runs.RunNotFoundError, match="marquee run.*--out"):
        finished_runs.read(tmp_path / "nowhere")
    assert issubclass(finished_runs.RunNotFoundError, LookupError)


def test_a_folder_that_was_moved_is_named_as_it_is_now(tmp_path):
    assert write_record(tmp_path, "r1").run.out == "marquee-out"
    read = finished_runs.read(tmp_path, "r1")
    assert read.run.out == str(tmp_path)
    assert read.run.log == str(tmp_path / "runs" / "r1" / "run.log")
