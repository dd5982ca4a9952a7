"""Two runs of which every difference is known."""

import copy
import io
import json
import subprocess
import sys

import pytest

from pipeline.runs.compare import Difference, compare
from pipeline.views.terminal import open_console
from pipeline.views.terminal.comparison import print_comparison


def model(name, ndcg, ends):
    return {
        "name": name,
        "verdict": "passed",
        "rule": "good enough",
        "train_seconds": 2.0,
        "metrics": {"ndcg@10": ndcg, "hit_rate@10": 2 * ndcg, "auc": None},
        "intervals": {"ndcg@10": ends},
    }


RUN = {
    "run": {
        **{"id": "r1", "started": "2026-11-22T03:00:00+00:00", "seconds": 90.0},
        **{"status": "a new model is live", "out": "here", "log": "run.log"},
    },
    "config": {
        "out": "here",
        "label": {"threshold": "> 3", "negative": None},
        "split": {"kind": "temporal", "seed": 0},
        "models": {"mf_als": {}, "gmf": {"epochs": 3}},
    },
    "data": {"source": "a.csv", "users": 10, "items": 20, "ratings": 99},
    "spans": None,
    "steps": [{"name": "Transform", "seconds": 4.0}],
    "models": [model("mf_als", 0.1, [0.08, 0.12]), model("gmf", 0.2, [0.18, 0.22])],
}


@pytest.fixture
def other():
    """The same run under another id, for a test to change."""
    run = copy.deepcopy(RUN)
    run["run"]["id"] = "r2"
    return run


def test_a_run_is_the_same_as_itself(other):
    found = compare(RUN, other)
    assert found.configuration == []
    assert found.not_comparable == []
    assert all(each.first == each.second for each in (*found.data, *found.seconds))
    assert [m.apart for m in found.models[0].metrics] == [False, None, None]


def test_settings_are_told_key_by_key_and_the_folder_is_none(other):
    other["config"]["out"] = "there"
    other["config"]["models"] = {"mf_als": {"epochs": 4}, "gmf": {"epochs": 5}}
    assert compare(RUN, other).configuration == [
        Difference("models.mf_als", {}, None),
        Difference("models.gmf.epochs", 3, 5),
        Difference("models.mf_als.epochs", None, 4),
    ]


@pytest.mark.parametrize(
    ("ends", "apart"),
    [([0.13, 0.2], True), ([0.12, 0.2], False), ([0.0, 0.07], True), ([0, 1], False)],
)
def test_a_difference_is_beyond_intervals_that_share_nothing(other, ends, apart):
    other["models"][0]["intervals"]["ndcg@10"] = ends
    ndcg = compare(RUN, other).models[0].metrics[0]
    assert (ndcg.name, ndcg.apart) == ("ndcg@10", apart)


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("label", "threshold", "> 4", "liked: label.threshold is > 3 and > 4"),
        ("split", "seed", 7, "held back: split.seed is 0 and 7"),
    ],
)
def test_other_labels_or_splits_are_not_comparable(other, section, key, value, said):
    other["config"][section][key] = value
    [reason] = compare(RUN, other).not_comparable
    assert said in reason


def test_an_interval_that_could_not_be_measured_is_none(other):
    other["models"][0]["intervals"]["ndcg@10"] = [None, None]
    ndcg = compare(RUN, other).models[0].metrics[0]
    assert (ndcg.second_interval, ndcg.apart) == (None, None)


def test_other_data_or_spans_are_not_comparable(other):
    other["data"]["ratings"] = 100
    other["spans"] = {"names": ["2026-11-01"]}
    [reason] = compare(RUN, other).not_comparable
    assert reason.endswith("other ratings, spans")


def test_models_and_steps_of_one_run_are_named(other):
    other["models"][1]["name"] = "neumf"
    other["steps"].append({"name": "Pusher", "seconds": 1.0})
    found = compare(RUN, other)
    assert found.only == (["gmf"], ["neumf"])
    assert [each.name for each in found.models] == ["mf_als"]
    assert found.seconds[1] == Difference("Pusher", None, 1.0)


def test_a_run_that_failed_before_it_judged_is_shown(other):
    other["models"] = [
        {**each, "metrics": {}, "intervals": {}, "train_seconds": None}
        for each in other["models"]
    ]
    other["data"] = {"source": "a.csv"}
    screen = io.StringIO()
    print_comparison(open_console(screen, 80), compare(RUN, other))
    assert "cannot be compared" in screen.getvalue()


@pytest.mark.parametrize("width", [50, 120])
def test_it_is_printed_for_a_person(other, width):
    other["models"][0] = model("mf_als", 0.3, [0.28, 0.32])
    other["config"]["models"]["gmf"]["epochs"] = "[red]\x1b[2J"
    screen = io.StringIO()
    print_comparison(open_console(screen, width), compare(RUN, other))
    told = screen.getvalue()
    words = " ".join(told.split())
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= width
    assert "+0.2000" in words
    if width > 100:
        assert "0.3000 (0.2800–0.3200) +0.2000, beyond both intervals" in words
        assert "[red]\\x1b[2J" in words


def test_the_command_prints_json_and_names_a_run_that_is_not_there(tmp_path, other):
    for run in (RUN, other):
        folder = tmp_path / "runs" / run["run"]["id"]
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(run))

    def marquee(*arguments):
        command = [sys.executable, "-m", "pipeline", "compare", "--out", str(tmp_path)]
        return subprocess.run([*command, *arguments], capture_output=True, text=True)

    told = marquee("r1", "r2", "--json")
    assert told.returncode == 0, told.stderr
    assert [run["id"] for run in json.loads(told.stdout)["runs"]] == ["r1", "r2"]
    gone = marquee("r1", "r3")
    assert gone.returncode == 2
    assert "'r3'; it has r1, r2" in gone.stderr
