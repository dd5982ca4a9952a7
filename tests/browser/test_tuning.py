"""The report of `marquee tune` in a browser: what is drawn."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

MARKS = """(chart, mark) => [...chart.querySelectorAll(`g.role-mark.mark-${mark} path`)]
  .filter(path => getComputedStyle(path).opacity > 0
    && !["0", "transparent"].includes(path.getAttribute("opacity"))).length"""


def drawn(page, chart, mark):
    """Number of marks that can be seen: of lines, or of points."""
    return page.locator(f"#chart-{chart}").evaluate(MARKS, mark)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_chart_has_a_mark_for_each_trial(tuning_report, opened, scheme):
    page = opened(tuning_report.path, color_scheme=scheme)
    assert page.console_lines == []
    assert page.requested_urls == [tuning_report.path.as_uri()]
    for model, trials in tuning_report.trials.items():
        complete = [trial for trial in trials if trial["state"] == "complete"]
        assert drawn(page, f"best-{model}", "line") == 1
        assert drawn(page, f"best-{model}", "symbol") == len(trials) == 4
        assert drawn(page, f"axes-{model}", "line") == len(complete)
        # The importance takes 15 trials.
        assert page.locator(f"#chart-importance-{model}").count() == 0
    epochs = [len(trial["curve"]) for trial in tuning_report.trials["gmf"]]
    assert page.locator("#chart-curves-mf_als").count() == 0
    assert drawn(page, "curves-gmf", "line") == len([n for n in epochs if n])
    # Each curve ends with one.
    assert drawn(page, "curves-gmf", "symbol") == len([n for n in epochs if n])


def test_a_tooltip_has_the_metric_of_the_trial(tuning_report, opened):
    page = opened(tuning_report.path)
    page.locator("#chart-best-mf_als g.role-mark.mark-symbol path").first.hover()
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    [first] = [t for t in tuning_report.trials["mf_als"] if t["number"] == 0]
    assert f"{first['metric']:.4f}" in tooltip.inner_text()
