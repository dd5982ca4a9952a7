"""Lists are logged beside the requests, and what is lost is counted."""

import datetime
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.list_log import files
from pipeline.list_log.files import ListLog
from pipeline.list_log.shown import SCHEMA, as_table
from pipeline.recommend.item_ids import Coded
from tests.support import logged_page

START = 1_795_174_200


def page(number):
    """A page whose lists have as many members as its number."""
    names = [f"i{n}" for n in range(number)]
    made = logged_page.page(f"u{number}", names, names)
    if number != 1:
        return made
    none = dict.fromkeys(("call_rows", "call_place", "call_k"))
    return made._replace(**none, call_widths={})


def test_columns_are_those_that_arrow_builds_from_rows():
    pages = [page(number) for number in (3, 0, 1, 2)]
    rows = [
        each._asdict() | {"call_widths": list(each.call_widths.items())}
        for each in pages
    ]
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    assert as_table(pages).equals(pa.table(columns, schema=SCHEMA))


def test_histories_in_memory_are_logged_as_texts_and_numbers():
    """Those of the data are views of arrays; those with events are tuples."""
    ratings, times = [4.5, 1.0, 3.0], [START, START + 9, START + 2**33]
    pages = [
        page(2)._replace(history_ratings=(2.0, 5.0), history_times=(START, START)),
        page(3)._replace(
            history_ratings=memoryview(np.array([0, *ratings], np.float32)[1:]),
            history_times=memoryview(np.array([0, *times])[1:]),
        ),
        page(0)._replace(history_ratings=memoryview(np.zeros(0, np.float32))),
    ]
    table = as_table(pages)
    assert table["history_ratings"].to_pylist() == [[2.0, 5.0], ratings, []]
    assert table["history_times"].to_pylist() == [[START, START], times, []]


def test_numbered_histories_of_several_data_are_logged_as_texts():
    """Two versions have their own data, and users with events have texts."""
    old, new = pa.array(["a", "b", "ü"]), pa.array(["c", "a"])
    histories = [
        Coded(np.array([2, 0, 2], np.int32), old),
        ("x", "b"),
        Coded(np.array([1, 0], np.int32), new),
        (),
        Coded(np.zeros(0, np.int32), new),
        Coded(np.array([1], np.int32), old),
    ]
    pages = [page(2)._replace(history_items=history) for history in histories]
    logged_items = as_table(pages)["history_items"].to_pylist()
    assert logged_items == [["ü", "a", "ü"], ["x", "b"], ["a", "c"], [], [], ["b"]]


@pytest.fixture
def lost():
    return []


@pytest.fixture
def kept():
    return []


def logged(folder):
    return [
        row["user"]
        for path in sorted(folder.glob(files.FILES))
        for row in pq.read_table(path).to_pylist()
    ]


def test_files_are_complete_when_they_appear(tmp_path, lost, kept, monkeypatch):
    monkeypatch.setattr(files, "WRITE_SECONDS", 0.05)
    monkeypatch.setattr(files, "FILE_SECONDS", 0.1)
    log = ListLog(tmp_path, 1.0, kept.append, lost.append)
    for number in range(20):
        log.add(page(number))
        time.sleep(0.05)
    log.close()
    assert sorted(logged(tmp_path / "lists")) == sorted(f"u{n}" for n in range(20))
    assert len(list((tmp_path / "lists").iterdir())) > 2
    assert not list((tmp_path / "lists").glob(".*"))
    assert lost == []
    assert sum(kept) == 20
    assert len(kept) == len(list((tmp_path / "lists").iterdir()))


def test_what_does_not_fit_is_counted(tmp_path, lost, kept, monkeypatch):
    monkeypatch.setattr(files, "MAX_WAITING", 5)
    monkeypatch.setattr(files, "WRITE_SECONDS", 60)
    log = ListLog(tmp_path, 1.0, kept.append, lost.append)
    for number in range(8):
        log.add(page(number))
    log.close()
    assert logged(tmp_path / "lists") == [f"u{n}" for n in range(5)]
    assert sum(lost) == 3


