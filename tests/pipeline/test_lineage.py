"""Lineage in a store that is written by hand, event by event."""

import dataclasses
import hashlib
import io
import json
import shutil
import subprocess
import sys

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.live_models import push, rollback, trial, versions
from pipeline import lineage
from pipeline.views.terminal import open_console
from pipeline.views.terminal.lineage import print_lineage
from tests.support.blocked_packages import DATA, TRAINING, environment_without
from tests.support.metadata_store import StoreWriter
from tests.support.run_record import make_spans, write_record
from trainer_modules import features as f

COMPLETE, CACHED = mlmd.Execution.COMPLETE, mlmd.Execution.CACHED
READER = {"code_version": "aaaaaaaaaaaa", "seed": 0, "spans": ["2026-11-01"]}
# As RatingsExampleGen is given its settings.
PACKED = {"@type": "StringValue", "value": json.dumps(READER)}
GRAPH = {"code_version": "bbbbbbbbbbbb", "label_threshold": "> 3"}
TRAINER = {"code_version": "cccccccccccc", "model": "mf_als", "seed": 7}
FILE = {"name": "/data/2026-11-01/a.csv", "bytes": 120, "rows": 9}

COUNTS = {"read": 9, "kept": 8, "users": 3, "items": 5, "first": 0, "last": 86_400}


@pytest.fixture
def out(tmp_path):
    """Run r1 made a model and pushed it as version 1; r2 took all from the cache."""
    written = StoreWriter(tmp_path)
    examples = written.artifact("RatingsExampleGen/examples/0")
    catalogue = written.artifact("CatalogueGen/catalogue/0")
    schema = written.artifact("ImportSchemaGen/schema/0")
    graph = written.artifact("Transform/transform_graph/0")
    model = written.artifact("Trainer_mf_als/model/0")
    other = written.artifact("Trainer_gmf/model/0")
    base = written.artifact("Champion/old/0")
    evaluation = written.artifact("Evaluator_mf_als/evaluation/0")
    of_other = written.artifact("Evaluator_gmf/evaluation/0")
    champion = written.artifact("Champion/champion/0")
    decided = written.artifact("Champion/decided/0")
    blessing = written.artifact("InfraCheck/blessing/0")
    pushed = written.artifact("Pusher/pushed_model/0", pushed_version="1")
    write(examples, "counts.json", COUNTS | {"files": [FILE]})
    metrics = {"ndcg@10": 0.25}
    told = {"name": "mf_als", "rule": "best of 2", "metrics": metrics}
    decision = {"metric": "ndcg@10", "live": {"model": None}, "models": [told]}
    write(decided, "decision.json", decision)
    steps = [
        ("ImportSchemaGen", [], [("schema", schema)], {"schema_file": "s.pbtxt"}),
        (
            "RatingsExampleGen",
            [],
            [("examples", examples)],
            {
                "input_base": "/data",
                "input_fingerprint": "f" * 64,
                "custom_config": json.dumps({"custom_config": PACKED}),
            },
        ),
        (
            "CatalogueGen",
            [("examples", examples)],
            [("catalogue", catalogue)],
            {
                **{"items": "", "items_fingerprint": "", "code_version": "d" * 12},
                # It also has the reader's settings, with the reader's version.
                **{f"settings{n}": json.dumps(READER) for n in range(20)},
            },
        ),
        (
            "Transform",
            [("examples", examples), ("schema", schema)],
            [("transform_graph", graph)],
            {"custom_config": json.dumps(GRAPH)},
        ),
        (
            "Trainer_gmf",
            [("transform_graph", graph)],
            [("model", other)],
            {"custom_config": json.dumps(TRAINER)},
        ),
        (
            "Trainer_mf_als",
            [
                *(("transform_graph", graph), ("catalogue", catalogue)),
                ("base_model", base),
            ],
            [("model", model)],
            {"custom_config": json.dumps(TRAINER)},
        ),
        ("Evaluator_gmf", [("model", other)], [("evaluation", of_other)], {}),
        (
            "Evaluator_mf_als",
            [("model", model)],
            [("evaluation", evaluation)],
            {"eval_config": json.dumps([json.dumps({"code_version": "e" * 12})])},
        ),
        (
            "Champion",
            [
                *(("models", model), ("models", other)),
                *(("evaluations", of_other), ("evaluations", evaluation)),
            ],
            [("champion", champion), ("decided", decided)],
            {},
        ),
        ("InfraCheck", [("model", champion)], [("blessing", blessing)], {}),
        (
            "Pusher",
            [("model", champion), ("infra_blessing", blessing)],
            [("pushed_model", pushed)],
            {},
        ),
    ]
    for run, state in (("r1", COMPLETE), ("r2", CACHED)):
        for name, inputs, outputs, told in steps:
            written.step(name, run, inputs, outputs, told, state)
    hashes = {"2026-11-01": "9" * 64}
    write_record(tmp_path, "r1", spans=make_spans("2026-11-01", fingerprints=hashes))
    push_model(tmp_path, model.uri)
    return tmp_path


def write(artifact, name, told):
    with open(f"{artifact.uri}/{name}", "w") as file:
        json.dump(told, file)


def push_model(out, origin):
    """Makes a model with a card live, as Pusher does."""
    card = out / "model" / f.CARD_FILE
    card.parent.mkdir(parents=True, exist_ok=True)
    content = {"model": "mf_als", "parameters": 7, "config": {}, "origin": origin}
    card.write_text(json.dumps(content))
    return push.push(out / "model", out / "live", keep=5)


