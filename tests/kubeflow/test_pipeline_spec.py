"""The files of ``kubeflow/runner.py --target kfp``, parsed as the backend does."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from google.protobuf import (  # noqa: F401 - the schemas need them
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    json_format,
    message_factory,
    struct_pb2,
)
from google.protobuf.json_format import ParseError
from tfx.proto.orchestration import pipeline_pb2

from kubeflow import submission
from kubeflow.cluster import Cluster, Step
from kubeflow.pipeline_spec import IMAGE_USER, RUN_ID, outlived
from kubeflow.tasks import Task

MODELS = ("popularity", "mf_als", "neumf")
# The oldest supported version of the backend, and the newest release of
# kfp-pipeline-spec and kfp-kubernetes, which cannot be installed beside TFX.
OLDEST, NEWEST = "2.0.5", "2.17.3"
SCHEMAS = Path(__file__).with_name("kfp_schemas")
WITHOUT_NEWER_SETTINGS = {
    "image_pull_policy": None,
    "steps": {
        "default": {"timeout_seconds": None, "retries": 0},
        "Trainer": {"tolerations": []},
    },
}
SUFFIXES = {"": 1, "m": Fraction(1, 1000), "Mi": 2**20, "Gi": 2**30}


@pytest.fixture(scope="module")
def messages():
    """Returns a version's class of a message, which rejects unknown fields."""

    def message(version, name):
        files = descriptor_pb2.FileDescriptorSet()
        files.ParseFromString((SCHEMAS / f"{version}.binpb").read_bytes())
        pool = descriptor_pool.DescriptorPool()
        for known in ("any", "duration", "struct"):
            file = descriptor_pb2.FileDescriptorProto()
            default = descriptor_pool.Default()
            default.FindFileByName(f"google/protobuf/{known}.proto").CopyToProto(file)
            pool.Add(file)
        for file in files.file:
            pool.Add(file)
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()

    return message


@pytest.fixture(scope="module")
def parse(messages):
    """Parses both documents strictly with a version's own messages."""

    def read(documents, version):
        spec, platform = documents
        json_format.ParseDict(spec, messages(version, "ml_pipelines.PipelineSpec"))
        json_format.ParseDict(
            spec["deploymentSpec"],
            messages(version, "ml_pipelines.PipelineDeploymentConfig"),
        )
        json_format.ParseDict(platform, messages(version, "ml_pipelines.PlatformSpec"))
        executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        for executor in executors.values():
            kind = "kfp_kubernetes.KubernetesExecutorConfig"
            json_format.ParseDict(executor, messages(version, kind))

    return read


@pytest.fixture(scope="module")
def nightly(compile_workflow, cluster_file, tmp_path_factory):
    """A nightly schedule with three models on spans, and every setting."""
    path = tmp_path_factory.mktemp("compiled") / "nightly.yaml"
    cluster = cluster_file(
        root="s3://bucket/marquee",
        s3={"endpoint": "http://minio:9000", "secret": "keys"},
        user=20000,
        timezone="Europe/Berlin",
        volume={"claim": "shared", "path": "/shared"},
        live_folder="/shared/live",
        service_account="pipelines",
        steps={
            "Trainer": {"node_selector": {"gpu": "a100"}},
            "Trainer_popularity": {"gpus": 0},
            "Trainer_neumf": {"gpus": 2, "memory_limit": "16Gi", "retries": 5},
            "Transform": {"cpu": "1500m", "timeout_seconds": 77, "backoff_seconds": 7},
        },
    )
    done = compile_workflow(
        path,
        *("--target", "kfp", "--schedule", "0 3 * * *", "--cluster", str(cluster)),
        *("--models", ",".join(MODELS), "--data", "s3://bucket/spans", "--spans"),
    )
    assert done.status == 0, done.output
    return path, done.output


@pytest.fixture(scope="module")
def documents(nightly):
    return list(yaml.safe_load_all(nightly[0].read_text()))


@pytest.fixture(scope="module")
def for_oldest(compile_workflow, cluster_file, tmp_path_factory):
    """The documents of a file for 2.0.5, without a webhook."""
    cluster = cluster_file(webhook=None, **WITHOUT_NEWER_SETTINGS)
    done = compile_workflow(
        tmp_path_factory.mktemp("compiled") / "marquee.yaml",
        *("--cluster", str(cluster), "--backend-version", OLDEST),
        *("--models", "popularity", "--data", "/marquee/ratings"),
    )
    assert done.status == 0, done.output
    assert f"needs Kubeflow Pipelines {OLDEST} or later" in done.output
    return list(yaml.safe_load_all(done.text))


@pytest.fixture(scope="module")
def steps(documents):
    """Name of a task → the task, its container and its Kubernetes settings."""
    spec, platform = documents
    added = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    found = {}
    for dag in (spec["root"]["dag"], spec["components"]["comp-pipeline"]["dag"]):
        for name, task in dag["tasks"].items():
            component = spec["components"][task["componentRef"]["name"]]
            if label := component.get("executorLabel"):
                executor = spec["deploymentSpec"]["executors"][label]
                found[name] = task, executor["container"], added[label]
    return found


