"""The report's section of shown lists has the figures of the folder's logs."""

import dataclasses

import pytest

from pipeline.online.measure import measure
from pipeline.views.html.charts import charts
from pipeline.views.html.colours import Colours
from pipeline.views.html.page import render
from tests.pipeline.views.html.test_page import Page
from tests.support.online_logs import DAY, NOW, shown, write_events, write_lists

OLD = NOW - 3 * DAY


@pytest.fixture
def with_lists(contents, tmp_path, hostile):
    """40 users were shown two items each; every second one clicked the first."""
    users = [f"u{number}" for number in range(40)]
    pages = [shown(user, "ab", OLD, model=hostile) for user in users]
    write_lists(tmp_path, [*pages, shown("u0", "a", NOW)])
    write_events(tmp_path, [(user, "a", OLD + 1, "buy") for user in users[::2]])
    online = measure(tmp_path, DAY, ["buy"], NOW)
    return dataclasses.replace(contents, online=online)


def test_the_section_has_a_row_for_each_version(with_lists, hostile):
    page = Page(render(with_lists))
    assert page.ids["online"] == "section"
    assert "#online" in page.addresses
    [row] = [row for row in page.rows if row[1:3] == ["all", "40"]]
    assert (row[3], row[4], row[6], row[8]) == ("80", "25.00%", "50.00%", "50.00%")
    # 40 users with 0 or 1 clicks of 2: 0.25 ± 1.96 · sqrt(0.25 / 39) / 2
    assert row[5] == "17.15% – 32.85%"
    words = " ".join(page.texts)
    assert "1 list not counted yet" in words
    assert "alert(1)" not in page.raw["script"][-1]


def test_the_chart_has_each_position(with_lists):
    drawn = charts(
        with_lists, Colours.for_models(["popularity", "neumf", "deepfm"], None)
    )
    [rows] = drawn["online"]["datasets"].values()
    assert [(row["position"], row["value"]) for row in rows] == [(1, 0.5), (2, 0)]


def test_without_lists_there_is_no_section(contents):
    assert "online" not in Page(render(contents)).ids
