"""What a person meets in the report: with a mouse, a keyboard, a phone, at night."""

import json
import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

LAYOUT = Path(__file__).with_name("layout.json")
HEADINGS = [
    *("Leaderboard", "Gate", "Data read", "What changed in the data"),
    *("Training", "Slices", "Beyond accuracy", "Recommendations"),
    *("Lineage of the live model", "Files and commands"),
]
CHARTS = {
    *("leaderboard", "ratings", "curve-loss", "curve-ndcg", "time", "slices"),
    *("coverage@10", "gini@10", "novelty@10", "diversity@10", "popularity_lift@10"),
    "trade-off",
}
BOXES = """() => Object.fromEntries(
  ['header', 'nav', ...[...document.querySelectorAll('main section, [data-chart]')]
    .map(part => '#' + CSS.escape(part.id))]
  .map(name => {
    const box = document.querySelector(name).getBoundingClientRect();
    return [name, [box.x, box.y + scrollY, box.width, box.height].map(Math.round)];
  }))"""


@pytest.fixture
def page(report, opened):
    return opened(report.path)


def rows(page, section):
    """The cells of all tables in a section, also of those that are folded."""
    return page.locator(f"{section} tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(c => c.textContent.trim()))"
    )


def test_it_opens_without_a_word_and_asks_for_nothing_else(report, page):
    assert page.console_lines == []
    assert page.requested_urls == [report.path.as_uri()]
    assert report.path.stat().st_size < 3e6


def test_every_section_and_the_verdict_are_there(report, page):
    assert page.locator("main h2").all_text_contents() == HEADINGS
    live = report.run["live"]["model"]
    assert page.locator("h1").inner_text() == f"{live} is live, new in this run"
    [model] = [m for m in report.run["models"] if m["name"] == live]
    assert f"{model['metrics']['ndcg@10']:.4f}" in page.locator(".lead").inner_text()


def test_charts_are_drawn_and_say_what_they_are(page):
    found = page.locator("[data-chart]").evaluate_all(
        """charts => charts.map(c => [c.dataset.chart,
             c.querySelectorAll('svg .mark-symbol path, svg .mark-rect path, '
                                + 'svg .mark-line path').length,
             c.getAttribute('aria-label')])"""
    )
    assert {name for name, _, _ in found} == CHARTS
    for name, marks, words in found:
        assert marks >= 3, name
        assert len(words) > 10, name


def test_a_tooltip_has_the_number_of_the_run(report, page):
    best = max(report.run["models"], key=lambda m: m["metrics"]["ndcg@10"])
    page.locator("#chart-leaderboard .mark-symbol path").first.hover()
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert best["name"] in tooltip.inner_text()
    assert f"{best['metrics']['ndcg@10']:.4f}" in tooltip.inner_text()


def test_tables_have_the_numbers_of_the_run(report, page):
    leaderboard = {row[0]: row for row in rows(page, "#leaderboard")}
    slices = {(row[0], row[1]): row for row in rows(page, "#slices")}
    beyond = rows(page, "#beyond")
    for model in report.run["models"]:
        row, metrics = leaderboard[model["name"]], model["metrics"]
        low, high = model["intervals"]["ndcg@10"]
        assert row[1:5] == [
            model["verdict"],
            f"{metrics['ndcg@10']:.4f}",
            f"{low:.4f} – {high:.4f}",
            f"{metrics['hit_rate@10']:.4f}",
        ]
        assert row[-1] == f"{model['parameters']:,}"
        for name, part in model["slices"].items():
            told = slices[name, model["name"]]
            assert told[2] == f"{part['users']:,}"
            assert told[3] == f"{part['metrics']['ndcg@10']:.4f}"
        for metric in ("coverage@10", "gini@10", "novelty@10", "diversity@10"):
            assert [model["name"], f"{metrics[metric]:.4f}"] in beyond
    read = page.locator("#read .tiles dd").all_text_contents()
    assert read == [f"{value:,}" for value in report.run["rows"].values()]


def test_the_curves_have_every_epoch_and_one_best(report, page):
    epochs = report.run["config"]["models"]["gmf"]["epochs"]
    told = [row for row in rows(page, "#training") if row[0] == "gmf" and len(row) == 5]
    numbers = [str(number) for number in range(1, epochs + 1)]
    assert [row[1] for row in told] == 2 * numbers  # of the loss, and of the metric
    metric = told[epochs:]
    [best] = [row for row in metric if row[-1] == "best"]
    assert float(best[2]) == max(float(row[2]) for row in metric)


