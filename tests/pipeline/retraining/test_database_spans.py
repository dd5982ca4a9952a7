import contextlib
import datetime
import sqlite3

import msgspec
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen.spans import SpansError
from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config
from pipeline.datasets.errors import DatasetError
from pipeline.retraining import retrain
from pipeline.retraining.database_spans import copy_days
from pipeline.runs.source_files import SNAPSHOTS, source_files, unrecorded_files

TODAY = datetime.date(2026, 11, 20)
# Midnight belongs to the day that begins.
ROWS = [
    ("a", "2026-11-16 23:59:59"),
    ("b", "2026-11-17 00:00:00"),
    ("c", "2026-11-17 23:59:59"),
    ("d", "2026-11-19 12:00:00"),
    ("e", "2026-11-20 00:00:00"),
]


@pytest.fixture
def config(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("CREATE TABLE log (user_id, item_id, at)")
        rows = [(user, "i", at) for user, at in ROWS]
        database.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
        database.commit()
    query = "SELECT * FROM log WHERE at >= {start} AND at < {end}"
    return load_config(
        None,
        [f"out={tmp_path / 'out'}", "retrain.window=3 days"],
        {"--data": ("data.source", f"sqlite://{tmp_path}/shop.db#{query}")},
    )


def ignored(description, done, total):
    pass


def users(folder):
    found = sorted(folder.glob("*/_SUCCESS"))
    return {
        marker.parent.name: [
            user
            for path in marker.parent.glob("*.parquet")
            for user in pq.read_table(path)["user_id"].to_pylist()
        ]
        for marker in found
    }


def test_each_day_of_the_window_is_a_span_with_its_rows(config):
    folder = copy_days(config, TODAY, ignored)
    assert users(folder) == {
        **{"2026-11-17": ["b", "c"], "2026-11-18": [], "2026-11-19": ["d"]}
    }


def test_a_day_is_copied_once(config, tmp_path):
    copy_days(config, TODAY, ignored)
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("INSERT INTO log VALUES ('late', 'i', '2026-11-19 13:00:00')")
        database.execute("INSERT INTO log VALUES ('new', 'i', '2026-11-20 13:00:00')")
        database.commit()
    folder = copy_days(config, TODAY + datetime.timedelta(days=1), ignored)
    assert users(folder)["2026-11-19"] == ["d"]
    assert users(folder)["2026-11-20"] == ["e", "new"]


def test_a_day_that_failed_is_copied_by_the_next_retraining(config, tmp_path):
    folder = copy_days(config, TODAY, ignored)
    (tmp_path / "shop.db").rename(tmp_path / "away.db")
    tomorrow = TODAY + datetime.timedelta(days=1)
    with pytest.raises(DatasetError, match="no such file"):
        copy_days(config, tomorrow, ignored)
    assert "2026-11-20" not in users(folder)
    (tmp_path / "away.db").rename(tmp_path / "shop.db")
    assert users(copy_days(config, tomorrow, ignored))["2026-11-20"] == ["e"]


def test_a_run_reads_the_spans_and_records_their_queries(config, tmp_path):
    folder = copy_days(config, TODAY, ignored)
    source = source_files(config, tmp_path / "out" / SNAPSHOTS, ignored)
    assert (source.name, source.folder) == (config.data.source, folder)
    counts = {span: read.rows for span, read in source.snapshots.items()}
    assert counts == {"2026-11-17": 2, "2026-11-19": 1}
    assert source.snapshots["2026-11-19"].query == (
        "SELECT * FROM log WHERE at >= '2026-11-19 00:00:00' "
        "AND at < '2026-11-20 00:00:00'"
    )


def test_retrain_plans_the_spans_of_a_database(config, tmp_path):
    yesterday = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("UPDATE log SET at = ?", [f"{yesterday} 12:00:00"])
        database.commit()
    window = retrain.plan(config, ())
    assert window.names == window.new == (yesterday.isoformat(),)


def test_what_cannot_be_a_span_is_explained(config):
    data = msgspec.structs.replace(config.data, source="sqlite://shop.db#log")
    with pytest.raises(SpansError, match=r"WHERE at >= \{start\} AND at < \{end\}"):
        copy_days(msgspec.structs.replace(config, data=data), TODAY, ignored)
    all_days = msgspec.structs.replace(config.retrain, window="all")
    with pytest.raises(ConfigError, match="first day"):
        copy_days(msgspec.structs.replace(config, retrain=all_days), TODAY, ignored)
    with (
        pytest.raises(DatasetError, match="filled in by marquee retrain"),
        unrecorded_files(config, ignored),
    ):
        pass
