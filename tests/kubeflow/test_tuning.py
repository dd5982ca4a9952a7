"""Runs each task of a compiled tuning with its own command, its study on MariaDB.

Two pods run trials of one study side by side; the first attempt of one is killed.
"""

import json
import re
from types import SimpleNamespace

import pymysql
import pytest
import yaml

from tests.support import databases

pytestmark = [pytest.mark.kubeflow, pytest.mark.timeout(1800)]
KILLED = "tuner-gmf-worker-1"


@pytest.fixture(scope="module")
def tuned(
    compile_workflow,
    cluster_with_volume,
    store,
    spans,
    machine,
    pods_of_spec,
):
    cluster = cluster_with_volume("Tuner")
    volume = cluster.volume
    compiled = compile_workflow(
        cluster.folder / "tune.yaml",
        *("--tune", "--cluster", str(cluster.file), "--data", f"{volume}/spans/1"),
        *("--models", "gmf", "--set", "models.gmf.epochs=3"),
        *("--set", "tuner.trials=5", "--set", "tuner.workers=2"),
        *("--set", f"tuner.storage=mysql://{store.host}:{store.port}/studies"),
    )
    assert compiled.status == 0, compiled.output
    pods = pods_of_spec(list(yaml.safe_load_all(compiled.text)))
    machine = machine(pods, "{{workflow.uid}}", cluster.folder / "runs")
    next(spans(volume / "spans", 2))
    run = machine.run("tuning", kill=KILLED, kill_at=b": epoch 1/3")
    return SimpleNamespace(
        machine=machine,
        run=run,
        pods=pods,
        volume=volume,
        text=compiled.text,
        store=store,
    )


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
    assert not (tuned.volume / "studies").exists()
    [best] = artifacts.glob("Tuner_gmf/best_hyperparameters/*/best_hyperparameters.txt")
    complete = [trial for trial in trials if trial["metric"] is not None]
    expected = max(complete, key=lambda trial: trial["metric"])
    assert json.loads(best.read_text()) == expected["values"]


def test_the_database_has_the_trials(tuned):
    """As many as were set have ended by themselves, with results of both workers."""
    account = {"user": databases.USER, "password": databases.PASSWORD}
    where = {"host": tuned.store.host, "port": tuned.store.port}
    with (
        pymysql.connect(**where, **account, database=databases.STUDIES) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT study_name FROM studies")
        [(name,)] = cursor.fetchall()
        cursor.execute("SELECT state, COUNT(*) FROM trials GROUP BY state")
        counts = dict(cursor.fetchall())
    assert re.fullmatch(r"gmf-[0-9a-f]{12}", name)
    assert counts.pop("FAIL") == 1  # the interrupted one
    assert set(counts) <= {"COMPLETE", "PRUNED"}
    assert sum(counts.values()) == 5


def test_only_the_pods_of_tuners_have_the_account_of_the_database(tuned):
    secrets = {
        "MARQUEE_STUDIES_USER": ("marquee-metadata", "user"),
        "MARQUEE_STUDIES_PASSWORD": ("marquee-metadata", "password"),
    }
    for name, pod in tuned.pods.items():
        found = {key: pod.environment.get(key) for key in secrets}
        is_tuner = name.startswith("tuner-")
        assert found == (secrets if is_tuner else dict.fromkeys(secrets))


def test_the_secret_is_in_no_file(tuned):
    """Neither in the compiled file, nor on the volume, nor in a log."""
    assert databases.PASSWORD not in tuned.text
    files = [*tuned.volume.rglob("*"), *tuned.machine.logs(tuned.run)]
    texts = {path: path.read_bytes() for path in files if path.is_file()}
    assert any(path.suffix == ".log" for path in texts)
    assert not [p for p, t in texts.items() if databases.PASSWORD.encode() in t]