def test_a_model_is_followed_back_to_its_files(out):
    found = lineage.of(out, "live")
    assert (found.version, found.model, found.run) == (1, "mf_als", "r1")
    assert (found.is_live, found.restored) == (True, None)
    steps = {step.name: (step.run, step.code) for step in found.steps}
    # In order; neither another model's steps nor those of the base model.
    assert list(steps.items()) == [
        ("ImportSchemaGen", ("r1", None)),
        ("RatingsExampleGen", ("r1", "a" * 12)),
        ("CatalogueGen", ("r1", "d" * 12)),
        ("Transform", ("r1", "b" * 12)),
        ("Trainer_mf_als", ("r1", "c" * 12)),
        ("Evaluator_mf_als", ("r1", "e" * 12)),
        ("Champion", ("r1", None)),
        ("InfraCheck", ("r1", None)),
        ("Pusher", ("r1", None)),
    ]
    assert found.data.source == "/data"
    assert found.data.fingerprint == "f" * 64
    assert found.data.spans == {"2026-11-01": "9" * 64}
    assert [vars(file) for file in found.data.files] == [FILE]
    assert found.data.counts["kept"] == 8
    assert found.data.schema == "s.pbtxt"
    assert found.judgement is not None
    assert found.judgement.rule == "best of 2"
    assert found.judgement.instead_of is None


def test_the_configuration_is_without_code_and_data(out):
    found = lineage.of(out, "1")
    expected = {
        "RatingsExampleGen": {"seed": 0},
        "Transform": {"label_threshold": "> 3"},
        "Trainer_mf_als": {"model": "mf_als", "seed": 7},
    }
    assert found.configuration == expected
    told = json.dumps(expected, sort_keys=True)
    assert found.configuration_hash == hashlib.sha256(told.encode()).hexdigest()


def test_a_rollback_has_the_lineage_of_what_it_restored(out):
    first = lineage.of(out, "1")
    push_model(out, "another")
    rollback.roll_back(out / "live", 1)
    rollback.roll_back(out / "live", 3)
    found = lineage.of(out, "live")
    assert (found.version, found.restored, found.is_live) == (4, 3, True)
    assert (found.run, found.steps) == (first.run, first.steps)
    assert not lineage.of(out, "1").is_live


def test_a_version_has_the_steps_of_its_trial(out):
    live = out / "live"
    trial.begin(live / "1", live, 5, 1, {})
    assert [step.to for step in lineage.of(out, "2").trial] == ["trial"]
    assert not lineage.of(out, "2").is_live
    trial.promote(live, 2, "undecided after 7 days")
    found = lineage.of(out, "live")
    assert [step.to for step in found.trial] == ["trial", "live"]
    assert lineage.of(out, "1").trial == []
    screen = io.StringIO()
    print_lineage(open_console(screen, 120), found)
    assert "live, undecided after 7 days" in screen.getvalue()


def test_what_the_files_told_is_left_out_when_they_are_gone(out):
    shutil.rmtree(out / "artifacts")
    shutil.rmtree(out / "runs")
    found = lineage.of(out, "live")
    assert found.judgement is None
    assert found.data.files == []
    assert found.data.spans == {"2026-11-01": None}
    assert found.data.counts["read"] is None
    assert len(found.steps) == 9


@pytest.mark.parametrize("lost", ["no model", "no push", "no store", "no database"])
def test_a_store_that_does_not_know_says_what_to_do(out, lost):
    if lost == "no model":
        push_model(out, "/elsewhere")
    elif lost == "no push":
        push_model(out, str(out / "artifacts" / "Trainer_gmf" / "model" / "0"))
        (out / "metadata.sqlite").unlink()
        StoreWriter(out).artifact("Trainer_gmf/model/0")
    elif lost == "no store":
        (out / "metadata.sqlite").unlink()
    else:
        (out / "metadata.sqlite").write_text("no database, whatever its name says")
    with pytest.raises(lineage.NoLineageError, match=r"backup"):
        lineage.of(out, "live")


@pytest.mark.parametrize("version", ["2", "latest"])
def test_a_version_that_is_not_there_is_an_error(out, version):
    with pytest.raises(versions.VersionError, match=rf"No version {version} in"):
        lineage.of(out, version)


def test_where_nothing_is_live_it_says_so(tmp_path):
    with pytest.raises(versions.VersionError, match="marquee run"):
        lineage.of(tmp_path, "live")


@pytest.mark.parametrize("width", [40, 100])
def test_it_is_printed_with_what_a_person_looks_for(out, width):
    push_model(out, "another")
    rollback.roll_back(out / "live", 1)
    screen = io.StringIO()
    found = lineage.of(out, "live")
    evil = dataclasses.replace(found.judgement, rule="[red]\x1b[2Jbest")
    found = dataclasses.replace(found, judgement=evil)
    print_lineage(open_console(screen, width), found)
    told = screen.getvalue()
    for wanted in ("restored", "a.csv", "c" * 12, "f" * 12, "2026-11-01", "[red]\\x1b"):
        assert wanted in told
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= width


def test_the_command_needs_the_store_and_no_data_packages(out, tmp_path_factory):
    without = (*TRAINING, *DATA, "tensorflow")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "lineage", "--out", str(out)],
        env=environment_without(tmp_path_factory.mktemp("env"), *without),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "mf_als" in done.stdout


def test_the_command_prints_json_and_mendable_errors(out):
    def marquee(*arguments):
        command = [sys.executable, "-m", "pipeline", "lineage", "--out", str(out)]
        return subprocess.run([*command, *arguments], capture_output=True, text=True)

    told = marquee("--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["steps"][3]["code"] == "b" * 12
    (out / "metadata.sqlite").unlink()
    gone = marquee()
    assert (gone.returncode, gone.stdout) == (2, "")
    assert gone.stderr.startswith("No lineage\n")
    assert "backup" in gone.stderr
