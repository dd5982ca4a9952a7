"""Two runs of which every difference is known."""

import io
import json
import subprocess
import sys

import pytest
from msgspec.structs import replace

from pipeline.runs.compare import Difference, compare
from pipeline.runs.model_record import ModelRecord
from pipeline.runs.record import DataRecord, StepRecord
from pipeline.views.terminal import open_console
from pipeline.views.terminal.comparison import print_comparison
from tests.support.run_record import make_record, make_spans, write_record


def model(name, ndcg, ends):
    return ModelRecord(
        name=name,
        state="trained",
        verdict="passed",
        rule="good enough",
        train_seconds=2.0,
        metrics={"ndcg@10": ndcg, "hit_rate@10": 2 * ndcg, "auc": None},
        intervals={"ndcg@10": ends},
    )


CONFIG = {
    "out": "here",
    "label": {"threshold": "> 3", "negative": None},
    "split": {"kind": "temporal", "seed": 0},
    "models": {"mf_als": {}, "gmf": {"epochs": 3}},
}
MODELS = [model("mf_als", 0.1, (0.08, 0.12)), model("gmf", 0.2, (0.18, 0.22))]
RUN = {
    "config": CONFIG,
    "data": DataRecord("a.csv", users=10, items=20, ratings=99),
    "steps": [StepRecord(name="Transform", state="done", seconds=4.0)],
    "models": MODELS,
}


@pytest.fixture
def first():
    return make_record("r1", **RUN)


@pytest.fixture
def other():
    """A function: fields → the same run with them, under another ID."""

    def made(**changes):
        return make_record("r2", **{**RUN, **changes})

    return made


def test_a_run_is_the_same_as_itself(first, other):
    found = compare(first, other())
    assert found.configuration == []
    assert found.not_comparable == []
    assert all(each.first == each.second for each in (*found.data, *found.seconds))
    assert [m.apart for m in found.models[0].metrics] == [False, None, None]


def test_settings_are_told_key_by_key_and_the_folder_is_none(first, other):
    models = {"mf_als": {"epochs": 4}, "gmf": {"epochs": 5}}
    second = other(config={**CONFIG, "out": "there", "models": models})
    assert compare(first, second).configuration == [
        Difference("models.mf_als", {}, None),
        Difference("models.gmf.epochs", 3, 5),
        Difference("models.mf_als.epochs", None, 4),
    ]


@pytest.mark.parametrize(
    ("ends", "apart"),
    [((0.13, 0.2), True), ((0.12, 0.2), False), ((0.0, 0.07), True), ((0, 1), False)],
)
def test_a_difference_is_beyond_intervals_that_share_nothing(first, other, ends, apart):
    second = other(models=[model("mf_als", 0.1, ends)])
    ndcg = compare(first, second).models[0].metrics[0]
    assert (ndcg.name, ndcg.apart) == ("ndcg@10", apart)


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("label", "threshold", "> 4", "liked: label.threshold is > 3 and > 4"),
        ("split", "seed", 7, "held back: split.seed is 0 and 7"),
    ],
)
def test_other_labels_or_splits_are_not_comparable(
    first, other, section, key, value, said
):
    second = other(config={**CONFIG, section: {**CONFIG[section], key: value}})
    [reason] = compare(first, second).not_comparable
    assert said in reason


def test_an_interval_that_could_not_be_measured_is_none(first, other):
    second = other(models=[model("mf_als", 0.1, (None, None))])
    ndcg = compare(first, second).models[0].metrics[0]
    assert (ndcg.second_interval, ndcg.apart) == (None, None)


def test_other_data_or_spans_are_not_comparable(first, other):
    data = DataRecord("a.csv", users=10, items=20, ratings=100)
    second = other(data=data, spans=make_spans("2026-11-01"))
    [reason] = compare(first, second).not_comparable
    assert reason.endswith("different ratings, spans")


def test_models_and_steps_of_one_run_are_named(first, other):
    pusher = StepRecord(name="Pusher", state="done", seconds=1.0)
    models = [MODELS[0], replace(MODELS[1], name="neumf")]
    found = compare(first, other(models=models, steps=[*RUN["steps"], pusher]))
    assert found.only == (["gmf"], ["neumf"])
    assert [each.name for each in found.models] == ["mf_als"]
    assert found.seconds[1] == Difference("Pusher", None, 1.0)


def test_a_run_that_failed_before_it_judged_is_shown(first, other):
    failed = {"metrics": {}, "intervals": {}, "train_seconds": None}
    models = [replace(each, **failed) for each in MODELS]
    second = other(models=models, data=DataRecord("a.csv"))
    screen = io.StringIO()
    print_comparison(open_console(screen, 80), compare(first, second))
    assert "cannot be compared" in screen.getvalue()


@pytest.mark.parametrize("width", [50, 120])
def test_it_is_printed_for_a_person(first, other, width):
    evil = {"mf_als": {}, "gmf": {"epochs": "[red]\x1b[2J"}}
    second = other(
        models=[model("mf_als", 0.3, (0.28, 0.32)), MODELS[1]],
        config={**CONFIG, "models": evil},
    )
    screen = io.StringIO()
    print_comparison(open_console(screen, width), compare(first, second))
    told = screen.getvalue()
    words = " ".join(told.split())
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= width
    assert "+0.2000" in words
    if width > 100:
        assert "0.3000 (0.2800–0.3200) +0.2000, beyond both intervals" in words
        assert "[red]\\x1b[2J" in words


def test_the_command_prints_json_and_names_a_run_that_is_not_there(tmp_path):
    for run_id in ("r1", "r2"):
        write_record(tmp_path, run_id, **RUN)

    def marquee(*arguments):
        command = [sys.executable, "-m", "pipeline", "compare", "--out", str(tmp_path)]
        return subprocess.run([*command, *arguments], capture_output=True, text=True)

    told = marquee("r1", "r2", "--json")
    assert told.returncode == 0, told.stderr
    printed = json.loads(told.stdout)
    assert [run["id"] for run in printed["runs"]] == ["r1", "r2"]
    assert list(printed["runs"][0]) == ["id", "started", "status", "seconds"]
    gone = marquee("r1", "r3")
    assert gone.returncode == 2
    assert "'r3'" in gone.stderr
    assert "r1, r2" in gone.stderr
