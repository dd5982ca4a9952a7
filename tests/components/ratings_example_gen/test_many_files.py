"""Many small pieces cost as much work as few large ones: work is counted, not timed."""

import gc
from collections import Counter

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen import files
from components.ratings_example_gen.inspection import inspect_path
from components.ratings_example_gen.read.ratings import RatingsReader

NUM_FILES = 40


@pytest.fixture
def count(monkeypatch):
    """A function that counts the calls of a function from now on."""
    calls = Counter()

    def start(owner, name):
        original = getattr(owner, name)

        def counted(*arguments, **options):
            calls[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)
        return calls

    return start


def test_each_file_is_opened_a_few_times_and_no_object_is_searched(tmp_path, count):
    for number in range(NUM_FILES):
        rows = f"user_id,item_id,rating,timestamp\nu{number},i,4,1600000000\n"
        (tmp_path / f"part-{number}.csv").write_text(rows)
    count(files, "open_binary")
    count(files, "status_of")
    calls = count(gc, "get_referrers")
    assert inspect_path(tmp_path).kept == NUM_FILES
    assert calls["open_binary"] <= 2 * NUM_FILES
    assert calls["status_of"] <= 6 * NUM_FILES
    # Arrow's read_csv does so each time, through all of Python's objects.
    assert calls["get_referrers"] == 0


def test_small_files_are_parsed_without_arrow_and_checked_together(tmp_path, count):
    for number in range(NUM_FILES):
        rows = f"user_id,item_id,rating,timestamp\nu{number},i,4,1600000000\n"
        (tmp_path / f"part-{number:02}.csv").write_text(rows)
    count(pa_csv, "read_csv")
    calls = count(RatingsReader, "check")
    assert inspect_path(tmp_path).users == NUM_FILES
    assert calls == {"check": 1}


def test_the_footer_of_parquet_is_read_a_few_times(tmp_path, count):
    table = pa.table({"user_id": ["u"], "item_id": ["i"], "rating": [1.0]})
    with pq.ParquetWriter(tmp_path / "r.parquet", table.schema) as writer:
        for _ in range(100):
            writer.write_table(table)
    calls = count(pq, "ParquetFile")
    found = inspect_path(tmp_path / "r.parquet")
    assert (found.kept, found.repeated) == (100, 99)
    assert calls["ParquetFile"] <= 4
