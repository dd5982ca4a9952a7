"""The section of shown lists, of a folder whose server has logged some."""

import shutil

import pytest

from pipeline.views import html
from tests.support.online_logs import DAY, NOW, shown, write_events, write_lists

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture
def page(report, opened, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(report.out, out)
    users = [f"u{number}" for number in range(60)]
    old = NOW - 30 * DAY  # the report compares with the present time
    pages = [shown(user, "abc", old, version=1, model="mf_als") for user in users]
    write_lists(out, pages)
    events = [(user, "a", old + 1) for user in users[::3]]
    write_events(out, [*events, ("u1", "b", old + 1)])
    return opened(html.write(out, None), 360)


def test_it_is_drawn_and_fits_a_small_screen(page):
    assert page.console_lines == []
    assert page.locator("main h2").all_text_contents()[8].startswith("What users did")
    assert page.locator("#chart-online svg .mark-symbol path").count() >= 3
    cells = page.locator("#online tbody tr").first.locator("td").all_text_contents()
    assert cells[1:4] == ["60", "180", "11.67%"]  # 21 of 180
    box = page.locator("#online").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
