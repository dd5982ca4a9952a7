"""Runs each task of a compiled tuning with its own command, on MariaDB.

Two pods run trials of one study side by side; the first attempt of one is killed.
"""

import json
from types import SimpleNamespace

import pytest
import yaml

pytestmark = [pytest.mark.kubeflow, pytest.mark.timeout(1800)]
KILLED = "tuner-gmf-worker-1"


@pytest.fixture(scope="module")
def tuned(
    tmp_path_factory,
    compile_workflow,
    cluster_file,
    store,
    spans,
    machine,
    pods_of_spec,
):
    folder = tmp_path_factory.mktemp("cluster")
    volume = folder / "volume"
    cluster = cluster_file(
        root=f"{volume}/artifacts",
        live_folder=f"{volume}/live",
        volume={"path": str(volume)},
        metadata={"host": store.host, "port": store.port, "database": "marquee"},
        steps={
            "default": {"retries": 1, "backoff_seconds": 1},
            "Tuner": {"gpus": 0},
        },
    )
    compiled = compile_workflow(
        folder / "tune.yaml",
        *("--tune", "--cluster", str(cluster), "--data", f"{volume}/spans/1"),
        *("--models", "gmf", "--set", "models.gmf.epochs=3"),
        *("--set", "tuner.trials=5", "--set", "tuner.workers=2"),
    )
    assert compiled.status == 0, compiled.output
    pods = pods_of_spec(list(yaml.safe_load_all(compiled.text)))
    machine = machine(pods, "{{workflow.uid}}", folder / "runs")
    next(spans(volume / "spans", 2))
    run = machine.run("tuning", kill=KILLED, kill_at=b"marquee.progress:epoch")
    return SimpleNamespace(machine=machine, run=run, volume=volume, text=compiled.text)


def test_every_task_succeeds_and_the_killed_pod_is_replaced(tuned):
    assert set(tuned.run.phases.values()) == {"Succeeded"}
    assert {"tuner-gmf", KILLED} <= set(tuned.run.phases)
    tries = dict.fromkeys(tuned.run.phases, 1) | {KILLED: 2}
    assert tuned.run.attempts == tries


def test_the_study_has_each_trial_once(tuned):
    """The interrupted one has a result under another number."""
    artifacts = tuned.volume / "artifacts"
    [results] = artifacts.glob("Tuner_gmf/tuner_results/*/trials.json")
    trials = json.loads(results.read_text())
    assert len(trials) == 5
    numbers = sorted(trial["number"] for trial in trials)
    assert len(set(range(6)) - set(numbers)) == 1
    assert len({json.dumps(trial["values"]) for trial in trials}) == 5
    assert len(list((tuned.volume / "studies").glob("*.journal"))) == 1
    [best] = artifacts.glob("Tuner_gmf/best_hyperparameters/*/best_hyperparameters.txt")
    complete = [trial for trial in trials if trial["metric"] is not None]
    expected = max(complete, key=lambda trial: trial["metric"])
    assert json.loads(best.read_text()) == expected["values"]


def test_the_secret_is_in_no_file(tuned):
    assert "a password of these tests" not in tuned.text
    for task in tuned.run.phases:
        log = tuned.machine.log(tuned.run, task)
        assert "a password of these tests" not in log