@pytest.mark.parametrize("seconds", [60.0, 0.0])
def test_a_folder_that_disappears_costs_lists_and_no_request(
    tmp_path, lost, kept, monkeypatch, caplog, seconds
):
    """The folder is gone when a file is begun, or when it is complete."""
    monkeypatch.setattr(files, "WRITE_SECONDS", 0.05)
    monkeypatch.setattr(files, "FILE_SECONDS", seconds)
    folder = tmp_path / "lists"
    log = ListLog(tmp_path, 1.0, kept.append, lost.append)
    if not seconds:
        log.add(page(1))
        until(lambda: list(folder.glob(".*")))
    shutil.rmtree(folder)
    if seconds:
        log.add(page(1))
    until(lambda: lost)
    assert sum(lost) == 1
    until(lambda: "lists cannot be logged" in caplog.text)
    folder.mkdir()
    log.add(page(2))
    log.close()
    assert logged(folder) == ["u2"]
    assert (sum(kept), sum(lost)) == (1, 1)


def until(is_true):
    end = time.monotonic() + 10
    while not is_true() and time.monotonic() < end:
        time.sleep(0.005)
    assert is_true()


def test_a_share_is_drawn(tmp_path, lost, kept):
    log = ListLog(tmp_path, 0.25, kept.append, lost.append)
    drawn = sum(log.is_wanted for _ in range(20_000))
    log.close()
    assert 4600 < drawn < 5400  # six standard deviations


TODAY = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0)


def write_days(folder, ages):
    """Writes a file for each age in days, and leaves an unfinished one beside it."""
    folder.mkdir()
    for age in ages:
        then = TODAY - datetime.timedelta(days=age)
        path = folder / f"lists-{then:%Y%m%dT%H%M%S.%fZ}-1.parquet"
        pq.write_table(as_table([page(age)]), path)
        # A copy may have the time at which it was made, whatever the clock was then.
        os.utime(path, (0, 0))
        left = folder / f".unfinished-{age}"
        left.touch()
        os.utime(left, (then.timestamp(),) * 2)


def log_one(tmp_path, lost, kept):
    log = ListLog(tmp_path, 1.0, kept.append, lost.append)
    log.add(page(0))
    log.close()


def ages_in(folder):
    users = sorted(int(user[1:]) for user in logged(folder))
    lefts = sorted(int(path.name.split("-", 1)[1]) for path in folder.glob(".*"))
    return users, lefts


def test_old_files_are_removed(tmp_path, lost, kept):
    write_days(tmp_path / "lists", range(1, 40))
    log_one(tmp_path, lost, kept)
    month = list(range(1, 31))
    assert ages_in(tmp_path / "lists") == ([0, *month], month)


def test_what_another_server_removes_first_is_no_error(
    tmp_path, lost, kept, monkeypatch, caplog
):
    write_days(tmp_path / "lists", range(1, 40))
    unlink = Path.unlink

    def removed_twice(path, missing_ok=False):
        unlink(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", removed_twice)
    log_one(tmp_path, lost, kept)
    month = list(range(1, 31))
    assert ages_in(tmp_path / "lists") == ([0, *month], month)
    assert caplog.messages == []


def test_old_files_that_stay_cost_no_lists(tmp_path, lost, kept, monkeypatch, caplog):
    write_days(tmp_path / "lists", range(1, 40))

    def refused(path, missing_ok=False):
        raise PermissionError(f"{path} is another's")

    monkeypatch.setattr(Path, "unlink", refused)
    log_one(tmp_path, lost, kept)
    assert (lost, kept) == ([], [1])
    [message] = caplog.messages
    assert message.startswith("old lists cannot be removed from")


@pytest.mark.parametrize("days", [40, 4000])
def test_a_clock_that_jumps_ahead_removes_no_month(tmp_path, lost, kept, days):
    """As the log was when the clock was right; the server completes a file ahead."""
    write_days(tmp_path / "lists", range(days, days + 31))
    log_one(tmp_path, lost, kept)
    month = list(range(days, days + 30))
    assert ages_in(tmp_path / "lists") == ([0, *month], month)


def test_files_of_a_future_replace_none_of_the_month(tmp_path, lost, kept):
    """The clock was ahead, and is right again."""
    write_days(tmp_path / "lists", [-40, *range(1, 40)])
    log_one(tmp_path, lost, kept)
    month = list(range(1, 31))
    assert ages_in(tmp_path / "lists") == ([-40, 0, *month], [-40, *month])
