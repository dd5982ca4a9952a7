"""A run of the plain Argo workflow: a GPU, a deleted pod, two models that fail."""

import json
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(3600)]
GPU = "nvidia.com/gpu"
STORE = "_argo"
STEPS = {
    "Trainer_mf_als": {"gpus": 1},
    # Less time than TensorFlow needs to start, and less memory than it needs.
    "Trainer_gmf": {"gpus": 0, "retries": 1, "timeout_seconds": 3},
    "Trainer_mf_sgd": {
        **{"gpus": 0, "retries": 1, "memory": "64Mi", "memory_limit": "200Mi"}
    },
}


@pytest.fixture(scope="module")
def story(applied, compiled, create):
    workflow = compiled(
        "argo",
        *("--models", "mf_als,gmf,mf_sgd", "--set", "models.mf_als.embedding_dim=16"),
        target="argo",
        database=STORE,
        steps=STEPS,
    )
    run = create(workflow)
    pod = run.pod_at_work("transform")
    applied("delete", "pod", pod, "--grace-period=0", "--force")

    def pending() -> str:
        pods = run.pods("trainer-mf-als")
        conditions = pods[0]["status"].get("conditions", []) if pods else []
        return next((c["message"] for c in conditions if c["status"] == "False"), "")

    why = applied.until(pending, 1200, "the Trainer with a GPU has no pod")
    node = offer_gpus(applied, 1)
    yield SimpleNamespace(run=run, pending=why, node=node, phase=run.ended())
    offer_gpus(applied, 0)


def offer_gpus(cluster, number: int) -> str:
    """Makes a node offer GPUs, as a device plugin does; returns the node's name."""
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    change = {"status": {"capacity": {GPU: str(number) if number else None}}}
    cluster("patch", "node", node, "--subresource=status", "-p", json.dumps(change))
    return str(node)


def test_a_deleted_pod_is_tried_again(story):
    first, *others = story.run.attempts("transform")
    assert first["phase"] in ("Error", "Failed")
    assert "pod deleted" in first["message"]
    assert [attempt["phase"] for attempt in others] == ["Succeeded"]


def test_a_trainer_waits_for_a_gpu_and_lands_on_the_node_that_offers_one(story):
    assert f"Insufficient {GPU}" in story.pending
    [pod] = story.run.pods("trainer-mf-als")
    assert pod["spec"]["nodeName"] == story.node
    [main] = [c for c in pod["spec"]["containers"] if c["name"] == "main"]
    assert main["resources"]["limits"][GPU] == "1"
    assert pod["status"]["phase"] == "Succeeded"


@pytest.mark.parametrize(
    ("step", "why"), [("trainer-gmf", "deadline"), ("trainer-mf-sgd", "OOMKilled")]
)
def test_a_step_over_its_limit_is_tried_again_and_fails(story, step, why):
    assert story.phase == "Failed"
    attempts = story.run.attempts(step)
    assert [attempt["phase"] for attempt in attempts] == ["Failed", "Failed"]
    assert all(why in attempt["message"] for attempt in attempts)


def test_the_others_are_judged_and_one_goes_live(story, executions, folder, on_volume):
    phases = story.run.phases()
    for step in ("evaluator-mf-als", "champion", "pusher"):
        assert phases[step] == "Succeeded", step
    assert phases["evaluator-gmf"] == "Omitted"
    found = {e["step"]: e["state"] for e in executions(story.run, STORE)}
    assert found["Pusher"] == "COMPLETE"
    assert "1" in on_volume("ls", f"{folder}/live{STORE}").split()


def test_the_webhook_is_told_which_steps_failed(story, webhook_messages):
    [message] = [m for m in webhook_messages() if m["workflow"] == story.run.name]
    assert set(message["failed"]) == {"trainer-gmf", "trainer-mf-sgd"}
    assert "deadline" in message["failed"]["trainer-gmf"]
    assert "OOMKilled" in message["failed"]["trainer-mf-sgd"]


def test_pods_may_do_no_more_than_they_have_to(story):
    [pod] = story.run.pods("trainer-mf-als")
    [main] = [c for c in pod["spec"]["containers"] if c["name"] == "main"]
    assert main["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
