"""The report of studies has the numbers of the trials, worked out by hand."""

import contextlib
import dataclasses
import html
import json
import math
import re

import numpy as np
import pytest

from pipeline.runs.setting_importance import setting_importances
from pipeline.runs.step_outputs import Trial
from pipeline.runs.tuned import TunedModel
from pipeline.views.html.tuning.page import Studies, render
from trainer_modules.configs.search import Choice, Given, Range

SPACE = {
    "learning_rate": Range(0.001, 0.1, log=True),
    "optimizer": Choice(("adam", "sgd", "adagrad")),
    "momentum": Given(Range(0.0, 0.5), "optimizer", unless=("adam", "adagrad")),
    "hidden_units": Choice(((64,), (64, 32))),
}
FAILURE = "MemoryError: <script>alert(1)</script>"


def trial(number, state, metric, curve, rate, optimizer, error="", **more):
    """A trial that took as many seconds as its number, and two more.

    Its curve has None for an epoch that was not measured.
    """
    values = {"learning_rate": rate, "optimizer": optimizer, "hidden_units": [64, 32]}
    curve = [
        (epoch, value) for epoch, value in enumerate(curve, 1) if value is not None
    ]
    seconds, is_first = number + 2.0, number == 0
    return Trial(number, state, values | more, metric, curve, seconds, error, is_first)


TRIALS = [
    trial(3, "complete", 0.4, [0.2, None, 0.4], 0.01, "sgd", momentum=0.25),
    trial(0, "complete", 0.2, [0.1, 0.2], 0.001, "adam"),
    trial(1, "stopped", None, [0.15, 0.05], 0.1, "adagrad"),
    trial(2, "failed", None, [], 0.1, "adam", error=FAILURE),
    trial(4, "complete", 0.3, [math.nan, 0.3], 0.1, "adagrad"),
]


def closed_form(*metrics):
    trials = [
        Trial(n, "complete", {"l2": 1.0 + n}, m, [], 1.0, is_first=n == 0)
        for n, m in metrics
    ]
    return TunedModel("ease", trials, {"l2": Range(1.0, 101.0)})


@pytest.fixture
def studies():
    gmf = TunedModel("gmf", TRIALS, SPACE)
    failed = TunedModel("ncf", [], {}, "TuningError: too little time")
    models = [gmf, closed_form((0, 0.5), (1, 0.25)), failed]
    return Studies("20261129-000000", "sample", "mrr", models)


@pytest.fixture
def page(studies):
    return render(studies)


def charts(page):
    [found] = re.findall(r'<script type="application/json".*?>(.*?)</script>', page)
    return json.loads(found)


def rows(chart, field):
    """The rows of the chart's only data set that has a field."""
    [found] = [data for data in chart["datasets"].values() if field in data[0]]
    return found


def cells(page, label):
    """The texts of the table in the scrolling region of this name."""
    table = page.split(f'aria-label="{label}"')[1].split("</table>")[0]
    lines = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    return [
        [
            re.sub(r"<.*?>", "", cell).strip()
            for cell in re.findall(r"<t[dh].*?</t[dh]>", line)
        ]
        for line in lines
    ]


def test_the_overview_compares_the_best_trial_with_the_first(page):
    assert cells(page, "Studies")[1:] == [
        ["gmf", "0.2000", "0.4000", "+0.2000", "5", "3", "1", "1", "20 s"],
        ["ease", "0.5000", "0.5000", "+0.0000", "2", "2", "0", "0", "2.0 s"],
    ]
    assert "Better settings for 1 of 2 models" in page
    assert "No trial was better than the settings as they were: mrr 0.5000" in page
    assert "The study of ncf failed." in page
    assert "TuningError: too little time" in page


def test_the_command_reads_the_same_data_from_the_folder_of_the_runs(studies, tmp_path):
    command = "marquee run --out . --config runs/20261129-000000/tuned.yaml --data "
    assert f"{command}sample<" in render(studies)
    (tmp_path / "my data").mkdir()
    with contextlib.chdir(tmp_path):
        page = render(dataclasses.replace(studies, source="my data"))
    assert f"{command}'{tmp_path}/my data'<" in html.unescape(page)


