"""A run of the plain Argo workflow: a pod is deleted, one model fails for good."""

from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(3600)]
STORE = "_argo"


@pytest.fixture(scope="module")
def story(applied, compiled, create):
    workflow = compiled(
        "argo",
        *("--models", "mf_als,gmf", "--set", "models.mf_als.embedding_dim=16"),
        target="argo",
        database=STORE,
        # Less time than TensorFlow takes to start.
        steps={"Trainer_gmf": {"gpus": 0, "retries": 1, "timeout_seconds": 3}},
    )
    run = create(workflow)
    pod = run.at_work("transform")
    applied("delete", "pod", pod, "--grace-period=0", "--force")
    return SimpleNamespace(run=run, phase=run.ended())


def test_a_deleted_pod_is_tried_again(story):
    first, *others = story.run.attempts("transform")
    assert first["phase"] in ("Error", "Failed")
    assert "pod deleted" in first["message"]
    assert [attempt["phase"] for attempt in others] == ["Succeeded"]


def test_a_step_past_its_time_is_tried_again_and_fails(story):
    assert story.phase == "Failed"
    attempts = story.run.attempts("trainer-gmf")
    assert [attempt["phase"] for attempt in attempts] == ["Failed", "Failed"]
    assert all("deadline" in attempt["message"] for attempt in attempts)


def test_the_others_are_judged_and_one_goes_live(story, executions, folder, on_volume):
    phases = story.run.phases()
    for step in ("evaluator-mf-als", "champion", "pusher"):
        assert phases[step] == "Succeeded", step
    assert phases["evaluator-gmf"] == "Omitted"
    found = {e["step"]: e["state"] for e in executions(story.run, STORE)}
    assert found["Pusher"] == "COMPLETE"
    live = on_volume("ls", f"{folder}/live{STORE}")
    assert "1" in live.split()


def test_the_webhook_is_told_which_step_failed(story, told):
    [message] = [m for m in told() if m["workflow"] == story.run.name]
    assert set(message["failed"]) == {"trainer-gmf"}
    assert "deadline" in message["failed"]["trainer-gmf"]


def test_pods_may_do_no_more_than_they_have_to(story):
    [pod] = story.run.pods("trainer-mf-als")
    [main] = [c for c in pod["spec"]["containers"] if c["name"] == "main"]
    assert main["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