def test_recommendations_are_new_to_the_user(page):
    lists = page.locator("#lists .lists > div")
    assert lists.count() == 3
    for number in range(3):
        liked = lists.nth(number).locator("ul li").all_text_contents()
        items = lists.nth(number).locator("ol li").all_text_contents()
        assert len(items) == 10
        assert liked
        assert not set(liked) & set(items)


def test_links_lead_to_files_that_are_there(report, page):
    places = page.locator("#files a").evaluate_all(
        "links => links.map(a => a.getAttribute('href'))"
    )
    assert "run.json" in places
    for place in places:
        assert not Path(place).is_absolute()
        assert (report.path.parent / place).exists()


def test_the_keyboard_reaches_everything(page):
    def focused():
        return page.evaluate(
            "(at => [at.tagName, at.textContent.trim()])(document.activeElement)"
        )

    page.keyboard.press("Tab")
    assert focused() == ["A", "Skip to the leaderboard"]
    assert page.locator(".skip").bounding_box()["x"] >= 0
    reached = []
    for _ in HEADINGS:
        page.keyboard.press("Tab")
        reached.append(focused())
    assert {tag for tag, _ in reached} == {"A"}
    assert reached[0][1] == "Leaderboard"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/report.html#files")
    summary = page.locator("#slices summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#slices details table").is_visible()
    # Whatever scrolls on its own can be scrolled without a mouse.
    assert page.locator(".scroll:not([tabindex]), pre:not([tabindex])").count() == 0


def luminance(colour):
    """Returns the luminance of "rgb(…)", by WCAG 2.1."""
    numbers = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
    linear = [
        n / 12.92 if n <= 0.04045 else ((n + 0.055) / 1.055) ** 2.4 for n in numbers
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_by_day_and_at_night(report, opened, scheme):
    page = opened(report.path, color_scheme=scheme)

    def style(selector, name):
        return page.locator(selector).first.evaluate(
            "(element, name) => getComputedStyle(element)[name]", name
        )

    card = luminance(style("section", "backgroundColor"))
    assert (card < 0.1) == (scheme == "dark")
    for selector, name in (
        ("section td", "color"),
        ("section > p", "color"),
        ("summary", "color"),
        ("#chart-leaderboard .mark-text text", "fill"),
        ("#chart-time .mark-text text", "fill"),
    ):
        text = luminance(style(selector, name))
        light, dark = max(card, text), min(card, text)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, selector


def test_a_change_to_dark_reaches_charts_that_are_drawn(report, opened):
    page = opened(report.path, color_scheme="light")
    label = page.locator("#chart-leaderboard .mark-text text").first
    before = label.evaluate("text => getComputedStyle(text).fill")
    page.emulate_media(color_scheme="dark")
    assert label.evaluate("text => getComputedStyle(text).fill") != before


def test_a_hostile_title_is_only_a_title(report, opened, hostile_report):
    path, title = hostile_report
    page = opened(path)
    assert title in page.locator("#lists").inner_text()
    assert page.locator("img").count() == 0
    assert page.console_lines == []
    assert page.requested_urls == [path.as_uri()]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_layout_is_as_it_was_recorded(report, opened, width, tmp_path):
    """Boxes rather than pixels.

    Two versions of a font or of Chromium never paint the same pixels, and a comparison
    that forgives that forgives a missing label too. The positions and sizes of parts
    reveal a broken layout: something that overlaps, collapsed, or moved out.
    Widths and left edges do not depend on the font; heights do, a little.
    """
    page = opened(report.path, width)
    found = page.evaluate(BOXES)
    (tmp_path / "layout.json").write_text(json.dumps({str(width): found}, indent=1))
    recorded = json.loads(LAYOUT.read_text())[str(width)]
    assert list(found) == list(recorded), f"found: {tmp_path / 'layout.json'}"
    for name, (x, _, wide, high) in recorded.items():
        left, _, is_wide, is_high = found[name]
        assert abs(left - x) <= 4, name
        assert abs(is_wide - wide) <= 4, name
        assert abs(is_high - high) <= 30 + 0.15 * high, name
    ends = 0
    for name in found:
        if name.startswith("#") and not name.startswith("#chart"):
            assert found[name][1] >= ends, f"{name} lies over the part before it"
            ends = found[name][1] + found[name][3]
