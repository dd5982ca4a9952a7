"""The figures of tiny logs, counted by hand."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.live_models import push, versions
from pipeline.event_log.store import EventStoreError
from pipeline.list_log.files import NoListsError
from pipeline.online import logs
from pipeline.online.figures import ALL
from pipeline.online.measure import measure, measure_if_logged
from tests.support.online_logs import DAY, NOW, shown, write_events, write_lists

OLD = NOW - 3 * DAY


def figures(out, version=1, part=ALL, **options):
    found = measured(out, **options)
    [of_version] = [each for each in found.versions if each.version == version]
    return of_version.slices[part]


def measured(out, window=DAY, conversions=("buy",), **options):
    return measure(out, window, conversions, NOW, **options)


@pytest.fixture
def out(tmp_path):
    """Two users, four lists of version 1 that count, and one of version 2.

    ann clicks b at position 2 and buys d at position 4, which is on her second page;
    bob clicks nothing of version 1, and x of version 2.
    """
    pages = [
        shown("ann", "abc", OLD),
        shown("ann", "def", OLD + 10, start=3),
        shown("bob", "ab", OLD + 20, known=False),
        shown("bob", "", OLD + 30, known=False),
        shown("bob", "xy", OLD + 40, version=2, known=False),
        shown("ann", "abc", NOW - 10),  # not over
    ]
    write_lists(tmp_path, pages)
    events = [
        ("ann", "b", OLD + 5, "view"),
        ("ann", "b", OLD + 6, "view"),
        ("ann", "d", OLD + 12, "buy"),
        ("ann", "e", OLD + 9, "buy"),  # before its list
        ("ann", "f", OLD + 10 + DAY, "view"),  # after the window
        ("bob", "a", OLD + 19, "view"),  # before
        ("bob", "c", OLD + 21, "view"),  # not shown to bob
        ("bob", "x", OLD + 40, "view"),
        ("ann", "a", NOW - 5, "view"),  # of a list that is not over
        ("eve", "a", OLD + 5, "view"),  # saw no list
    ]
    write_events(tmp_path, events)
    return tmp_path


def test_figures_of_a_version(out):
    found = figures(out)
    assert (found.users, found.lists, found.impressions, found.clicks) == (2, 4, 8, 2)
    assert found.ctr.value == 2 / 8
    assert found.clicked_lists.value == 2 / 4
    assert found.conversion.value == 1 / 4
    # Position 2 of the first list, and position 4 of the second page.
    assert found.ndcg.value == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / 2)
    assert measured(out).not_over == 1


def test_slices_versions_and_positions(out):
    assert figures(out, part="known").ctr.value == 2 / 6
    assert figures(out, part="unknown").ctr.value == 0
    assert figures(out, version=2).ctr.value == 1 / 2
    assert figures(out, conversions=()).conversion is None
    first = measured(out).versions[0]
    shares = [rate.value for rate in first.positions]
    assert shares == [0, 0.5, 0, 1, 0, 0]  # position 3 was shown once, 4 once
    assert (first.items, first.coverage, first.state) == (6, None, "removed")


def test_a_list_may_be_older_than_what_counts(out):
    """It still takes the events that followed it."""
    found = figures(out, since=OLD + 10)
    assert (found.lists, found.clicks) == (3, 1)


def test_two_clicks_of_a_list_are_compared_with_the_two_best_places(tmp_path):
    write_lists(tmp_path, [shown("u", "abc", OLD)])
    write_events(tmp_path, [("u", "a", OLD, ""), ("u", "c", OLD, "")])
    best = 1 + 1 / math.log2(3)
    assert figures(tmp_path).ndcg.value == pytest.approx((1 + 1 / 2) / best)


def test_parts_of_the_users_make_no_difference(out, monkeypatch):
    later = [shown("bob", "ab", OLD + 50), shown("ann", "ab", OLD + 60)]
    write_lists(out, later, "lists-20261120T000300.000000Z-1.parquet")
    write_events(out, [("bob", "b", OLD + 60, ""), ("ann", "b", OLD + 70, "")], "f")
    whole = measured(out)
    monkeypatch.setattr(logs, "PART_BYTES", 1000)
    monkeypatch.setattr(logs, "CHUNK_ROWS", 2)
    assert measured(out) == whole


def test_lists_that_were_not_shown_and_shares(tmp_path):
    pages = [
        shown("u", "a", OLD, arm="champion"),
        shown("u", "a", OLD, arm="challenger"),
        shown("u", "a", OLD + 1, arm="shadow", share=0.25),
        shown("u", "", OLD + 1, failed=True),
    ]
    write_lists(tmp_path, pages)
    write_events(tmp_path, [("u", "a", OLD + 2, "")])
    found = measured(tmp_path)
    assert (found.not_shown, found.share) == (2, 0.25)
    assert (figures(tmp_path).lists, figures(tmp_path).clicks) == (2, 1)


def test_files_of_earlier_releases_have_no_arms(out):
    path = out / "lists/lists-20261120T000000.000000Z-1.parquet"
    pq.write_table(pq.read_table(path).drop(["arm", "failed"]), path)
    assert (figures(out).clicks, measured(out).not_shown) == (2, 0)


@pytest.mark.parametrize("damage", [lambda b: b[:-40], lambda b: b"", lambda b: b"x"])
def test_a_damaged_file_is_named_and_the_others_count(out, damage):
    whole = out / "lists/lists-20261120T000000.000000Z-1.parquet"
    damaged = out / "lists/lists-20261120T000200.000000Z-1.parquet"
    damaged.write_bytes(damage(whole.read_bytes()))
    found = measured(out)
    [line] = found.damaged
    assert str(damaged) in line
    assert "\n" not in line
    assert found.versions[0].slices[ALL].ctr.value == 2 / 8


def test_a_file_with_missing_values_is_damaged(out):
    path = out / "lists/lists-20261120T000200.000000Z-1.parquet"
    rows = pq.read_table(path.with_name("lists-20261120T000000.000000Z-1.parquet"))
    nobody = pa.array([None] * len(rows), pa.string())
    place = rows.schema.get_field_index("user")
    pq.write_table(rows.set_column(place, "user", nobody), path)
    [line] = measured(out).damaged
    assert "the column user has missing values" in line
    pq.write_table(rows.drop(["items"]), path)
    assert str(path) in measured(out).damaged[0]
    assert figures(out).lists == 4


def test_what_cannot_be_read_is_logged_where_it_is_only_added(tmp_path, caplog):
    assert measure_if_logged(tmp_path) is None
    assert not caplog.text
    write_lists(tmp_path, [shown("u", "a", OLD)])
    assert measure_if_logged(tmp_path) is None
    assert "events.sqlite is missing" in caplog.text


def test_without_lists_or_events(tmp_path):
    with pytest.raises(NoListsError, match="--log-lists"):
        measured(tmp_path)
    write_lists(tmp_path, [shown("u", "a", OLD)])
    with pytest.raises(EventStoreError, match="--events"):
        measured(tmp_path)
    assert not (tmp_path / "events.sqlite").exists()
    (tmp_path / "events.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(EventStoreError, match=r"events\.sqlite cannot be read"):
        measured(tmp_path)


def test_old_files_are_not_read(out):
    (out / "lists/lists-20261001T000000.000000Z-1.parquet").write_bytes(b"damaged")
    assert measured(out).damaged
    found = measured(out, since=NOW)
    assert (found.versions, found.damaged) == ([], [])


@pytest.fixture
def kept(out):
    """Version 1 is live, and was trained on a to d; version 2 has another model."""
    for number, model in ((1, "m"), (2, "other")):
        folder = out / "source" / str(number)
        (folder / "assets.extra").mkdir(parents=True)
        card = {"model": model, "origin": f"Trainer_{model}/model/1"}
        (folder / "assets.extra/marquee.json").write_text(json.dumps(card))
        (folder / "assets").mkdir()
        (folder / "assets/item_id").write_text("a\nb\nc\nd")
        push.push(folder, out / "live", keep=5)
    return out


def test_new_items_are_those_that_the_version_was_not_trained_on(kept):
    first, second = measured(kept).versions
    # e and f, of eight impressions.
    assert first.slices[ALL].new_items.value == 2 / 8
    assert (first.state, first.coverage) == ("kept", None)  # no run in the store
    assert (second.state, second.slices[ALL].new_items) == ("removed", None)


def test_a_version_on_trial_is_named(kept):
    live = kept / "live"
    versions.challengers(live).mkdir()
    (live / "1").rename(versions.challengers(live) / "1")
    assert measured(kept).versions[0].state == "on trial"


def test_a_version_that_no_folder_has_keeps_its_clicks(kept):
    write_lists(kept, [shown("zoe", "a", OLD, version=77)], "lists-2.parquet")
    write_events(kept, [("zoe", "a", OLD, "view")], name="zoe")
    [found] = [each for each in measured(kept).versions if each.version == 77]
    assert (found.state, found.slices[ALL].ctr.value) == ("removed", 1)
