"""The files of ``kubeflow/runner.py --target argo``, parsed as Argo parses them."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from kubeflow.entrypoint import unpacked

MODELS = ("popularity", "mf_als", "neumf")
POPULARITY_ON_CPU = {
    "Trainer": {"node_selector": {"gpu": "a100"}},
    "Trainer_popularity": {"gpus": 0},
    "Trainer_neumf": {"gpus": 2, "memory_limit": "16Gi", "retries": 5},
    "Transform": {"cpu": "3", "cpu_limit": "4", "timeout_seconds": 77},
}
# The schemas of Argo's versions, which are the files' names.
SCHEMAS = sorted(Path(__file__).with_name("argo_schemas").glob("*.json"))


@pytest.fixture(scope="module")
def cron(compile_workflow, cluster_file, tmp_path_factory):
    """A nightly schedule with three models on spans, and artifacts on S3."""
    cluster = cluster_file(
        root="s3://bucket/marquee",
        s3={"endpoint": "http://minio:9000", "secret": "keys"},
        timezone="Europe/Berlin",
        steps=POPULARITY_ON_CPU,
    )
    done = compile_workflow(
        tmp_path_factory.mktemp("compiled") / "every-night.yaml",
        *("--target", "argo", "--schedule", "0 3 * * *"),
        *("--models", ",".join(MODELS), "--data", "s3://bucket/spans", "--spans"),
        *("--cluster", str(cluster), "--set", "retrain.window=7 days"),
    )
    assert done.status == 0, done.output
    return yaml.safe_load(done.text)


@pytest.fixture(scope="module")
def spec(cron):
    return cron["spec"]["workflowSpec"]


@pytest.fixture(scope="module")
def once(compile_workflow, tmp_path_factory):
    """A single run without a webhook or other optional settings."""
    done = compile_workflow(
        tmp_path_factory.mktemp("compiled") / "once.yaml",
        *("--target", "argo", "--models", "popularity", "--data", "/marquee/ratings"),
    )
    assert done.status == 0, done.output
    return yaml.safe_load(done.text)


@pytest.fixture(scope="module")
def steps(spec):
    """TFX's name of a step → its template."""
    found = {}
    for template in spec["templates"]:
        if "--node_id" in template.get("container", {}).get("args", []):
            words = template["container"]["args"]
            found[words[words.index("--node_id") + 1]] = template
    return found


def parameter(template, name):
    """Returns the value of a step's parameter."""
    words = template["container"]["args"]
    ir = json.loads(unpacked(words[words.index("--tfx_ir") + 1]))
    [node] = ir["nodes"]
    value = node["pipelineNode"]["parameters"]["parameters"][name]
    return value["fieldValue"].get("stringValue")


def limits(template):
    return template["container"]["resources"]["limits"]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
@pytest.mark.parametrize("kind", ["Workflow", "CronWorkflow"])
def test_argo_accepts_the_file(cron, once, schema, kind):
    document = {"Workflow": once, "CronWorkflow": cron}[kind]
    assert document["kind"] == kind
    reference = f"#/definitions/io.argoproj.workflow.v1alpha1.{kind}"
    schema = json.loads(schema.read_text()) | {"$ref": reference}
    jsonschema.validate(document, schema)
    document["spec"]["schedule"] = "0 3 * * *"  # removed in version 4
    is_refused = (
        "schedule"
        not in (
            schema["definitions"][f"{reference.rsplit('/', 1)[1]}Spec"]["properties"]
        )
    )
    try:
        assert jsonschema.Draft7Validator(schema).is_valid(document) is not is_refused
    finally:
        del document["spec"]["schedule"]


def test_both_versions_are_there():
    assert [path.stem for path in SCHEMAS] == ["3.6.10", "4.0.5"]


