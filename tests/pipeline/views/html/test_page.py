import base64
import dataclasses
import hashlib
import html.parser
import json
import re
import typing

import pytest
from msgspec.structs import replace

from components.champion.rules import Kind
from components.infra_check.figures import Answer, ServingCheck
from pipeline.plan.estimate import Estimate
from pipeline.plan.observed import Cost
from pipeline.runs.model_record import GateRecord, ModelRecord
from pipeline.runs.record import DataRecord, Live, Rows, StepRecord
from pipeline.runs.status import Status
from pipeline.views.html import data_summary as data
from pipeline.views.html import report_contents as gathering
from pipeline.views.html.page import RULES, render


class Page(html.parser.HTMLParser):
    """The content of a page: tables' cells, scripts, styles, headings, addresses."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.rows, self.ids = [], [], [], {}
        self.raw, self.texts, self.policy, self._in = {}, [], None, None
        self._is_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self._in = tag
        if "id" in attrs:
            assert attrs["id"] not in self.ids
            self.ids[attrs["id"]] = tag
        self.addresses += [attrs[n] for n in ("src", "href") if n in attrs]
        assert not [name for name in attrs if name.startswith("on") or name == "style"]
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]
        if tag in ("script", "style"):
            self.raw.setdefault(attrs.get("type", tag), []).append("")
            self._kind = attrs.get("type", tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._is_cell = True

    def handle_data(self, text):
        if self._in in ("script", "style"):
            self.raw[self._kind][-1] += text
            return
        self.texts.append(text)
        if self._is_cell:
            self.rows[-1][-1] += text

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._in = None
        if tag in ("td", "th"):
            self._is_cell = False


@pytest.fixture
def page(contents):
    return Page(render(contents))


def test_it_is_one_file_that_asks_nobody_for_anything(contents):
    text = render(contents)
    assert len(text.encode()) < 3e6
    page = Page(text)
    assert set(page.addresses) <= {
        *(f"#{id}" for id in page.ids),
        *("data:,", "run.json"),
    }
    assert "default-src 'none'" in page.policy
    assert "unsafe" not in page.policy


def test_the_policy_allows_its_own_scripts_and_styles_and_no_others(page):
    def hashed(text):
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    allowed = set(re.findall(r"'sha256-([^']+)'", page.policy))
    own = page.raw["script"] + page.raw["style"]
    assert len(page.raw["script"]) == 2
    assert {hashed(text) for text in own} == allowed


def test_every_part_has_a_heading_and_a_place_in_the_menu(page):
    parts = [id for id, tag in page.ids.items() if tag == "section"]
    assert parts == [
        *("leaderboard", "gate", "read", "changes", "training", "slices", "beyond"),
        *("lists", "lineage", "files"),
    ]
    for part in parts:
        assert page.ids[f"h-{part}"] == "h2"
        assert f"#{part}" in page.addresses


def test_the_verdict_stands_at_the_top_with_its_numbers(contents):
    words = " ".join("".join(Page(render(contents)).texts).split())
    assert words.index("neumf is live, new in this run") < words.index("Gate")
    assert "0.1289 [0.1089, 0.1489], popularity 0.0231." in words
    assert "+0.1058" in words  # over popularity


@pytest.mark.parametrize(
    ("status", "live", "headline"),
    [
        (
            "a new model is on trial",
            "neumf",
            "A new model is on trial; neumf stays live",
        ),
        ("nothing changed", "neumf", "Nothing changed: neumf stays live"),
        ("every model was refused", None, "Every model was refused; no model is live"),
        ("the input is bad", "mf_als", "The input is bad; mf_als stays live"),
        ("the data has anomalies", None, "The data has anomalies; no model is live"),
        ("a step failed", "mf_als", "A step failed; mf_als stays live"),
    ],
)
def test_each_status_has_a_headline(contents, of_record, status, live, headline):
    about = replace(contents.run.run, status=Status(status))
    changed = of_record(contents, run=about, live=Live("3" if live else None, live))
    assert headline in Page(render(changed)).texts


def test_a_run_that_stopped_at_its_input_still_has_a_report(contents, of_record):
    error = "mine.csv:3: <b>no</b> id"
    stopped = of_record(
        contents,
        run=replace(contents.run.run, status=Status.BAD_INPUT),
        data=DataRecord("mine.csv"),
        rows=Rows(),
        gate=GateRecord(),
        steps=[
            StepRecord(
                name="RatingsExampleGen", state="failed", seconds=1.0, error=error
            )
        ],
    )
    bare = dataclasses.replace(
        stopped,
        models=[
            ModelRecord(name=model.name, state="skipped", verdict="failed")
            for model in contents.models
        ],
        **{"live_before": None, "counts": None, "curves": {}},
        **{"examples": [], "no_examples": "No model is live."},
    )
    page = Page(render(bare))
    assert error in "".join(page.texts)
    assert json.loads(page.raw["application/json"][0]) == {}


def test_steps_are_compared_with_their_estimates(contents, of_record):
    step = StepRecord(
        name="Trainer_neumf", state="done", seconds=61.0, peak_memory=1_440_000_000
    )
    estimated = Estimate(Cost(98.7, 2_310_000_000), num_runs=2)
    changed = dataclasses.replace(
        of_record(contents, steps=[step]), estimates={"Trainer_neumf": estimated}
    )
    rows = Page(render(changed)).rows
    cells = ["Trainer_neumf", "done", "61.0", "98.7", "1.4 GB", "2.3 GB"]
    assert cells in [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize("check", ["process", "experimental-docker"])
def test_a_run_in_which_nothing_was_chosen_has_a_report(contents, of_record, check):
    # As InfraCheck writes it then, and as it does of a model server.
    serving = ServingCheck(check, False, ["nothing was chosen"])
    gate = replace(contents.run.gate, serving=serving)
    assert "nothing was chosen" in Page(render(of_record(contents, gate=gate))).texts


def test_the_answers_of_the_serving_check_are_shown(contents, of_record):
    answers = {
        "a user": Answer(num_scores=10, median_ms=1.25, worst_ms=2.0),
        "garbage bytes": Answer(),
    }
    serving = ServingCheck("process", True, [], 10, 0.5, 20, answers)
    gate = replace(contents.run.gate, serving=serving)
    rows = Page(render(of_record(contents, gate=gate))).rows
    assert ["a user", "10", "1.2", "2.0"] in rows
    assert ["garbage bytes", "refused", "-", "-"] in rows


def test_refused_rows_are_described_in_words(page):
    assert ["with an empty id", "7"] in page.rows
    assert "empty_id" not in "".join(page.texts)


def test_texts_from_data_are_inert(contents, of_record, hostile):
    neumf, popularity, deepfm = contents.models
    slices = {f"user_x={hostile}": neumf.slices["activity=20-99"]}
    parts = gathering.parts(replace(neumf, slices=slices), "ndcg@10", 100)
    evil = dataclasses.replace(
        of_record(contents, data=replace(contents.run.data, source=hostile)),
        models=[neumf, popularity, replace(deepfm, rule=hostile)],
        slices=parts,
    )
    text = render(evil)
    page = Page(text)
    assert len(page.raw["script"]) == 2
    assert "img" not in page.tags
    assert "\u202e" not in text
    assert "\u2028" not in text
    [charts] = page.raw["application/json"]
    assert "<" not in charts
    assert hostile in json.dumps(json.loads(charts), ensure_ascii=False).replace(
        "\\u2028", "\u2028"
    )
    shown = "".join(page.texts)
    assert "</script><script>alert(1)</script>\\u202e\\u2028<!--<img" in shown


def test_the_leaderboard_has_the_numbers_of_the_run(page):
    rows = {row[0]: row for row in page.rows if len(row) == 9}
    assert rows["neumf"][1:5] == ["live", "0.1289", "0.1089 – 0.1489", "0.2578"]
    assert rows["live before"][1:3] == ["mf_als", "0.1111"]


def test_every_rule_is_told_with_its_numbers(page, run):
    told = [row for row in page.rows if len(row) == 7 and row[-1].startswith("ndcg@10")]
    for model in run.models:
        for finding in model.findings:
            [row] = [
                row
                for row in told
                if row[0] == finding.rule
                and row[1] == (finding.slice or "all users")
                and row[2] == f"{finding.interval.value:.4f}"
            ]
            sign = {True: "✓", False: "✗", None: "too few"}[finding.passed]
            assert row[5] == sign
            assert row[6] == finding.words


def test_slices_are_in_the_order_of_their_numbers_and_small_ones_said(run):
    parts = gathering.parts(run.models[1], "ndcg@10", 100)
    assert [(p.slice, p.users, p.refuses) for p in parts] == [
        ("activity=20-99", 50, False),
        ("activity=100-499", 950, True),
    ]
    assert parts[1].interval == (pytest.approx(0.1089), pytest.approx(0.1489))


def test_charts_draw_the_numbers_of_the_tables(contents):
    parts = [
        part
        for model in contents.models
        for part in gathering.parts(model, "ndcg@10", 100)
    ]
    rating = data.Feature("rating", 0, 8, buckets=((1.0, 2.0, 6.0), (2.0, 3.0, 2.0)))
    page = Page(render(dataclasses.replace(contents, slices=parts, features=[rating])))
    charts = json.loads(page.raw["application/json"][0])
    assert set(charts) == {
        *("leaderboard", "curve-loss", "curve-ndcg", "time", "slices", "ratings"),
        *("coverage@10", "gini@10", "novelty@10", "popularity_lift@10", "trade-off"),
    }
    for name, chart in charts.items():
        assert page.ids[f"chart-{name}"] == "div"
        assert chart["description"]
        assert "$schema" in chart

    def values(name):
        chart = charts[name]
        data = chart.get("data") or chart["layer"][0]["data"]
        return chart["datasets"][data["name"]]

    neumf = values("leaderboard")[0]
    assert (neumf["model"], neumf["value"]) == ("neumf", 0.1289)
    assert [row["share"] for row in values("ratings")] == [0.75, 0.25]
    assert [row["best"] for row in values("curve-ndcg")] == [False, True, False]


def test_a_model_has_the_same_colour_in_all_charts(contents):
    page = Page(render(contents))
    charts = json.loads(page.raw["application/json"][0])
    found = set()

    def walk(value):
        if isinstance(value, dict):
            if {"domain", "range"} <= set(value) and "neumf" in value["domain"]:
                colour = value["range"][value["domain"].index("neumf")]
                if isinstance(colour, str):
                    found.add(colour)
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(charts)
    assert found == {"var(--series-0)"}


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "MARQUEE_CACHE_DIR"])
def test_without_a_cache_folder_it_is_written_and_the_log_names_the_variable(
    contents, monkeypatch, caplog, variable
):
    for name in ("MARQUEE_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "/dev/null/nobody")
    assert "vegaEmbed" in render(contents)
    [message] = [r.message for r in caplog.records if "cannot be kept" in r.message]
    assert "Set MARQUEE_CACHE_DIR to a folder" in message


def test_every_rule_of_the_gate_is_explained():
    assert RULES.keys() == {*typing.get_args(Kind)}
