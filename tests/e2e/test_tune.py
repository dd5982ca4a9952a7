"""`marquee tune` on ratings of one's own: what it finds, keeps, and never reads."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml
from ml_metadata import MetadataStore, metadata_store
from ml_metadata.proto import metadata_store_pb2

from tests.support.command import marquee
from tests.support.logs import own_ratings, write_span

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
MODELS = ("ease", "gmf")
QUICK = ("--set", "models.gmf.epochs=3", "--set", "gate.metric=mrr")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tune")
    (path / "mine.csv").write_text(own_ratings())
    return path


def tuned(folder, *arguments, data="mine.csv", out="out"):
    where = ("--data", str(folder / data), "--out", str(folder / out))
    return marquee(ROOT, "tune", *where, *QUICK, *arguments)


def trials(folder, model, out="out"):
    """Returns the trials of the newest study, in their order.

    They are without the seconds, which decide the epochs that are measured.
    """
    files = (folder / out).glob(f"artifacts/Tuner_{model}/tuner_results/*/trials.json")
    newest = max(files, key=lambda path: int(path.parent.name))
    found = sorted(json.loads(newest.read_text()), key=lambda trial: trial["number"])
    return [{**trial, "seconds": None, "curve": None} for trial in found]


@pytest.fixture(scope="module")
def first(folder):
    result = tuned(folder, "--models", ",".join(MODELS), "--trials", "3")
    assert result.status == 0, result.text
    result.trials = {name: trials(folder, name) for name in MODELS}
    return result


def test_the_best_settings_are_shown_and_written_to_a_configuration(first, folder):
    assert "mrr on the eval split" in first.text
    [path] = (folder / "out").glob("runs/*/tuned.yaml")
    report = path.with_name("tuning.html")
    assert str(report) in first.text.replace("\n", "")  # it may be wrapped
    page = report.read_text()
    command = (
        *("marquee", "run", "--config", str(path)),
        *("--data", str(folder / "mine.csv"), "--out", str(folder / "out")),
    )
    assert "".join(command) in "".join(first.text.split())  # it may be wrapped
    written = yaml.safe_load(path.read_text())["models"]
    assert list(written) == list(MODELS)
    for name in MODELS:
        best = max(
            (trial for trial in trials(folder, name) if trial["metric"] is not None),
            key=lambda trial: trial["metric"],
        )
        own = {"epochs": 3} if name == "gmf" else {}
        assert written[name] == own | best["values"]
        assert f"# {name}: mrr {best['metric']:.4f}" in path.read_text()
        assert f'<section id="model-{name}"' in page
        assert f"mrr {best['metric']:.4f}" in page
    run = marquee(ROOT, *command[1:], "--set", "gate.min_users=10")
    assert run.status in (0, 5), run.text
    assert [model["name"] for model in run.run["models"]] == ["popularity", *MODELS]


def test_the_first_trial_has_the_settings_as_they_are(first, folder):
    assert trials(folder, "ease")[0]["values"] == {"l2": 500.0}
    assert trials(folder, "gmf")[0]["values"] == {
        "learning_rate": 0.003,
        "num_negatives": 4,
        "embedding_dim": 8,
        "l2": 0.0,
    }


def test_the_best_settings_are_an_artifact_with_lineage(first, folder):
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(folder / "out" / "metadata.sqlite")
    store: MetadataStore = metadata_store.MetadataStore(config)
    found = store.get_artifacts_by_type("HyperParameters")
    assert len(found) == len(MODELS)
    for artifact in found:
        [made] = store.get_events_by_artifact_ids([artifact.id])
        read = {
            store.get_artifacts_by_id([event.artifact_id])[0].type
            for event in store.get_events_by_execution_ids([made.execution_id])
            if event.type == metadata_store_pb2.Event.INPUT
        }
        assert read == {"Examples", "TransformGraph", "marquee.Catalogue"}
        values = json.loads(Path(artifact.uri, "best_hyperparameters.txt").read_text())
        model = Path(artifact.uri).parts[-3].removeprefix("Tuner_")
        assert values in [trial["values"] for trial in trials(folder, model)]


def test_more_trials_continue_the_same_study(first, folder):
    before = trials(folder, "ease")
    result = tuned(folder, "--models", "ease", "--trials", "5")
    assert result.status == 0, result.text
    assert trials(folder, "ease")[:3] == before
    assert len(trials(folder, "ease")) == 5
    again = tuned(folder, "--models", "ease", "--trials", "5")
    assert "Tuner_ease" in again.text
    assert "from cache" in again.text.split("Tuner_ease")[-1].splitlines()[0]
    # A copied folder has the same studies.
    shutil.copytree(folder / "out", folder / "copy")
    copied = tuned(folder, "--models", "ease", "--trials", "5", out="copy")
    assert "from cache" in copied.text.split("Tuner_ease")[-1].splitlines()[0]
    more = tuned(folder, "--models", "ease", "--trials", "6", out="copy")
    assert more.status == 0, more.text
    assert trials(folder, "ease", "copy")[:5] == trials(folder, "ease")


def test_workers_share_one_study_and_give_one_result(folder):
    workers = ("--set", "tuner.workers=2", "--jobs", "2")
    arguments = ("--models", "ease", "--trials", "6", *workers)
    result = tuned(folder, *arguments, out="shared")
    assert result.status == 0, result.text
    found = trials(folder, "ease", "shared")
    assert [trial["number"] for trial in found] == list(range(6))
    assert found[0]["values"] == {"l2": 500.0}
    assert len({json.dumps(trial["values"]) for trial in found}) == 6
    [path] = (folder / "shared").glob("runs/*/tuned.yaml")
    best = max(found, key=lambda trial: trial["metric"])
    assert yaml.safe_load(path.read_text())["models"] == {"ease": best["values"]}
    # One model, one row of the table, whatever the number of steps.
    assert "Tuner_ease_worker_1" in result.text
    assert len(list((folder / "shared").glob("studies/*.journal"))) == 1


def test_what_is_held_out_for_the_test_makes_no_difference(first, folder):
    """Another rating of each user's last item, which is the user's test split."""
    with (folder / "mine.csv").open() as file:
        header, *rows = csv.reader(file)
    user, when = header.index("user_id"), header.index("timestamp")
    last = {}
    for row in sorted(rows, key=lambda row: row[when]):
        last[row[user]] = row
    for row in last.values():
        row[header.index("rating")] = "1" if row[header.index("rating")] != "1" else "5"
    with (folder / "other.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    arguments = ("--models", ",".join(MODELS), "--trials", "3")
    result = tuned(folder, *arguments, data="other.csv", out="other")
    assert result.status == 0, result.text
    for name in MODELS:
        assert trials(folder, name, "other") == first.trials[name]


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("--trials", "0"), 2, "tuner.trials"),
        (("--budget", "soon"), 2, "a time such as '90s', '30m' or '2h'"),
        (("--models", "popularity"), 2, "popularity has no settings to try"),
        (("--models", "gmff"), 2, "did you mean 'gmf'"),
        (("--space", "none.yaml"), 2, "none.yaml: No such file or directory"),
    ],
)
def test_bad_input_is_one_line_before_anything_starts(
    folder, arguments, status, expected
):
    result = tuned(folder, *arguments, out="bad")
    assert result.status == status, result.text
    assert expected in " ".join(result.text.split())
    assert not (folder / "bad").exists()


def test_a_budget_too_small_for_one_trial_fails_that_step_alone(folder):
    result = tuned(
        folder,
        *("--models", "ease,gmf", "--budget", "1s", "--set", "models.gmf.epochs=500"),
        *("--set", "models.gmf.patience=500"),
    )
    text = " ".join(result.text.split())
    assert result.status == 6, result.text
    assert "gmf: the budget ended before any trial was complete" in text
    newest = max((folder / "out").glob("runs/*/tuned.yaml"))
    assert list(yaml.safe_load(newest.read_text())["models"]) == ["ease"]


def test_a_run_takes_the_settings_that_were_found_last(first, folder):
    """With ``tuned: auto``, except those that are set; lineage names the study."""
    tuned(folder, "--models", ",".join(MODELS), "--trials", "3")
    settings = ("--set", "models.gmf.tuned=auto", "--set", "models.ease.tuned=auto")
    run = (
        *("run", "--data", str(folder / "mine.csv"), "--out", str(folder / "out")),
        *("--models", ",".join(MODELS), *QUICK, *settings, "--set", "gate.min_users=9"),
        *("--set", "models.gmf.embedding_dim=5"),
    )
    result = marquee(ROOT, *run)
    assert result.status in (0, 5), result.text
    shown = marquee(ROOT, "models", "--tuned", "--json", "--out", str(folder / "out"))
    assert list(json.loads(shown.text)) == sorted(MODELS)
    for name in MODELS:
        tries = trials(folder, name)
        best = max(
            (trial for trial in tries if trial["metric"] is not None),
            key=lambda trial: trial["metric"],
        )
        assert json.loads(shown.text)[name] == best["values"]
        [card] = newest_cards(folder / "out", name)
        own = {"embedding_dim": 5} if name == "gmf" else {}
        expected = best["values"] | own
        assert {key: card["config"][key] for key in expected} == expected
    # Nothing is new, also in the eyes of a run without TFX.
    again = marquee(ROOT, *run)
    assert "loading TensorFlow" not in again.text
    assert {step["state"] for step in again.run["steps"]} == {"cached"}
    # Another study gives other settings, and only its model is trained again.
    more = tuned(folder, "--models", "ease", "--trials", "6")
    assert more.status == 0, more.text
    changed = marquee(ROOT, *run)
    states = {step["name"]: step["state"] for step in changed.run["steps"]}
    assert states["Trainer_ease"] == "done"
    assert states["Trainer_gmf"] == "cached"


def newest_cards(out, model):
    found = out.glob(f"artifacts/Trainer_{model}/model/*/Format-Serving/assets.extra/*")
    cards = [path for path in found if path.name == "marquee.json"]
    newest = max(cards, key=lambda path: int(path.parents[2].name))
    return [json.loads(newest.read_text())]


def test_settings_that_were_never_found_are_an_error(folder):
    result = marquee(
        ROOT,
        *("run", "--data", str(folder / "mine.csv"), "--out", str(folder / "none")),
        *("--models", "ease", "--set", "models.ease.tuned=auto"),
    )
    assert result.status == 2
    text = " ".join(result.text.split())
    assert "no settings of ease have been found" in text
    assert "run `marquee tune --models ease`" in text


@pytest.mark.slow
def test_a_retraining_tunes_first_and_the_next_takes_its_settings(folder):
    spans, out = folder / "spans", folder / "nights"

    def retrain():
        result = marquee(
            ROOT,
            *("retrain", "--data", str(spans), "--out", str(out)),
            *("--models", "popularity,ease", "--set", "models.ease.tuned=auto"),
            *("--set", "retrain.tune_every=2", "--set", "tuner.trials=3"),
        )
        assert result.status in (0, 5), result.text
        steps = {step["name"]: step["state"] for step in result.run["steps"]}
        [card] = newest_cards(out, "ease")
        return result, steps, card["config"]

    for day in range(3):
        write_span(spans, day)
    first, steps, settings = retrain()
    assert "no retraining has tuned the models yet" in first.text
    assert steps["Tuner_ease"] == steps["Trainer_ease"] == "done"
    best, *_ = sorted(trials(folder, "ease", "nights"), key=lambda t: -t["metric"])
    assert settings["l2"] == best["values"]["l2"]
    kept = out / "runs" / first.run["run"]["id"]
    assert yaml.safe_load((kept / "tuned.yaml").read_text())["models"] == {
        "ease": best["values"]
    }
    assert "ease" in (kept / "tuning.html").read_text()

    write_span(spans, 3)
    _, steps, settings = retrain()
    assert "Tuner_ease" not in steps
    assert settings["l2"] == best["values"]["l2"]
