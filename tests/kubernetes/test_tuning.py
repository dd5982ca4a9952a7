"""A tuning on the plain Argo workflow: two pods share a study, and one is deleted."""

import json
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(3600)]
KILLED = "tuner-gmf-worker-1"
STORE = "_tune"


@pytest.fixture(scope="module")
def story(applied, compiled, create):
    workflow = compiled(
        "tune",
        *("--tune", "--models", "gmf", "--set", "models.gmf.epochs=30"),
        *("--set", "tuner.trials=5", "--set", "tuner.workers=2"),
        target="argo",
        database=STORE,
        steps={"Tuner": {"gpus": 0}},
    )
    run = create(workflow)
    pod = run.pod_at_work(KILLED)
    both = [run.pods(step) for step in ("tuner-gmf", KILLED)]
    applied("delete", "pod", pod, "--grace-period=0", "--force")
    return SimpleNamespace(
        run=run, both=both, phase=run.ended(), last=run.pods(KILLED)[-1]
    )


def test_the_pods_run_side_by_side_and_the_deleted_one_is_replaced(story):
    assert all(len(pods) == 1 for pods in story.both)
    assert story.phase == "Succeeded"
    # Argo may recreate it under the same name, without counting an attempt.
    [killed] = story.both[1]
    assert story.last["metadata"]["uid"] != killed["metadata"]["uid"]
    assert story.last["status"]["phase"] == "Succeeded"


def test_the_study_has_as_many_trials_as_were_set(story, folder, on_volume):
    """Its state is on the volume, where a second pod's trials are, too."""
    [journal] = [
        name
        for name in on_volume("ls", f"{folder}/studies").split()
        if name.endswith(".journal")
    ]
    text = on_volume("cat", f"{folder}/studies/{journal}")
    ended = [
        entry
        for entry in map(json.loads, text.splitlines())
        # Optuna's codes: the state of a trial was set, to complete or stopped.
        if entry["op_code"] == 6 and entry["state"] in (1, 2)
    ]
    assert len(ended) == 5
    assert len({entry["worker_id"] for entry in ended}) >= 2
