"""Spans on disk: their order, whether they are whole, and what their bytes say."""

import datetime
import os

import pytest

from components.ratings_example_gen import spans
from components.ratings_example_gen.spans import (
    Span,
    SpansError,
    find_spans,
    fingerprint,
    in_window,
    number_of,
    paths_of,
    whole,
)


@pytest.fixture
def put(tmp_path):
    """Writes a file below the folder of the spans, and the folders that it needs."""

    def write(name, text="u1,i1,4,1600000000\n"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_dated_spans_are_ordered_by_day_and_numbered_as_tfx_does(put, tmp_path):
    for name in ("2026-11-02", "2025-12-31", "2026-01-01"):
        put(f"{name}/ratings.csv")
    spans = find_spans(str(tmp_path))
    assert [span.name for span in spans] == ["2025-12-31", "2026-01-01", "2026-11-02"]
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days=spans[0].number)
    assert day == datetime.date(2025, 12, 31)
    assert all(span.is_dated for span in spans)


def test_numbered_spans_are_ordered_by_number_not_by_name(put, tmp_path):
    for name in ("9", "10", "011"):
        put(f"{name}/ratings.csv")
    assert [span.name for span in find_spans(str(tmp_path))] == ["9", "10", "011"]
    assert number_of("011") == 11


def test_a_span_is_whole_once_its_writer_says_so(put, tmp_path):
    put("1/ratings.csv")
    put("2/ratings.csv")
    put("2/_SUCCESS", "")
    assert [span.is_whole for span in find_spans(str(tmp_path))] == [False, True]


def test_the_mark_is_no_file_of_ratings(put, tmp_path):
    path = put("1/ratings.csv")
    put("1/_SUCCESS", "")
    put("1/.ratings.csv.part", "half")
    [span] = find_spans(str(tmp_path))
    assert span.files == ((str(path), len(path.read_bytes())),)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "contains no spans"),
        (("2026-11-21", "7"), "no common order"),
        (("7", "07"), "are the same span"),
        (("2026-02-30",), "day is out of range"),
        (("november",), "neither a day"),
    ],
)
def test_what_has_no_order_is_refused(put, tmp_path, names, said):
    for name in names:
        put(f"{name}/ratings.csv")
    with pytest.raises(SpansError, match=said):
        find_spans(str(tmp_path))


def test_hidden_folders_and_files_beside_are_no_spans(put, tmp_path):
    for name in ("_old/x/ratings.csv", ".cache/a", "users.csv", "3/ratings.csv"):
        put(name)
    assert [span.name for span in find_spans(str(tmp_path))] == ["3"]


def test_a_fingerprint_is_of_bytes_not_of_times(put, tmp_path):
    path = put("1/ratings.csv", "u1,i1,4,1600000000\n")
    before = fingerprint(find_spans(str(tmp_path))[0])
    os.utime(path, (1, 1))
    assert fingerprint(find_spans(str(tmp_path))[0]) == before
    path.write_text("u1,i1,5,1600000000\n")  # as long, and as old
    os.utime(path, (1, 1))
    assert fingerprint(find_spans(str(tmp_path))[0]) != before


def test_files_are_those_of_the_spans_in_their_order_and_those_beside(put, tmp_path):
    users = put("users.csv")
    ten, nine = put("10/ratings.csv"), put("9/ratings.csv")
    put("8/ratings.csv")
    found = paths_of(str(tmp_path), ["9", "10"])
    assert found == [str(users), str(nine), str(ten)]


@pytest.mark.parametrize("name", ["users.csv", "movies.dat", "u.user"])
def test_users_and_items_inside_a_span_are_refused(put, tmp_path, name):
    put("9/ratings.csv")
    put(f"9/{name}")
    with pytest.raises(SpansError, match="beside"):
        paths_of(str(tmp_path), ["9"])


def span_of(name):
    return Span(name, number_of(name), "-" in name, True, ())


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("all", ["2026-11-01", "2026-11-20", "2026-11-21"]),
        ("2 spans", ["2026-11-20", "2026-11-21"]),
        ("9 spans", ["2026-11-01", "2026-11-20", "2026-11-21"]),
        ("1 days", ["2026-11-21"]),
        ("20 days", ["2026-11-20", "2026-11-21"]),
        ("21 days", ["2026-11-01", "2026-11-20", "2026-11-21"]),
    ],
)
def test_a_window_is_of_the_newest(wanted, names):
    spans = [span_of(each) for each in ("2026-11-01", "2026-11-20", "2026-11-21")]
    assert [span.name for span in in_window(spans, wanted)] == names


def test_numbers_have_no_days():
    with pytest.raises(SpansError, match="State a number of spans instead"):
        in_window([span_of("7"), span_of("8")], "3 days")


class TestHive:
    """Folders as Hive and Spark write them: spans are named by the day."""

    @pytest.mark.parametrize(
        ("folder", "name"),
        [
            ("dt=2026-01-02", "2026-01-02"),
            ("date=2026-01-02 00%3A00%3A00", "2026-01-02"),
            ("year=2026/month=1/day=02", "2026-01-02"),
            ("dt=2026-01-02/country=DE", "2026-01-02"),
            ("batch=17", "17"),
            ("2026-01-02", "2026-01-02"),
        ],
    )
    def test_is_found_and_read(self, tmp_path, folder, name):
        inner = tmp_path / folder
        inner.mkdir(parents=True)
        (inner / "part-0.csv").write_text("u,i1,1,1\n")
        (tmp_path / folder.partition("/country")[0] / "_SUCCESS").touch()
        [span] = whole(str(tmp_path))
        assert span.name == name
        assert paths_of(str(tmp_path), [name]) == [str(inner / "part-0.csv")]
        assert spans.span_of(str(inner / "part-0.csv"), str(tmp_path)) == name

    @pytest.mark.parametrize(
        "folder", ["country=DE", "dt=soon", "year=2026/month=13/day=1"]
    )
    def test_what_is_not_a_day_is_refused(self, tmp_path, folder):
        (tmp_path / folder).mkdir(parents=True)
        with pytest.raises(SpansError, match="is not a span"):
            find_spans(str(tmp_path))

    def test_days_of_two_writers_are_the_same_span(self, tmp_path):
        (tmp_path / "dt=2026-01-02").mkdir()
        (tmp_path / "2026-01-02").mkdir()
        with pytest.raises(SpansError, match="same span"):
            find_spans(str(tmp_path))