def test_all_trials_are_listed_the_best_first_and_those_without_a_metric_last(page):
    assert cells(page, "Trials of gmf") == [
        *(["trial", "state", *SPACE, "mrr", "seconds"],),
        ["3", "complete", "0.01", "sgd", "0.25", "[64, 32]", "0.4000", "5.0"],
        ["4", "complete", "0.1", "adagrad", "-", "[64, 32]", "0.3000", "6.0"],
        ["0", "complete", "0.001", "adam", "-", "[64, 32]", "0.2000", "2.0"],
        ["1", "stopped early", "0.1", "adagrad", "-", "[64, 32]", "-", "3.0"],
        ["2", "failed", "0.1", "adam", "-", "[64, 32]", "-", "4.0"],
    ]
    assert "MemoryError: &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_best_so_far_has_a_point_for_each_trial(page):
    chart = charts(page)["best-gmf"]
    drawn = [
        (row["trial"], row["kind"], row["value"], row["so_far"])
        for row in rows(chart, "so_far")
    ]
    assert drawn == [
        (0, "before", 0.2, 0.2),
        (1, "stopped early", 0.15, 0.2),
        (2, "failed", None, 0.2),
        (3, "best", 0.4, 0.4),
        (4, "complete", 0.3, 0.4),
    ]
    assert chart["description"] == (
        "Best mrr so far: 0.4000 after 5 trials, 0.2000 before"
    )


def test_values_are_where_their_axes_have_them(page):
    chart = charts(page)["axes-gmf"]
    lines = {}
    for row in rows(chart, "place"):
        lines.setdefault(row["trial"], {})[row["axis"]] = row["at"]
    absent = lines[0]["momentum"]
    assert absent < 0  # left of the axis, as it has no effect without sgd
    # On a logarithmic axis, 0.01 is in the middle between 0.001 and 0.1.
    assert lines == {
        0: {
            **{"learning_rate": 0, "optimizer": 0, "momentum": absent},
            **{"hidden_units": 1, "mrr": 0},
        },
        3: {
            **{"learning_rate": pytest.approx(0.5), "optimizer": 0.5, "momentum": 0.5},
            **{"hidden_units": 1, "mrr": 1},
        },
        4: {
            **{"learning_rate": 1, "optimizer": 1, "momentum": absent},
            **{"hidden_units": 1, "mrr": pytest.approx(0.5)},
        },
    }
    labels = {}
    for row in rows(chart, "label"):
        labels.setdefault(row["axis"], {})[row["label"]] = row["at"]
    assert labels["learning_rate"] == {
        **{"0.001": 0, "0.01": pytest.approx(0.5), "0.1": 1},
    }
    assert labels["optimizer"] == {"adam": 0, "sgd": 0.5, "adagrad": 1}
    assert labels["hidden_units"] == {"[64]": 0, "[64, 32]": 1}
    assert labels["momentum"] == {"0": 0, "0.5": 1, "-": absent}


def test_curves_have_the_measured_epochs_and_closed_forms_have_none(page):
    found = charts(page)
    curves = {}
    for row in rows(found["curves-gmf"], "epoch"):
        curves.setdefault(row["trial"], {})[row["epoch"]] = row["value"]
    # JSON has no NaN: the epoch that diverged is left out of its line.
    assert curves == {
        **{0: {1: 0.1, 2: 0.2}, 1: {1: 0.15, 2: 0.05}},
        **{3: {1: 0.2, 3: 0.4}, 4: {1: None, 2: 0.3}},
    }
    assert "curves-ease" not in found
    assert "ease is solved in closed form: there are no epochs." in page


def study_of(number, *, seed=0):
    """Random trials of two settings, of which only the learning rate matters."""
    random = np.random.default_rng(seed)
    trials = []
    for n in range(number):
        rate, dim = 10 ** random.uniform(-3, -1), int(random.integers(4, 65))
        metric = 1 - abs(math.log10(rate) + 2)
        values = {"learning_rate": rate, "embedding_dim": dim}
        trials.append(Trial(n, "complete", values, metric, [(1, metric)], 1.0))
    trials.sort(key=lambda trial: -trial.metric)
    space = {
        "learning_rate": Range(0.001, 0.1, log=True),
        "embedding_dim": Range(4, 64),
    }
    return TunedModel("gmf", trials, space)


def test_the_setting_that_matters_is_the_most_important_one():
    page = render(Studies("1", "sample", "mrr", [study_of(60)]))
    table = cells(page, "Importance of the settings of gmf")[1:]
    assert [row[0] for row in table] == ["learning_rate", "embedding_dim"]
    shares = [row["value"] for row in rows(charts(page)["importance-gmf"], "setting")]
    assert shares[0] > 0.7
    assert sum(shares) == pytest.approx(1)


def test_too_few_complete_trials_are_stated_in_place_of_an_importance(page):
    assert "importance-gmf" not in charts(page)
    assert "it takes 15 complete trials, and there are 3." in page
    assert "Only one setting was tried." in page
    study = study_of(15)
    assert setting_importances(study.trials, study.space)
    assert not setting_importances(study.trials[1:], study.space)


def test_conditional_and_listed_settings_have_an_importance():
    trials = [
        trial(n, "complete", 0.1 * n, [], 0.01, "adam")
        if n % 2
        else trial(n, "complete", 0.1 * n, [], 0.02, "sgd", momentum=0.1)
        for n in range(20)
    ]
    assert set(setting_importances(trials, SPACE)) == set(SPACE)
