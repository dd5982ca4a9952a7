"""Runs of the v2 spec on MovieLens 100K, some of them disturbed while they run.

They share a metadata store, as the runs of a cluster do, so that later runs take the
outputs of the first one from the cache.
"""

from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(5400)]
MODELS = ("--models", "mf_als,gmf")  # of two tasks; popularity is always trained
QUICK = ("--set", "models.mf_als.embedding_dim=16")


def epochs(number: int) -> tuple[str, ...]:
    """Returns settings of gmf that no earlier run has trained."""
    return ("--set", f"models.gmf.epochs={number}")


@pytest.fixture(scope="module")
def first(compiled, kubeflow, run_of):
    """Three models, with artifacts on S3, submitted and watched by our command."""
    spec = compiled("first", *MODELS, *QUICK, *epochs(2))
    done = kubeflow("submit", str(spec))
    identity = done.stdout.split("run ", 1)[1].split()[0]
    return SimpleNamespace(spec=spec, done=done, run=run_of(identity))


def test_the_first_run_succeeds_and_each_step_is_shown(first):
    assert first.done.returncode == 0, first.done.stdout + first.done.stderr
    shown = dict(line.split(": ") for line in first.done.stdout.splitlines()[1:])
    assert {"trainer-mf-als", "trainer-gmf", "evaluator-gmf", "pusher"} <= shown.keys()
    assert set(shown.values()) == {"succeeded"}


def test_a_pod_has_what_the_cluster_s_file_says(first):
    assert "Step Trainer_mf_als: done" in first.run.log("trainer-mf-als")
    [pod] = first.run.pods("trainer-mf-als")
    assert pod["spec"]["serviceAccountName"] == "marquee"
    [main] = [c for c in pod["spec"]["containers"] if c["name"] == "main"]
    limits, requests = main["resources"]["limits"], main["resources"]["requests"]
    assert (requests["cpu"], limits["cpu"]) == ("50m", "2")
    assert limits["memory"] == "3.221225472G"  # 3Gi
    assert {"name": "marquee", "mountPath": "/marquee"} in main["volumeMounts"]


def test_all_steps_stand_in_the_metadata_store_with_their_lineage(
    first, executions, folder
):
    found = executions(first.run)
    assert {e["state"] for e in found} <= {"COMPLETE", "CACHED"}
    made_by = {artifact: e for e in found for artifact in e["out"]}
    [pushed] = [e for e in found if e["step"] == "Pusher"]
    before, steps = list(pushed["in"]), set()
    while before:
        maker = made_by[before.pop()]
        if maker["step"] not in steps:
            steps.add(maker["step"])
            before += maker["in"]
    assert {"RatingsExampleGen", "Transform", "Champion", "Trainer_mf_als"} <= steps
    root = f"s3://mlpipeline/{folder.rsplit('/', 1)[1]}/"
    assert all(uri.startswith(root) for e in found for uri in e["uris"])


def test_the_pushed_model_answers(first, answer):
    body = {
        "signature_name": "recommend",
        "inputs": {
            "user_id": ["42"],
            "history_item_id": [["1", "2"]],
            "history_rating": [[5, 2]],
            "user_features": [[]],
            "k": 5,
            "exclude_item_id": [[]],
        },
    }
    assert len(answer(body)["outputs"]["item_id"][0]) == 5


@pytest.fixture(scope="module")
def again(first, submit):
    """The same file, submitted a second time."""
    run = submit(first.spec)
    return SimpleNamespace(run=run, phase=run.ended())


def test_the_second_run_takes_every_step_from_the_cache(again, executions):
    assert again.phase == "Succeeded"
    found = {e["step"]: e["state"] for e in executions(again.run)}
    # A model was pushed in the meantime, so the live model is resolved and evaluated.
    assert found.pop("LiveModel") == "COMPLETE"
    trained = {step: found[step] for step in found if step.startswith("Trainer")}
    assert set(trained.values()) == {"CACHED"}
    assert found["RatingsExampleGen"] == found["Transform"] == "CACHED"


@pytest.fixture(scope="module")
def failing(again, compiled, submit):
    """A run in which a Trainer has less time than TensorFlow needs to start."""
    spec = compiled(
        "failing",
        *MODELS,
        *QUICK,
        *epochs(3),
        steps={"Trainer_gmf": {"gpus": 0, "retries": 0, "timeout_seconds": 2}},
    )
    run = submit(spec)
    return SimpleNamespace(run=run, phase=run.ended())


def test_one_failing_model_fails_the_run_by_name(failing):
    assert failing.phase == "Failed"
    assert failing.run.phases()["verdict"] == "Failed"
    assert "Trainer_gmf" in failing.run.log("verdict")


def test_the_other_models_are_compared_all_the_same(failing, executions):
    found = {e["step"]: e["state"] for e in executions(failing.run)}
    assert found["Evaluator_mf_als"] in ("COMPLETE", "CACHED")
    assert found["Champion"] in ("COMPLETE", "CACHED")
    assert "Evaluator_gmf" not in found
    assert "Trainer_gmf" in failing.run.log("evaluator-gmf")


def test_the_webhook_is_told_which_model_failed(failing, first, webhook_messages):
    [message] = [m for m in webhook_messages() if failing.run.id in m["workflow"]]
    assert "Trainer_gmf" in message["failed"]
    assert not [m for m in webhook_messages() if first.run.id in m["workflow"]]


@pytest.fixture(scope="module")
def killed(again, compiled, submit, applied):
    """A run whose Trainer's pod is deleted, and the file submitted again."""
    spec = compiled("killed", *MODELS, *QUICK, *epochs(40))
    run = submit(spec)
    pod = run.pod_at_work("trainer-gmf")
    applied("delete", "pod", pod, "--grace-period=0", "--force")
    phase = run.ended()
    phases = run.phases()
    after = submit(spec)
    return SimpleNamespace(
        run=run, phase=phase, phases=phases, after=after, after_phase=after.ended()
    )


def test_a_killed_trainer_fails_the_run_of_a_backend_without_retries(killed):
    assert killed.phase == "Failed"
    assert killed.phases["trainer-gmf"] in ("Failed", "Error")
    assert killed.phases["trainer-mf-als"] == "Succeeded"


def test_the_file_submitted_again_goes_on_where_the_killed_run_stopped(
    killed, executions
):
    assert killed.after_phase == "Succeeded"
    found: dict[str, Any] = {e["step"]: e["state"] for e in executions(killed.after)}
    assert found["Trainer_gmf"] == "COMPLETE"
    assert found["Transform"] == found["Trainer_mf_als"] == "CACHED"


def test_a_claim_that_is_missing_is_named_before_anything_is_submitted(
    compiled, kubeflow
):
    spec = compiled("nowhere", *MODELS, volume={"claim": "nowhere", "path": "/marquee"})
    done = kubeflow("submit", str(spec), "--no-wait")
    assert done.returncode == 2
    assert "PersistentVolumeClaim nowhere" in done.stderr
    assert not done.stdout
