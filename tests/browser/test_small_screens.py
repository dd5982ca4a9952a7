"""Both reports in the windows of a telephone and of a tablet."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.mark.parametrize("width", [360, 768])
@pytest.mark.parametrize("kind", ["report", "tuning_report"])
def test_nothing_is_wider_than_a_small_screen(request, kind, opened, width):
    page = opened(request.getfixturevalue(kind).path, width)
    for folded in page.locator("details").all():
        folded.evaluate("details => { details.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    too_wide = page.locator("[data-chart] svg").evaluate_all(
        "(charts, width) => charts.filter(c => c.getBoundingClientRect().right > width)"
        ".map(c => c.parentElement.id)",
        width,
    )
    assert too_wide == []
    assert page.console_lines == []
