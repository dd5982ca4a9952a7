"""Events are kept once, in days that do not change after they have been written."""

import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.ratings_example_gen.spans import find_spans
from pipeline.event_log.day_spans import write_days
from pipeline.event_log.expected import Expected, Row
from pipeline.event_log.store import (
    EVENTS_FILE,
    EventStore,
    EventStoreError,
    read_since,
)
from pipeline.kept_days import DAY_SECONDS, KEEP_DAYS

DAY = 20777  # 2026-11-20
NOON = (DAY + 0.5) * DAY_SECONDS


@pytest.fixture
def store(tmp_path):
    opened = EventStore(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def expected(tmp_path):
    return Expected.of(tmp_path, {})


def rows(*names, user="u", time=NOON):
    return [Row(name, user, f"i-{name}", 4.0, "", int(time)) for name in names]


def written(folder, day):
    lines = (folder / day / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["item_id"] for line in lines]


def test_an_event_is_kept_once(store):
    assert store.add([rows("a", "b", "a"), rows("b", "c")], NOON) == [2, 1]
    assert store.add([rows("a"), rows("d")], NOON + DAY_SECONDS) == [0, 1]
    assert [row.event_id for row in store.of("u", ())] == ["a", "b", "c", "d"]
    assert [row.event_id for row in store.of("u", {DAY})] == ["d"]
    assert store.of("v", ()) == []


def test_events_of_a_day_that_was_held_back_are_not_in_the_data(store):
    """Drift held back the second of three days; the first is older than the data."""
    for number, name in enumerate("abcd"):
        store.add([rows(name)], NOON + number * DAY_SECONDS)
    found = store.of("u", frozenset({DAY + 1, DAY + 3}))
    assert [row.event_id for row in found] == ["c"]


def test_an_event_of_the_past_counts_by_its_arrival(store, tmp_path, expected):
    store.add([rows("late", time=NOON - 9 * DAY_SECONDS)], NOON)
    assert write_days(store, tmp_path / "spans", expected, NOON) == []
    names = write_days(store, tmp_path / "spans", expected, NOON + DAY_SECONDS)
    assert names == ["2026-11-20"]
    assert written(tmp_path / "spans", "2026-11-20") == ["i-late"]


def test_days_that_are_over_become_spans(store, tmp_path, expected):
    store.add([rows("b", time=NOON + 1), rows("a")], NOON)
    store.add([rows("c")], NOON + 2 * DAY_SECONDS)
    folder, now = tmp_path / "spans", NOON + 3 * DAY_SECONDS
    assert write_days(store, folder, expected, now) == ["2026-11-20", "2026-11-22"]
    assert write_days(store, folder, expected, now) == []
    assert written(folder, "2026-11-20") == ["i-a", "i-b"]
    assert all(span.is_whole for span in find_spans(str(folder)))


def test_a_clock_that_goes_back_does_not_reopen_a_day(store, tmp_path, expected):
    store.add([rows("a")], NOON)
    write_days(store, tmp_path / "spans", expected, NOON + DAY_SECONDS)
    store.add([rows("b")], NOON)  # the clock was a day ahead, and is set right
    assert written(tmp_path / "spans", "2026-11-20") == ["i-a"]
    write_days(store, tmp_path / "spans", expected, NOON + 2 * DAY_SECONDS)
    assert written(tmp_path / "spans", "2026-11-21") == ["i-b"]


def test_events_of_a_future_are_in_the_span_of_the_day(store, tmp_path, expected):
    """The clock is 400 days ahead for a while, beside another server."""
    folder, tomorrow = tmp_path / "spans", NOON + DAY_SECONDS
    store.add([rows("a")], NOON)
    store.add([rows("b")], NOON + 400 * DAY_SECONDS)
    store.add([rows("c")], NOON)
    for _ in range(2):
        assert write_days(store, folder, expected, NOON) == []
    store.add([rows("b")], NOON)
    assert write_days(store, folder, expected, tomorrow) == ["2026-11-20"]
    assert written(folder, "2026-11-20") == ["i-a", "i-b", "i-c"]
    # The day is over when the clock is ahead: the later events are in the next one.
    store.add([rows("d")], tomorrow)
    ahead = write_days(store, folder, expected, NOON + 400 * DAY_SECONDS)
    assert ahead == ["2026-11-21"]
    store.add([rows("e")], NOON + 400 * DAY_SECONDS)
    assert write_days(store, folder, expected, tomorrow) == []
    assert write_days(store, folder, expected, NOON + 3 * DAY_SECONDS) == ["2026-11-22"]
    assert written(folder, "2026-11-22") == ["i-e"]
    assert store.days() == [DAY, DAY + 1, DAY + 2]


def test_a_day_is_written_again_if_that_was_interrupted(store, tmp_path, expected):
    store.add([rows("a", "b")], NOON)
    folder = tmp_path / "spans"
    (folder / "2026-11-20").mkdir(parents=True)
    (folder / "2026-11-20/events.jsonl").mkdir()  # nothing can be written there
    with pytest.raises(OSError, match="events.jsonl"):
        write_days(store, folder, expected, NOON + DAY_SECONDS)
    # Another server opens the store; the day is closed all the same.
    other = EventStore(tmp_path)
    other.add([rows("c")], NOON)
    (folder / "2026-11-20/events.jsonl").rmdir()
    names = write_days(other, folder, expected, NOON + DAY_SECONDS)
    assert names == ["2026-11-20"]
    assert written(folder, "2026-11-20") == ["i-a", "i-b"]
    other.close()


def add_daily(store, days):
    for day in days:
        store.add([rows(f"at-{day}")], NOON + day * DAY_SECONDS)


def kept_in(store):
    return sorted(int(row.event_id.split("-")[1]) for row in store.of("u", ()))


def test_old_events_are_removed_when_they_are_in_spans(store, tmp_path, expected):
    add_daily(store, range(KEEP_DAYS + 3))
    folder = tmp_path / "spans"
    write_days(store, folder, expected, NOON + (KEEP_DAYS + 2) * DAY_SECONDS)
    assert kept_in(store) == list(range(1, KEEP_DAYS + 3))
    assert written(folder, "2026-11-20") == ["i-at-0"]


def test_a_clock_that_jumps_ahead_removes_no_month(store, tmp_path, expected):
    """Events come in the wrong days as well, and the first of these is over."""
    add_daily(store, [*range(KEEP_DAYS), 400, 401])
    write_days(store, tmp_path / "spans", expected, NOON + 401 * DAY_SECONDS)
    assert kept_in(store) == [*range(1, KEEP_DAYS), 400, 401]


def test_two_servers_share_a_store(store, tmp_path):
    other = EventStore(tmp_path)
    assert store.add([rows("a")], NOON) == [1]
    assert other.add([rows("a", "b")], NOON) == [1]
    assert [row.event_id for row in store.of("u", ())] == ["a", "b"]
    other.close()


def test_two_servers_make_a_store_at_once(tmp_path):
    def opened(folder, begin):
        begin.wait()
        EventStore(folder).close()

    with ThreadPoolExecutor() as pool:
        for number in range(30):
            folder, begin = tmp_path / str(number), threading.Barrier(3)
            folder.mkdir()
            servers = [pool.submit(opened, folder, begin) for _ in range(3)]
            assert [server.result() for server in servers] == [None] * 3


def test_bytes_that_are_still_being_read_are_no_success(store, tmp_path):
    names = [f"n{number}" for number in range(500)]
    store.add([rows(*names, user="forgotten-user")], NOON)
    reading = read_since(tmp_path, 0, 1)
    next(reading)

    def bytes_on_disk():
        paths = tmp_path.glob(f"{EVENTS_FILE}*")
        return any(b"forgotten-user" in path.read_bytes() for path in paths)

    with pytest.raises(EventStoreError, match="Run the command again"):
        store.remove(["forgotten-user"], [])
    assert bytes_on_disk()
    reading.close()
    store.remove(["forgotten-user"], [])
    assert not bytes_on_disk()


def test_another_file_is_refused(tmp_path):
    (tmp_path / EVENTS_FILE).write_bytes(b"something else" * 100)
    with pytest.raises(EventStoreError, match="move the file away"):
        EventStore(tmp_path)
    (tmp_path / EVENTS_FILE).unlink()
    with sqlite3.connect(tmp_path / EVENTS_FILE) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(EventStoreError, match="another release"):
        EventStore(tmp_path)