def quantity(text):
    number, suffix = re.fullmatch(r"([\d.]+)(\w*)", text).groups()
    return Fraction(number) * SUFFIXES[suffix]


def argument(container, name):
    return container["args"][container["args"].index(name) + 1]


def step(name, needs=(), unions=()):
    return Task(
        name,
        ("python", "-m", "kubeflow.entrypoint"),
        (),
        {},
        Step(),
        pipeline_pb2.PipelineNode(),
        frozenset(needs),
        tuple(map(frozenset, unions)),
    )


def test_the_newest_schemas_accept_the_file(documents, for_oldest, parse):
    parse(documents, NEWEST)
    parse(for_oldest, NEWEST)


def test_the_oldest_backend_accepts_a_file_for_it_and_no_other(
    documents, for_oldest, parse
):
    parse(for_oldest, OLDEST)
    with pytest.raises(ParseError, match="has no field named"):
        parse(documents, OLDEST)


def test_steps_wait_for_what_they_read(steps):
    trainer = set(steps["trainer-neumf"][0]["dependentTasks"])
    assert trainer >= {"cataloguegen", "transform"}
    assert not {name for name in trainer if name.startswith(("trainer", "evaluator"))}
    assert "trainer-neumf" in steps["evaluator-neumf"][0]["dependentTasks"]
    assert {f"evaluator-{name}" for name in ("popularity", "mf-als", "neumf")} <= set(
        steps["champion"][0]["dependentTasks"]
    )
    assert "champion" in steps["pusher"][0]["dependentTasks"]
    names = set(steps)
    for task, _, _ in steps.values():
        assert set(task.get("dependentTasks", ())) <= names | {"pipeline"}


def test_the_verdict_is_the_last_task(documents):
    spec, _ = documents
    tasks = spec["components"]["comp-pipeline"]["dag"]["tasks"]
    before, waiting = set(), ["verdict"]
    while waiting:
        name = waiting.pop()
        before.add(name)
        waiting += tasks[name].get("dependentTasks", ())
    assert before == set(tasks)
    assert not any(
        "verdict" in task.get("dependentTasks", ()) for task in tasks.values()
    )


def test_kubeflows_own_cache_is_off(documents):
    spec, _ = documents
    for dag in (spec["root"]["dag"], spec["components"]["comp-pipeline"]["dag"]):
        for task in dag["tasks"].values():
            assert task["cachingOptions"] == {}


def test_names_are_what_kubernetes_allows(documents):
    spec, _ = documents
    names = [*spec["components"], *spec["components"]["comp-pipeline"]["dag"]["tasks"]]
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) for name in names)


def test_the_run_is_named_by_its_id(steps):
    for _, container, _ in steps.values():
        assert argument(container, "--run_id") == RUN_ID


