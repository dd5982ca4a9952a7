"""Runs on the sample: the first, a repetition, an edited and a broken model."""

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from ml_metadata import MetadataStore, metadata_store
from ml_metadata.proto import metadata_store_pb2

from tests.support.blocked_packages import TRAINING, environment_without
from tests.support.command import marquee

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
MODELS = ("popularity", "mf_als", "attrec")


@pytest.fixture(scope="module")
def story(copy_of_the_code, tmp_path_factory):
    """Runs four times into one folder, with edits of the code in between."""
    out = tmp_path_factory.mktemp("out")
    code = copy_of_the_code()
    # Too few epochs to go live, so that the edited model is not the live one.
    run = ("run", "--out", str(out), "--set", "models.attrec.epochs=3")
    first = marquee(code, *run)
    made = {
        path: any(file.is_file() for file in path.rglob("*"))
        for path in out.glob("artifacts/*/*/*")
        if path.name.isdecimal()
    }
    without = tmp_path_factory.mktemp("without")
    light = environment_without(without, *TRAINING, code=code)
    again = marquee(code, *run, env=light)
    attrec = code / "trainer_modules" / "models" / "attrec.py"
    source = attrec.read_text()
    attrec.write_text(source + "\n# Edited.\n")
    edited = marquee(code, *run)
    attrec.write_text(source.replace("super().__init__()", "raise OSError('broken')"))
    broken = marquee(code, *run)
    return SimpleNamespace(
        out=out, first=first, made=made, again=again, edited=edited, broken=broken
    )


def states(result):
    return {step["name"]: step["state"] for step in result.run["steps"]}


def model(result, name):
    return next(m for m in result.run["models"] if m["name"] == name)


def test_first_run_puts_the_best_personalised_model_live(story):
    first = story.first
    assert first.status == 0, first.text
    assert set(states(first).values()) == {"done"}
    assert first.run["changed"]
    best = max(
        (model(first, name) for name in MODELS), key=lambda m: m["metrics"]["ndcg@10"]
    )
    assert first.run["live"]["model"] == best["name"] != "popularity"
    assert best["verdict"] == "live"
    assert model(first, "popularity")["verdict"] == "reference"
    assert "is live" in first.text


def test_personalised_models_beat_popularity_by_a_wide_margin(story):
    bar = model(story.first, "popularity")["metrics"]
    for name in ("mf_als", "attrec"):
        metrics = model(story.first, name)["metrics"]
        assert metrics["ndcg@10"] > 2 * bar["ndcg@10"]
        assert metrics["hit_rate@10"] > 2 * bar["hit_rate@10"]
        assert metrics["auc"] > 0.55


def test_every_row_read_is_accounted_for(story):
    rows = story.first.run["rows"]
    log = Path(story.first.run["run"]["out"])
    assert log == story.out
    assert rows["read"] == 80_000
    parts = ("kept", "quarantined", "duplicates", "truncated")
    assert rows["read"] == sum(rows[part] for part in parts)


def test_second_run_takes_every_step_from_the_cache_and_changes_nothing(story):
    """It finds that out without TensorFlow, TFX and Beam (issue 21)."""
    again = story.again
    assert again.status == 0, again.text
    assert set(states(again).values()) == {"cached"}
    assert not again.run["changed"]
    assert again.run["live"] == story.first.run["live"]
    assert again.run["models"] == story.first.run["models"]
    assert again.run["serves"]["run"] == again.run["run"]["id"]


def test_no_step_made_an_empty_folder(story):
    """Object stores have no empty folders, and the cache needs outputs that exist."""
    assert len(story.made) > 20
    assert [path for path, is_there in story.made.items() if not is_there] == []


def test_edited_model_is_the_only_one_that_runs_again(story):
    assert story.edited.status == 0, story.edited.text
    ran = {name for name, state in states(story.edited).items() if state == "done"}
    assert ran - {"LiveModel"} == {
        "Trainer_attrec",
        "Evaluator_attrec",
        "Champion",
        "InfraCheck",
        "Pusher",
    }
    assert story.edited.run["live"] == story.first.run["live"]


def test_broken_model_stops_neither_the_others_nor_what_is_live(story):
    broken = story.broken
    assert broken.status == 6, broken.text
    found = states(broken)
    assert found["Trainer_attrec"] == "failed"
    assert found["Evaluator_attrec"] == "skipped"
    assert found["Champion"] in ("done", "cached")
    assert model(broken, "attrec")["verdict"] == "failed"
    assert "broken" in model(broken, "attrec")["rule"]
    assert model(broken, "mf_als")["metrics"] == model(story.first, "mf_als")["metrics"]
    assert broken.run["live"]["model"] == "mf_als"


def test_same_seed_gives_the_same_model_again(story):
    """The edit was a comment, so the model that is trained again must not differ."""
    before, after = model(story.first, "attrec"), model(story.edited, "attrec")
    for name, value in before["metrics"].items():
        assert after["metrics"][name] == pytest.approx(value, abs=1e-6), name


