"""The table of shown lists, in narrow and in wide terminals."""

import datetime
import json
import time

import pytest

from pipeline.online.measure import measure
from tests.support.online_logs import DAY, NOW, shown, write_events, write_lists

OLD = NOW - 3 * DAY


@pytest.fixture
def printed(marquee, tmp_path, monkeypatch):
    """Runs ``marquee online`` in a terminal of a width; returns its lines."""
    users = [f"u{number}" for number in range(40)]
    pages = [shown(user, "ab", OLD, model="x\x1b[31m", share=0.5) for user in users]
    write_lists(tmp_path / "marquee-out", [*pages, shown("u0", "a", NOW + 400 * DAY)])
    events = [(user, "a", OLD + 1) for user in users[::2]]
    write_events(tmp_path / "marquee-out", events)

    def run(width, *arguments):
        monkeypatch.setenv("COLUMNS", str(width))
        ended = marquee("online", *arguments)
        assert ended.status == 0
        return ended.out

    return run


def test_it_has_rates_intervals_and_what_is_left_out(printed):
    text = printed(120, "--within", "2h")
    words = " ".join(text.split())
    assert r"1 x\x1b[31m, removed 40 25.00% 50.00% 100.00% - - " in words
    # 0.25 ± 1.96 · sqrt(0.25 / 39) / 2, and twice of both
    assert "17.15–32.85 34.31–65.69" in words
    assert "1 50.00% 34.31–65.69 2 0.00%" in words
    assert "within 2 hours. Intervals are at 95 %" in words
    assert "1 list not counted yet" in words
    assert "At least 50.00% of the lists are logged" in words
    assert "\x1b[31m" not in text


@pytest.mark.parametrize("width", [40, 80])
def test_nothing_is_cut_in_a_narrow_terminal(printed, width):
    text = printed(width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    assert "25.00%" in text or width == 40  # there, figures are broken into two lines


def test_only_the_files_of_the_last_hours_are_read(tmp_path, marquee):
    out, now = tmp_path / "marquee-out", int(time.time())
    name = "lists-{:%Y%m%dT%H%M%S}.000000Z-1.parquet"
    for hours in (1, 2, 9):
        second = now - hours * 3600
        completed = datetime.datetime.fromtimestamp(second + 60, datetime.UTC)
        write_lists(out, [shown("u", "ab", second)], name.format(completed))
    (out / "lists" / name.format(completed)).write_bytes(b"damaged")
    write_events(out, [("u", "a", now - 3600)], now=now)
    found = {}
    for hours in (1.5, 3, 24):
        last = f"{round(60 * hours)}m"
        ended = marquee("online", "--last", last, "--within", "30m", "--json")
        assert ended.status == 0, ended.err
        found[hours] = json.loads(ended.out)
    assert [len(each["damaged"]) for each in found.values()] == [0, 0, 1]
    lists = [each["versions"][0]["slices"]["all"]["lists"] for each in found.values()]
    assert lists == [1, 2, 2]
    assert len(json.loads(marquee("online", "--json").out)["damaged"]) == 1
    ended = marquee("online", "--last", "soon")
    assert ended.status == 2
    assert "'soon' is not a time such as 6h or 7d" in ended.err


def test_without_a_list_that_counts_it_is_stated(tmp_path, marquee):
    write_lists(tmp_path / "marquee-out", [shown("u", "a", NOW + 400 * DAY)])
    write_events(tmp_path / "marquee-out", [])
    ended = marquee("online")
    assert "No list can be counted." in ended.out
    assert measure(tmp_path / "marquee-out", DAY, [], NOW).not_over == 1
