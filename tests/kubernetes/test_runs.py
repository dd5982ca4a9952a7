"""Whole runs on MovieLens 100K, and what is done to them while they go on."""

import base64
import datetime
import io
import json
import re
import tarfile
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(5400)]
GPU = "nvidia.com/gpu"
# Of three tasks, and popularity, which is always there.
MODELS = ("--models", "mf_als,gmf,mf_sgd")
QUICK = [
    *("--set", "models.mf_als.embedding_dim=16"),
    *("--set", "models.gmf.epochs=2", "--set", "models.mf_sgd.epochs=2"),
]
# What ML Metadata knows, asked by a pod: the store has no address outside.
EXECUTIONS = """
import json, os, sys
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb
config = pb.ConnectionConfig()
mysql = config.mysql
mysql.host, mysql.port, mysql.user, mysql.password = "mysql", 3306, "root", ""
mysql.database = sys.argv[1]
store = metadata_store.MetadataStore(config)
told = []
runs = {c.name: c.id for c in store.get_contexts_by_type("pipeline_run")}
for execution in store.get_executions_by_context(runs[sys.argv[2]]):
    contexts = store.get_contexts_by_execution(execution.id)
    [node] = [c.name for c in contexts if c.type == "node"]
    events = store.get_events_by_execution_ids([execution.id])
    of = {"in": [], "out": []}
    for event in events:
        way = "in" if event.type in (pb.Event.INPUT, pb.Event.INTERNAL_INPUT) else "out"
        of[way].append(event.artifact_id)
    uris = [a.uri for a in store.get_artifacts_by_id(of["out"])]
    state = pb.Execution.State.Name(execution.last_known_state)
    told.append({"step": node.split(".", 1)[1], "state": state, "uris": uris, **of})
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def executions(in_pod, folder) -> Any:
    def ask(run: Any, database: str = "") -> list[dict[str, Any]]:
        name = database or f"marquee_{folder.rsplit('/', 1)[1].replace('-', '_')}"
        printed = in_pod("python", "-c", EXECUTIONS, name, run.name)
        return json.loads(printed.splitlines()[-1])

    return ask


@pytest.fixture(scope="module")
def on_s3(applied, compiled, start):
    """The first run: a pod of it is deleted, and one Trainer wants a GPU."""
    workflow = compiled("s3", *MODELS, *QUICK, steps={"Trainer_gmf": {"gpus": 1}})
    run = start(workflow)
    told = SimpleNamespace(run=run, workflow=workflow)
    # One that is younger than 10 seconds Argo makes again without a word.
    applied.until(
        lambda: _seconds_running(run, "transform") > 12, 900, "Transform does not run"
    )
    pod = run.running("transform")["metadata"]["name"]
    applied("delete", "pod", pod, "--grace-period=0", "--force")

    def pending() -> str:
        pods = run.pods("trainer-gmf")
        conditions = pods[0]["status"].get("conditions", []) if pods else []
        return next((c["message"] for c in conditions if c["status"] == "False"), "")

    told.pending = applied.until(pending, 1200, "the Trainer with a GPU has no pod")
    told.shown = applied.until(
        lambda: _attempt(run, "trainer-gmf").get("message"), 60, "Argo does not say why"
    )
    told.identity = applied(
        *("exec", run.running("trainer-mf-als")["metadata"]["name"]),
        *("--container", "main", "--", "id", "--user"),
    )
    told.node = offer_gpus(applied, 1)
    told.phase = run.ended()
    yield told
    offer_gpus(applied, 0)


def offer_gpus(cluster, number: int) -> str:
    """Makes a node say that it has GPUs, as a device plugin does; returns its name."""
    node = cluster.get("nodes")["items"][0]["metadata"]["name"]
    change = {"status": {"capacity": {GPU: str(number) if number else None}}}
    cluster("patch", "node", node, "--subresource=status", "-p", json.dumps(change))
    return str(node)


def _attempt(run, step: str, number: int = 0) -> dict[str, Any]:
    attempts = run.steps().get(step, {}).get("attempts", [])
    return attempts[number] if number < len(attempts) else {}


def _seconds_running(run, step: str) -> float:
    attempt = _attempt(run, step)
    if attempt.get("phase") != "Running":
        return 0
    began = datetime.datetime.fromisoformat(attempt["startedAt"].replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.UTC) - began).total_seconds()


@pytest.fixture(scope="module")
def again(on_s3, start):
    """The same workflow a second time."""
    run = start(on_s3.workflow)
    return SimpleNamespace(run=run, phase=run.ended())


def test_a_run_with_artifacts_on_s3_succeeds(on_s3):
    assert on_s3.phase == "Succeeded"


def test_a_deleted_pod_is_tried_again(on_s3):
    step = on_s3.run.steps()["transform"]
    assert step["phase"] == "Succeeded"
    assert [a["phase"] for a in step["attempts"]] in (
        ["Error", "Succeeded"],
        ["Failed", "Succeeded"],
    )
    assert "pod deleted" in step["attempts"][0]["message"]


def test_a_trainer_without_a_gpu_waits_and_says_for_what(on_s3):
    assert f"Insufficient {GPU}" in on_s3.pending
    assert f"Insufficient {GPU}" in on_s3.shown


def test_the_trainer_lands_on_the_node_that_offers_one(on_s3):
    [pod] = on_s3.run.pods("trainer-gmf")
    assert pod["spec"]["nodeName"] == on_s3.node
    [main] = [c for c in pod["spec"]["containers"] if c["name"] == "main"]
    assert main["resources"]["limits"][GPU] == "1"
    assert pod["status"]["phase"] == "Succeeded"


def test_no_process_is_root(on_s3):
    assert on_s3.identity.strip() == "10001"


def test_all_steps_stand_in_the_metadata_store_with_their_lineage(
    on_s3, executions, folder
):
    name = folder.rsplit("/", 1)[1]
    told = executions(on_s3.run)
    assert {e["state"] for e in told} <= {"COMPLETE", "CACHED"}
    made_by = {artifact: e for e in told for artifact in e["out"]}
    [pushed] = [e for e in told if e["step"] == "Pusher"]
    before, steps = list(pushed["in"]), set()
    while before:
        maker = made_by[before.pop()]
        if maker["step"] not in steps:
            steps.add(maker["step"])
            before += maker["in"]
    assert {"RatingsExampleGen", "Transform", "Champion", "Trainer_mf_als"} <= steps
    uris = [uri for e in told for uri in e["uris"]]
    assert all(uri.startswith(f"s3://mlpipeline/{name}/") for uri in uris)


def test_the_pushed_model_answers(on_s3, answer):
    body = {
        "signature_name": "recommend",
        "inputs": {
            "user_id": ["42"],
            "history_item_id": [["1", "2"]],
            "history_rating": [[5, 2]],
            "user_features": [[]],
            "k": 5,
        },
    }
    assert len(answer(body)["outputs"]["item_id"][0]) == 5


def test_a_step_s_log_is_reachable_through_kubeflow(on_s3, applied):
    pod = on_s3.run.pods("trainer-mf-als")[-1]["metadata"]["name"]
    with applied.forwarded("ml-pipeline", 8888) as port:
        url = f"http://127.0.0.1:{port}/apis/v1alpha1/runs/{on_s3.run.id}/nodes"
        url = f"{url}/{pod}/log"
        with urllib.request.urlopen(url, timeout=60) as log:
            assert b"Step Trainer_mf_als: done" in log.read()


def test_what_a_step_made_is_told_in_kubeflow(on_s3, applied):
    attempt = _attempt(on_s3.run, "champion")
    with applied.forwarded("ml-pipeline", 8888) as port:
        url = f"http://127.0.0.1:{port}/apis/v1beta1/runs/{on_s3.run.id}/nodes"
        url = f"{url}/{attempt['id']}/artifacts/mlpipeline-ui-metadata:read"
        with urllib.request.urlopen(url, timeout=60) as answer:
            packed = base64.b64decode(json.load(answer)["data"])
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        [file] = [archive.extractfile(member) for member in archive]
        told = json.loads(file.read())
    [page] = [each for each in told["outputs"] if each["type"] == "markdown"]
    assert re.search(r"s3://mlpipeline/test-\d+/Champion/", page["source"])


def test_the_second_run_takes_every_step_from_the_cache(on_s3, again, executions):
    assert again.phase == "Succeeded"
    told = {e["step"]: e["state"] for e in executions(again.run)}
    assert told.pop("LiveModel") == "COMPLETE"  # a resolver asks each time
    assert set(told.values()) == {"CACHED"}


@pytest.fixture(scope="module")
def on_a_volume(folder, compiled, start):
    """Another store and root; one Trainer gets less memory than TensorFlow needs."""
    workflow = compiled(
        "volume",
        *MODELS,
        *QUICK,
        root=f"{folder}/artifacts",
        live_folder=f"{folder}/live-of-volume",
        metadata={"host": "mysql", "database": database_of_volume(folder)},
        steps={
            "Trainer_mf_sgd": {"gpus": 0, "memory": "64Mi", "memory_limit": "200Mi"}
        },
    )
    run = start(workflow)
    return SimpleNamespace(run=run, phase=run.ended())


def database_of_volume(folder: str) -> str:
    return f"volume_{folder.rsplit('/', 1)[1].replace('-', '_')}"


def test_a_trainer_over_its_memory_is_told_and_tried_again(on_a_volume):
    step = on_a_volume.run.steps()["trainer-mf-sgd"]
    assert step["phase"] in ("Failed", "Error")
    assert len(step["attempts"]) == 3
    assert all("OOMKilled" in attempt["message"] for attempt in step["attempts"])


def test_the_webhook_is_told_which_step_failed(on_a_volume, told):
    [message] = [m for m in told() if m["workflow"] == on_a_volume.run.name]
    assert set(message["failed"]) == {"trainer-mf-sgd"}
    assert "OOMKilled" in message["failed"]["trainer-mf-sgd"]


def test_the_webhook_is_told_nothing_of_a_run_without_failures(on_s3, told):
    assert on_s3.run.name not in {message["workflow"] for message in told()}


def test_the_other_models_are_judged_and_one_goes_live(
    on_a_volume, executions, folder, applied
):
    steps = on_a_volume.run.steps()
    for name in ("evaluator-mf-als", "evaluator-gmf", "champion", "pusher"):
        assert steps[name]["phase"] == "Succeeded", name
    told = {
        e["step"]: e for e in executions(on_a_volume.run, database_of_volume(folder))
    }
    assert "Evaluator_mf_sgd" not in told
    [champion] = told["Champion"]["uris"][:1]
    assert champion.startswith(f"{folder}/artifacts/")
    live = applied("exec", "marquee-volume", "--", "ls", f"{folder}/live-of-volume")
    assert "1" in live.split()