def test_a_container_gets_what_its_settings_say(steps):
    _, container, _ = steps["transform"]
    written = container["resources"]
    # The backend writes the memory as a number and the letter G.
    for field, text in (("memoryRequest", "1Gi"), ("memoryLimit", "4Gi")):
        assert quantity(text) == Fraction(str(written[field])) * 10**9
    assert (written["cpuRequest"], written["cpuLimit"]) == (1.5, 2.0)
    _, container, added = steps["trainer-neumf"]
    assert Fraction(str(container["resources"]["memoryLimit"])) * 10**9 == 16 * 2**30
    assert container["resources"]["accelerator"] == {
        "type": "nvidia.com/gpu",
        "count": "2",
    }
    assert added["nodeSelector"] == {"labels": {"gpu": "a100"}}
    assert added["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    with_gpus = {n for n, (_, c, _) in steps.items() if "accelerator" in c["resources"]}
    assert with_gpus == {"trainer-mf-als", "trainer-neumf"}


def test_every_container_has_limits_the_volume_and_the_user(steps):
    for _, container, added in steps.values():
        assert container["image"] == "marquee:test"
        assert container["resources"].keys() >= {"cpuLimit", "memoryLimit"}
        assert added["pvcMount"] == [{"constant": "shared", "mountPath": "/shared"}]
        assert added["imagePullPolicy"] == "IfNotPresent"
        user = {"runAsUser": "20000", "runAsGroup": "20000", "runAsNonRoot": True}
        assert added["securityContext"] == user


def test_secrets_are_named_and_nothing_else(steps):
    _, container, added = steps["transform"]
    secrets = {
        pair["envVar"]: (secret["secretName"], pair["secretKey"])
        for secret in added["secretAsEnv"]
        for pair in secret["keyToEnv"]
    }
    assert secrets == {
        "MYSQL_USER": ("marquee-metadata", "user"),
        "MYSQL_PASSWORD": ("marquee-metadata", "password"),
        "AWS_ACCESS_KEY_ID": ("keys", "accesskey"),
        "AWS_SECRET_ACCESS_KEY": ("keys", "secretkey"),
    }
    assert not {variable["name"] for variable in container["env"]} & set(secrets)


def test_a_step_is_tried_again_by_the_backend(steps):
    task, _, added = steps["transform"]
    assert task["retryPolicy"] == {
        "maxRetryCount": 2,
        "backoffDuration": "7s",
        "backoffFactor": 2.0,
    }
    assert added["activeDeadlineSeconds"] == "77"


def test_a_step_that_a_run_outlives_is_tried_again_in_its_pod(steps):
    inside = {
        n for n, (_, c, _) in steps.items() if "kubeflow.attempts" in c["command"]
    }
    assert inside == {
        f"{kind}-{name}"
        for kind in ("trainer", "evaluator")
        for name in ("popularity", "mf-als", "neumf")
    }
    task, container, added = steps["trainer-neumf"]
    assert container["args"][:4] == ["6", "30", "21600", "kubeflow.entrypoint"]
    assert "activeDeadlineSeconds" not in added  # it would end all attempts
    assert task["retryPolicy"]["maxRetryCount"] == 5  # for a pod that is killed


def test_what_follows_a_step_that_may_fail_checks_what_it_needs(steps):
    asking = {n for n, (_, c, _) in steps.items() if "--requires" in c["args"]}
    assert {"evaluator-neumf", "champion", "pusher"} <= asking
    assert not asking & {"transform", "trainer-neumf", "verdict", "ratingsexamplegen"}
    required = yaml.safe_load(argument(steps["champion"][1], "--requires"))
    members = {frozenset(union) for union in required["unions"]}
    assert frozenset(f"Evaluator_{name}" for name in MODELS) in members


def test_one_model_alone_is_needed(for_oldest):
    spec, platform = for_oldest
    text = yaml.safe_dump(spec)
    assert "kubeflow.attempts" not in text
    assert "--requires" not in text
    assert set(spec["root"]["dag"]["tasks"]) == {"pipeline"}  # no webhook to notify


def test_a_failed_run_is_reported_after_everything_else(documents, steps):
    task, container, added = steps["notify"]
    assert task["dependentTasks"] == ["pipeline"]
    assert task["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert container["command"] == ["python", "-m", "kubeflow.verdict"]
    assert container["args"] == steps["verdict"][1]["args"]
    names = {secret["secretName"] for secret in added["secretAsEnv"]}
    assert names == {"marquee-metadata", "marquee-webhook"}
    others = {n for n, (t, _, _) in steps.items() if "triggerPolicy" in t}
    assert others == {"notify"}


def test_a_verdict_is_given_once(steps):
    """Each attempt would send the message again."""
    assert "retryPolicy" not in steps["verdict"][0]
    assert "retryPolicy" not in steps["notify"][0]


def test_the_user_that_needs_no_setting_is_the_images():
    dockerfile = Path(__file__).parents[2] / "kubeflow" / "Dockerfile"
    assert f"USER {IMAGE_USER}:{IMAGE_USER}" in dockerfile.read_text()
    assert Cluster().user == IMAGE_USER


def test_the_file_says_how_it_is_submitted(nightly):
    path, output = nightly
    read = submission.read(path)
    assert read.submission == submission.Submission(
        "pipelines",
        "0 3 * * *",
        "Europe/Berlin",
        "2.16.0",
        {
            "retries of 20 tasks": "2.5.0",
            "timeout_seconds of 16 tasks": "2.1.0",
            "image_pull_policy of 22 tasks": "2.1.0",
            "tolerations of Trainer_mf_als, Trainer_neumf": "2.1.0",
            "user of 22 tasks": "2.16.0",
        },
    )
    assert read.name == "marquee"
    assert read.claims == {"shared"}
    for setting, version in read.submission.settings.items():
        assert f"{version}: {setting}" in output


def test_outlived_are_the_members_of_a_union_and_what_only_they_need():
    steps = [
        step("data"),
        step("train_a", ["data"]),
        step("train_b", ["data"]),
        step("shared", ["data"]),
        step("judge_a", ["train_a", "shared"]),
        step("judge_b", ["train_b", "shared"]),
        step("choose", ["data"], [["judge_a", "judge_b"]]),
        step("push", ["choose"]),
    ]
    assert outlived(steps) == {"train_a", "train_b", "judge_a", "judge_b"}
    alone = [step("data"), step("judge_a", ["data"]), step("choose", (), [["judge_a"]])]
    assert outlived(alone) == set()


def test_a_member_of_a_union_that_another_member_needs_is_not_outlived():
    steps = [step("a"), step("b", ["a"]), step("choose", (), [["a", "b"]])]
    # Without "a" there is no "b", so that nothing is left; without "b" there is "a".
    assert outlived(steps) == {"b"}
