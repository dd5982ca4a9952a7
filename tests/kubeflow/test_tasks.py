"""The containers that all targets share, parsed as TFX's entry point does."""

import argparse

import pytest
from google.protobuf import json_format
from tfx.orchestration.kubeflow import container_entrypoint
from tfx.orchestration.local import runner_utils
from tfx.proto.orchestration import pipeline_pb2

from kubeflow import entrypoint, targets, tasks
from kubeflow.cluster import S3, Cluster
from kubeflow.tasks import SecretKey
from pipeline.cli.command import read_config

CLUSTER = Cluster(root="s3://bucket/marquee", s3=S3("http://minio:9000", secret="keys"))
MODELS = ("popularity", "mf_als", "neumf")


def compiled(run_id="{{the run}}"):
    settings = ("split.kind=temporal",)
    config = read_config("s3://bucket/spans", None, settings, ",".join(MODELS))
    pipeline = targets.pipeline_for_pods(config, CLUSTER, spans=True)
    return tasks.tasks(pipeline, CLUSTER, run_id)


@pytest.fixture(scope="module")
def found():
    """Name → task."""
    return {task.name: task for task in compiled()}


@pytest.fixture
def read_by_tfx(monkeypatch):
    """Returns a task's arguments and its pipeline, with the run filled in by TFX."""
    monkeypatch.setenv("WORKFLOW_ID", "run-1")  # restored at the end

    def read(task):
        parser = argparse.ArgumentParser(allow_abbrev=False)
        for name in ("run_id", "pipeline_root", "node_id", "tfx_ir"):
            parser.add_argument(f"--{name}", required=True)
        for name in ("kubeflow_metadata_config", "metadata_ui_path"):
            parser.add_argument(f"--{name}", required=True)
        parser.add_argument("--runtime_parameter", action="append")
        arguments = parser.parse_args(task.arguments)
        ir = json_format.Parse(
            entrypoint.unpacked(arguments.tfx_ir), pipeline_pb2.Pipeline()
        )
        container_entrypoint._resolve_runtime_parameters(
            ir, arguments.runtime_parameter
        )
        return arguments, ir

    return read


def test_tfx_finds_each_step_its_executor_and_no_other_step(found, read_by_tfx):
    for name, task in found.items():
        arguments, ir = read_by_tfx(task)
        assert arguments.node_id == name
        node = container_entrypoint._get_pipeline_node(ir, name)
        assert len(ir.nodes) == 1
        deployment = runner_utils.extract_local_deployment_config(ir)
        assert set(deployment.executor_specs) <= {name}
        executor = runner_utils.extract_executor_spec(deployment, name)
        assert (executor is None) == (
            node.node_info.type.name == "tfx.dsl.components.common.resolver.Resolver"
        )
    assert runner_utils.extract_custom_driver_spec(
        runner_utils.extract_local_deployment_config(
            read_by_tfx(found["RatingsExampleGen"])[1]
        ),
        "RatingsExampleGen",
    )


def test_the_run_and_the_root_reach_ml_metadata(found, read_by_tfx):
    arguments, ir = read_by_tfx(found["Transform"])
    assert arguments.run_id == "{{the run}}"
    contexts = ir.nodes[0].pipeline_node.contexts.contexts
    [run] = [c for c in contexts if c.type.name == "pipeline_run"]
    assert run.name.field_value.string_value == "run-1"
    root = ir.runtime_spec.pipeline_root.field_value.string_value
    assert root == arguments.pipeline_root == "s3://bucket/marquee"


def test_the_metadata_store_is_found_in_the_environment(
    found, read_by_tfx, monkeypatch
):
    arguments, _ = read_by_tfx(found["Transform"])
    monkeypatch.setenv("MYSQL_USER", "marquee")
    monkeypatch.setenv("MYSQL_PASSWORD", "opensesame")
    config = json_format.Parse(
        arguments.kubeflow_metadata_config,
        container_entrypoint.kubeflow_pb2.KubeflowMetadataConfig(),
    )
    mysql = container_entrypoint._get_metadata_connection_config(config).mysql
    assert (mysql.host, mysql.port) == ("marquee-metadata", 3306)
    assert (mysql.user, mysql.password) == ("marquee", "opensesame")


def test_secrets_are_named_and_everything_else_has_a_value(found):
    assert found["Transform"].environment == {
        "HOME": "/tmp",
        "MARQUEE_SOURCES": found["Pusher"].environment["MARQUEE_SOURCES"],
        "MARQUEE_WORKERS_IN_PODS": "true",
        "MYSQL_USER": SecretKey("marquee-metadata", "user"),
        "MYSQL_PASSWORD": SecretKey("marquee-metadata", "password"),
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        # With its scheme: tensorflow-io assumes TLS for a bare host name.
        "AWS_ENDPOINT_URL": "http://minio:9000",
        "S3_ENDPOINT": "http://minio:9000",
        "AWS_ACCESS_KEY_ID": SecretKey("keys", "accesskey"),
        "AWS_SECRET_ACCESS_KEY": SecretKey("keys", "secretkey"),
    }


@pytest.mark.parametrize(
    ("name", "needs", "unions"),
    [
        ("RatingsExampleGen", set(), set()),
        ("Trainer_neumf", {"Transform", "CatalogueGen"}, set()),
        (
            "Evaluator_neumf",
            {"ImportSchemaGen", "RatingsExampleGen", "Trainer_neumf"},
            set(),
        ),
        # A resolver, which looks up the live model once there are models to compare.
        ("LiveModel", set(), {"Trainer"}),
        (
            "Champion",
            {"LiveEvaluator", "RatingsExampleGen", "SpanStatistics"},
            {"Trainer", "Evaluator"},
        ),
        ("Pusher", {"Champion", "InfraCheck"}, set()),
    ],
)
def test_what_a_task_needs(found, name, needs, unions):
    task = found[name]
    assert task.needs == needs
    groups = {frozenset(f"{kind}_{model}" for model in MODELS) for kind in unions}
    assert set(task.unions) == groups
    assert task.upstream == needs.union(*groups)


def test_tasks_come_after_what_they_wait_for(found):
    ended = set()
    for task in found.values():
        assert task.upstream <= ended
        ended.add(task.name)
    assert len(ended) == 20


def test_names_are_those_of_kubernetes(found):
    names = [task.dns_name for task in found.values()]
    assert len(set(names)) == len(names)
    assert found["Trainer_mf_als"].dns_name == "trainer-mf-als"


def test_the_same_pipeline_is_written_the_same_twice(found):
    assert {task.name: task.arguments for task in compiled()} == {
        name: task.arguments for name, task in found.items()
    }


def test_a_cluster_without_a_webhook_has_no_notifier():
    assert tasks.notifier(Cluster(webhook=None), ()) is None
    container = tasks.notifier(Cluster(), ("{{name}}",))
    assert container.arguments == ("{{name}}",)
    assert container.environment["MARQUEE_WEBHOOK_URL"] == SecretKey(
        "marquee-webhook", "url"
    )