def test_a_schedule_starts_one_run_at_a_time_and_makes_up_for_none(cron):
    assert cron["metadata"] == {"name": "every-night"}
    spec = {key: value for key, value in cron["spec"].items() if key != "workflowSpec"}
    assert spec == {
        "schedules": ["0 3 * * *"],
        "timezone": "Europe/Berlin",
        "concurrencyPolicy": "Forbid",
        # Argo catches up a missed run that is younger than this.
        "startingDeadlineSeconds": 0,
    }


def test_one_run_gets_a_name_of_its_own(once):
    assert once["metadata"] == {"generateName": "once-"}


def test_every_trainer_and_nothing_else_asks_for_gpus(spec, steps):
    wanted = {"Trainer_mf_als": "1", "Trainer_neumf": "2"}
    found = {
        name: limits(template)["nvidia.com/gpu"]
        for name, template in steps.items()
        if "nvidia.com/gpu" in limits(template)
    }
    assert found == wanted
    assert yaml.safe_dump(spec).count("nvidia.com/gpu: '") == len(wanted)
    for name in wanted:
        assert steps[name]["nodeSelector"] == {"gpu": "a100"}
        assert steps[name]["tolerations"] == [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
        ]
    assert "nodeSelector" not in steps["Trainer_popularity"]
    assert "tolerations" not in steps["Transform"]


def test_a_step_has_what_its_name_its_kind_and_the_default_say(steps):
    neumf, als, transform = (
        steps[name] for name in ("Trainer_neumf", "Trainer_mf_als", "Transform")
    )
    assert limits(neumf)["memory"] == "16Gi"
    assert limits(als)["memory"] == "8Gi"
    assert limits(transform)["memory"] == "4Gi"
    assert neumf["retryStrategy"] == {
        "limit": "5",
        "retryPolicy": "Always",
        "backoff": {"duration": "30s", "factor": "2"},
    }
    assert als["retryStrategy"]["limit"] == "2"
    assert transform["activeDeadlineSeconds"] == 77
    assert transform["container"]["resources"]["requests"]["cpu"] == "3"


def test_no_pod_is_root_or_can_become_it_or_writes_beside_its_volumes(spec):
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    containers = [t["container"] for t in spec["templates"] if "container" in t]
    assert len(containers) == 21  # 20 steps, and the one that reports failures
    for container in containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        }
        mounted = {m["mountPath"] for m in container["volumeMounts"]}
        assert mounted == {"/tmp", "/marquee"}
        assert {"name": "HOME", "value": "/tmp"} in container["env"]


def test_secrets_are_references(steps):
    env = {v["name"]: v for v in steps["Transform"]["container"]["env"]}
    for name, secret, key in (
        ("MYSQL_USER", "marquee-metadata", "user"),
        ("MYSQL_PASSWORD", "marquee-metadata", "password"),
        ("AWS_ACCESS_KEY_ID", "keys", "accesskey"),
        ("AWS_SECRET_ACCESS_KEY", "keys", "secretkey"),
    ):
        assert env[name]["valueFrom"]["secretKeyRef"] == {"name": secret, "key": key}
    assert env["AWS_ENDPOINT_URL"]["value"] == "http://minio:9000"
    # With its scheme: tensorflow-io assumes TLS for a bare host name.
    assert env["S3_ENDPOINT"]["value"] == "http://minio:9000"


def test_the_steps_are_told_where_things_are_on_the_cluster(steps):
    assert parameter(steps["RatingsExampleGen"], "input_base") == "s3://bucket/spans"
    assert parameter(steps["CatalogueGen"], "ratings") == "s3://bucket/spans"
    assert parameter(steps["Pusher"], "live_folder") == "/marquee/live"
    # A file of the image, relative to its working directory.
    assert parameter(steps["ImportSchemaGen"], "schema_file") == "schema/ratings.pbtxt"
    assert parameter(steps["DriftGate"], "schema_path") == "schema/spans.pbtxt"


def test_what_changes_between_runs_is_not_in_the_file(steps):
    config = json.loads(parameter(steps["RatingsExampleGen"], "custom_config"))
    settings = json.loads(config["custom_config"]["value"])
    assert settings["window"] == "7 days"
    assert settings["spans"] == []
    assert settings["split_kind"] == "temporal"
    assert parameter(steps["DriftGate"], "live_folder") == "/marquee/live"
    assert json.loads(parameter(steps["CatalogueGen"], "settings")) == settings