def test_metadata_store_has_what_happened(story):
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(story.out / "metadata.sqlite")
    config.sqlite.connection_mode = config.sqlite.READONLY
    store: MetadataStore = metadata_store.MetadataStore(config)
    ids = {
        context.id: context.name
        for context in store.get_contexts_by_type("pipeline_run")
    }
    assert list(ids.values()) == [
        result.run["run"]["id"]
        for result in (story.first, story.again, story.edited, story.broken)
    ]
    complete = Counter()
    for run in ids:
        for execution in store.get_executions_by_context(run):
            if execution.last_known_state == metadata_store_pb2.Execution.COMPLETE:
                complete[execution.type_id] += 1
    trainers = sum(
        complete[kind.id]
        for kind in store.get_execution_types()
        if kind.name.endswith("Trainer")
    )
    assert trainers == 4  # three models once, and the edited one twice
    pushed = store.get_artifacts_by_type("PushedModel")
    versions = [a for a in pushed if a.custom_properties["pushed"].int_value == 1]
    assert len(versions) == 1


FRESH = """
import json, sys
sys.modules["trainer_modules"] = sys.modules["pipeline"] = None  # not importable
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
records = list(tf.data.TFRecordDataset(sys.argv[2:], compression_type="GZIP"))
ranks = []
for start in range(0, len(records), 250):
    out = model.signatures["evaluate"](examples=tf.stack(records[start:start + 250]))
    rank, label = out["rank"].numpy(), out["label"].numpy()
    ranks += rank[(rank > 0) & (label == 1)].tolist()
some = model.signatures["recommend"](
    user_id=tf.constant(["1", "nobody"]),
    history_item_id=tf.constant([["1", "2"], ["", ""]]),
    history_rating=tf.constant([[5.0, 1.0], [0.0, 0.0]]),
    user_features=tf.constant([[""], [""]]),
    k=tf.constant(5),
    exclude_item_id=tf.constant([[""], [""]]),
)
print(json.dumps({
    "ranks": ranks,
    "recommended": [[i.decode() for i in row] for row in some["item_id"].numpy()],
}))
"""


def test_pushed_model_answers_from_raw_bytes_without_our_package(story):
    live = story.out / "live" / story.first.run["live"]["version"]
    records = sorted(story.out.glob("artifacts/RatingsExampleGen/*/*/Split-test/*"))
    process = subprocess.run(
        [sys.executable, "-I", "-c", FRESH, str(live), *map(str, records)],
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(process.stdout.splitlines()[-1])
    metrics = model(story.first, story.first.run["live"]["model"])["metrics"]
    ranks = answer["ranks"]
    hits = sum(rank <= 10 for rank in ranks) / len(ranks)
    gain = sum(1 / math.log2(r + 1) for r in ranks if r <= 10) / len(ranks)
    assert hits == pytest.approx(metrics["hit_rate@10"], abs=1e-6)
    assert gain == pytest.approx(metrics["ndcg@10"], abs=1e-6)
    for items in answer["recommended"]:
        assert len(set(items)) == 5
        assert not {"1", "2"} & set(answer["recommended"][0])


def test_lineage_of_what_is_live_names_the_run_and_the_files(story):
    live, first = story.first.run["live"], story.first.run
    result = marquee(ROOT, "lineage", "--json", "--out", str(story.out))
    assert result.status == 0, result.text
    found = json.loads(result.text)
    assert (str(found["version"]), found["model"]) == (live["version"], live["model"])
    # The three later runs made none of these again.
    assert {step["run"] for step in found["steps"]} == {first["run"]["id"]}
    assert sum(file["rows"] for file in found["data"]["files"]) == 80_000
    for file in found["data"]["files"]:
        assert Path(file["name"]).stat().st_size == file["bytes"]
    settings = found["configuration"][f"Trainer_{live['model']}"]
    assert settings["seed"] == first["config"]["train"]["seed"]
    rule = model(story.first, live["model"])["rule"]
    assert found["judgement"]["rule"] == rule


def test_every_run_left_a_report_with_its_own_verdict(story):
    reports = sorted(story.out.glob("runs/*/report.html"))
    assert len(reports) == 4
    first, again, _, broken = (report.read_text() for report in reports)
    live = story.first.run["live"]["model"]
    assert f"{live} is live, new in this run</h1>" in first
    assert f"Nothing changed: {live} stays live</h1>" in again
    assert "The data is the same: it came from the cache." in again
    assert "<b>Trainer_attrec failed.</b>" in broken
    assert str(reports[-1]) in story.broken.text.replace("\n", "")


def test_live_version_is_whole(story):
    live = story.out / "live" / story.first.run["live"]["version"]
    manifest = json.loads((live / "assets.extra" / "manifest.json").read_text())
    for name, expected in manifest["sha256"].items():
        digest = subprocess.run(
            ["sha256sum", live / name], capture_output=True, text=True, check=True
        )
        assert digest.stdout.split()[0] == expected, name
    assert "saved_model.pb" in manifest["sha256"]
