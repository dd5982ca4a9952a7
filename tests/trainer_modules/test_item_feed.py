"""Feeds as they are written, and as they should not be."""

import os
import time

import numpy as np
import pytest

from trainer_modules.configs.list_rules import Feed, MinimumAge, Rules
from trainer_modules.item_feed import FeedError, read_feed

GENRES = Rules(filters=["genres"])


@pytest.fixture
def read(tmp_path):
    def read(content, rules=GENRES):
        (tmp_path / "feed.csv").write_bytes(content)
        return read_feed(str(tmp_path / "feed.csv"), rules)

    return read


def test_rows_that_change_something_are_read(read):
    rows = read(
        b"item_id,price,available,genres\n007,9,true,\n7,9,No, War | Drama \n"
        b"8,9,1,Comedy\n9,9,0,\n"
    )
    assert rows.num_rows == 4
    assert rows.inputs["item_id"].tolist() == [b"7", b"8", b"9"]
    assert rows.inputs["available"].tolist() == [False, True, False]
    assert rows.inputs["item_genres"].tolist() == [
        [b"War", b"Drama"], [b"Comedy", b""], [b"", b""]
    ]  # fmt: skip


def test_a_field_without_a_column_has_no_values(read):
    rows = read(b"\xef\xbb\xbfitem_id,available\r\n1,true\r\n2,false\r\n")
    assert rows.inputs["item_id"].tolist() == [b"2"]
    assert rows.inputs["item_genres"].tolist() == [[b""]]
    assert read(b"item_id,available\n1,true\n").inputs["item_genres"].shape == (0, 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"item_id,available\n", "has no rows"),
        (b"item_id,in_stock\n1,1\n", "lacks the column available.*in_stock"),
        (b"item_id,available\n1,1\n2\n", "not a CSV file.*Expected 2 columns"),
        (b"item_id,available\n1,1\n2,maybe\n", "line 3: available is 'maybe'"),
        (b"item_id,available\n1,1\n,0\n", "line 3: item_id is empty"),
        (b"item_id,available\n1,1\n\n\r\n2,maybe\n\n", "line 5: available is 'maybe'"),
        (b"item_id,available,available\n1,1,0\n", "names the column available twice"),
        (b"item_id,available,genres,genres\n1,1,a,b\n", "column genres twice"),
        (b"item_id,available\n1,1\n1,0\n", "'1' has 2 rows"),
        (b"item_id,available\n\xff\xfe,1\n", "not a CSV file.*UTF8"),
        (b"\x1f\x8b\xff,available\n1,1\n", "not a CSV file"),
    ],
)
def test_a_malformed_feed_is_one_clear_line(read, content, problem):
    with pytest.raises(FeedError, match=problem) as caught:
        read(content)
    assert "feed.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_minimum_ages_are_read(read):
    age = MinimumAge("fsk", item_field_in="feed")
    rows = read(
        b"item_id,available,fsk\n1,1,12\n2,1, 16.5 | 6 \n3,1,\n4,0,\n",
        Rules(minimum_age=age),
    )
    assert rows.inputs["item_id"].tolist() == [b"1", b"2", b"4"]
    assert rows.inputs["item_fsk"].tolist() == [
        [b"12", b""], [b"16.5", b"6"], [b"", b""]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "where", "problem"),
    [
        (b"item_id,available\n1,1\n", "feed", "lacks the column fsk"),
        (b"item_id,available,fsk\n1,1,\n2,1,-6\n", "feed", "line 3: fsk is '-6'"),
        (b"item_id,available,fsk\n1,1,FSK 6\n", "items", "line 2: fsk is 'FSK 6'"),
    ],
)
def test_minimum_ages_that_are_none_are_reported(read, content, where, problem):
    age = MinimumAge("fsk", item_field_in=where)
    with pytest.raises(FeedError, match=problem):
        read(content, Rules(minimum_age=age))
    without = Rules(minimum_age=MinimumAge("fsk"))  # of the file of items
    assert read(b"item_id,available\n1,1\n", without).num_rows == 1


def test_a_missing_feed_is_reported(tmp_path):
    with pytest.raises(FeedError, match="cannot be read: No such file"):
        read_feed(str(tmp_path / "none.csv"), Rules())


def test_a_feed_becomes_stale(read, tmp_path):
    rows = read(b"item_id,available\n1,true\n")
    feed = Feed(path="feed.csv", stale_after="2m")
    assert rows.problem(feed) is None
    os.utime(tmp_path / "feed.csv", (time.time() - 180,) * 2)
    rows = read_feed(str(tmp_path / "feed.csv"), Rules())
    assert "was written 3 minutes ago" in rows.problem(feed)
    assert rows.problem(Feed(path="feed.csv", stale_after="1d")) is None


def test_a_million_rows_are_read(read):
    lines = [
        f"item-{n},{'false' if n % 100 == 7 else 'true'}" for n in np.arange(1_000_000)
    ]
    rows = read("\n".join(["item_id,available", *lines]).encode())
    assert rows.num_rows == 1_000_000
    assert rows.inputs["item_id"][1] == b"item-107"
    assert len(rows.inputs["item_id"]) == 10_000