def test_one_broken_model_stops_no_other(spec, depends):
    [dag] = [t["dag"] for t in spec["templates"] if "dag" in t]
    assert dag["failFast"] is False
    tasks = {
        task["name"]: task["depends"] for task in dag["tasks"] if "depends" in task
    }
    fine = dict.fromkeys((task["name"] for task in dag["tasks"]), "Succeeded")
    broken = fine | {"trainer-neumf": "Failed", "evaluator-neumf": "Omitted"}
    assert not depends(tasks["evaluator-neumf"], broken)
    for name in ("livemodel", "champion", "evaluator-mf-als", "pusher"):
        assert depends(tasks[name], broken)
    # But not without any model, nor without a step that all models need.
    for name in MODELS:
        task = name.replace("_", "-")
        broken |= {f"trainer-{task}": "Failed", f"evaluator-{task}": "Omitted"}
    assert not depends(tasks["champion"], broken)
    assert not depends(tasks["trainer-mf-als"], fine | {"transform": "Failed"})
    assert not depends(tasks["pusher"], fine | {"infracheck": "Failed"})


def test_a_run_with_a_failed_step_is_a_failed_run(spec):
    """By default, Argo takes only the last tasks into account."""
    [dag] = [t["dag"] for t in spec["templates"] if "dag" in t]
    assert set(dag["target"].split(" ")) == {task["name"] for task in dag["tasks"]}


def test_nothing_learns_before_the_gates_have_passed(spec, depends):
    [dag] = [t["dag"] for t in spec["templates"] if "dag" in t]
    tasks = {task["name"]: task.get("depends", "") for task in dag["tasks"]}
    fine = dict.fromkeys(tasks, "Succeeded")
    for gate in ("anomalygate", "driftgate"):
        assert not depends(tasks["transform"], fine | {gate: "Failed"})


def test_failures_are_told_by_a_pod_that_needs_no_pipeline(spec):
    assert spec["onExit"] == "notify"
    [notify] = [t for t in spec["templates"] if t["name"] == "notify"]
    container = notify["container"]
    assert container["command"] == ["python", "-m", "kubeflow.notify"]
    [url] = [v for v in container["env"] if v["name"] == "MARQUEE_WEBHOOK_URL"]
    reference = {"name": "marquee-webhook", "key": "url"}
    assert url["valueFrom"]["secretKeyRef"] == reference


def test_tfxs_cache_is_on(steps):
    words = steps["Transform"]["container"]["args"]
    ir = json.loads(unpacked(words[words.index("--tfx_ir") + 1]))
    options = ir["nodes"][0]["pipelineNode"]["executionOptions"]
    assert options["cachingOptions"] == {"enableCache": True}


def test_a_run_is_named_after_its_workflow_and_an_execution_after_its_pod(steps):
    container = steps["Transform"]["container"]
    run_id = container["args"].index("--run_id") + 1
    assert container["args"][run_id] == "{{workflow.name}}"
    [pod] = [v for v in container["env"] if v["name"] == "KFP_POD_NAME"]
    assert pod["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_nobody_is_told_where_no_webhook_is(compile_workflow, cluster_file, tmp_path):
    done = compile_workflow(
        tmp_path / "quiet.yaml",
        *("--target", "argo", "--models", "popularity", "--data", "/marquee/ratings"),
        *("--cluster", str(cluster_file(webhook=None))),
    )
    assert "onExit" not in yaml.safe_load(done.text)["spec"]
    assert "kubeflow.notify" not in done.text


def test_all_models_fit(compile_workflow, tmp_path):
    done = compile_workflow(
        tmp_path / "all.yaml",
        *("--target", "argo", "--models", "all", "--data", "/marquee/ratings"),
    )
    assert done.status == 0, done.output
    assert len(done.text) < 250_000
