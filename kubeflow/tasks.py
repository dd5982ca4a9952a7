"""Describes the pipeline as containers, which each target writes in its own format.

TFX compiles each step. This module adds the metadata store, the object store, the
resources of each container, and the failures of other steps that a step tolerates.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration.kubeflow.proto import kubeflow_pb2
from tfx.proto.orchestration import pipeline_pb2

from components.tuner.component import TUNER_CONFIG
from kubeflow import entrypoint, notify
from kubeflow.cluster import Cluster, Metadata, Step
from pipeline.runs.code_version import version_of_all
from pipeline.runs.local_runner import needs
from pipeline.runs.metadata_store import PASSWORD_VARIABLE, USER_VARIABLE
from trainer_modules.tuning import storage
from trainer_modules.workers import supervisor

if TYPE_CHECKING:  # the module imports ML Metadata
    from kubeflow.verdict import Requirement

# The only folder that a container can write to, apart from the volume.
SCRATCH = "/tmp"
VERDICT = "Verdict"  # its name among the cluster's steps
_NOTIFIER = Step(
    cpu="100m", memory="64Mi", cpu_limit="1", memory_limit="256Mi", timeout_seconds=300
)


@dataclass(frozen=True)
class SecretKey:
    """One key of a Secret in the cluster. Its value is never read here."""

    secret: str
    key: str


@dataclass(frozen=True)
class Container:
    """One container in a pod of its own.

    Attributes:
        name: Unique in the pipeline. A step has its TFX node id, for example
            ``Trainer_neumf``.
        command: Program and its first words. It runs in the image's working directory.
        arguments: The words that follow.
        environment: Variable → its value, or the Secret's key that holds it.
        resources: Resources, time limit and retries of the pod, and the GPUs of a
            ``Training``.
    """

    name: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str | SecretKey]
    resources: Step

    @property
    def dns_name(self) -> str:
        """The name in a form that Kubernetes allows."""
        return dns_name(self.name)


@dataclass(frozen=True)
class Task(Container):
    """One step of the pipeline.

    Attributes:
        node: The step as TFX compiled it.
        needs: Names of the tasks that must have succeeded.
        unions: Groups of names. At least one task of each group must have succeeded,
            and all of them must have ended.
    """

    node: pipeline_pb2.PipelineNode
    needs: frozenset[str]
    unions: tuple[frozenset[str], ...]

    @property
    def upstream(self) -> frozenset[str]:
        """Names of all tasks that must have ended before this one starts."""
        return self.needs.union(*self.unions)


def dns_name(name: str) -> str:
    """Returns a step's name in lower-case letters, digits and hyphens."""
    return name.lower().replace("_", "-")


def tasks(pipeline: tfx.dsl.Pipeline, cluster: Cluster, run_id: str) -> list[Task]:
    """Returns the steps in topological order.

    Args:
        pipeline: Pipeline whose root pods can reach.
        cluster: Settings of the cluster.
        run_id: Name of the run in ML Metadata: a placeholder that the backend replaces
            with a value that is unique to each run.
    """
    ir = compiler.Compiler().compile(pipeline)
    environment = _environment(cluster)
    return [
        _task(ir, entry.pipeline_node, cluster, environment, run_id)
        for entry in ir.nodes
    ]


def notifier(cluster: Cluster, arguments: tuple[str, ...]) -> Container | None:
    """Returns the container that reports a failed run, if a webhook is configured.

    Args:
        cluster: Settings of the cluster, with the webhook's Secret.
        arguments: Placeholders for the arguments of ``kubeflow.notify``.
    """
    if cluster.webhook is None:
        return None
    return Container(
        name="notify",
        command=("python", "-m", "kubeflow.notify"),
        arguments=arguments,
        environment={
            "HOME": SCRATCH,
            notify.URL: SecretKey(cluster.webhook.secret, cluster.webhook.key),
        },
        resources=_NOTIFIER,
    )


def verdict(steps: Iterable[Task], cluster: Cluster, run_id: str) -> Container:
    """Returns the container that fails a run if one of its steps did not succeed.

    Args:
        steps: The steps of the run.
        cluster: Settings of the cluster, with the metadata store.
        run_id: The same as for ``tasks``.
    """
    return Container(
        name="verdict",
        command=("python", "-m", "kubeflow.verdict"),
        arguments=(
            *("--run_id", run_id),
            *("--kubeflow_metadata_config", _json(_store(cluster.metadata))),
            *("--steps", _compact({step.name: requirement(step) for step in steps})),
        ),
        environment={"HOME": SCRATCH, **_account(cluster.metadata)},
        # A second attempt would come to the same verdict, and report it again.
        resources=msgspec.structs.replace(cluster.step(VERDICT), retries=0),
    )


def requirement(step: Task) -> "Requirement":
    """Returns the ``Requirement`` of a step, as ``kubeflow.verdict`` reads it."""
    return {"needs": sorted(step.needs), "unions": [sorted(u) for u in step.unions]}


def _task(
    ir: pipeline_pb2.Pipeline,
    node: pipeline_pb2.PipelineNode,
    cluster: Cluster,
    environment: Mapping[str, str | SecretKey],
    run_id: str,
) -> Task:
    name = node.node_info.id
    needed, unions = needs(node)
    return Task(
        name=name,
        command=("python", "-m", "kubeflow.entrypoint"),
        arguments=(
            *("--run_id", run_id),
            *("--pipeline_root", cluster.root),
            *("--kubeflow_metadata_config", _json(_store(cluster.metadata))),
            *("--node_id", name),
            *("--tfx_ir", entrypoint.packed(_json(_only(ir, node)))),
            *("--metadata_ui_path", f"{SCRATCH}/mlpipeline-ui-metadata.json"),
            "--runtime_parameter",
            f"{constants.PIPELINE_ROOT_PARAMETER_NAME}=STRING:{cluster.root}",
        ),
        environment={**environment, **_studies_account(node, cluster)},
        resources=cluster.step(name),
        node=node,
        # A resolver also reads the outputs of earlier runs, for which it does not wait.
        needs=frozenset(needed & set(node.upstream_nodes)),
        unions=tuple(frozenset(union) for union in unions),
    )


def _only(
    ir: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode
) -> pipeline_pb2.Pipeline:
    """Returns a copy of the pipeline with one node and the settings of that node."""
    alone = pipeline_pb2.Pipeline()
    alone.CopyFrom(ir)
    del alone.nodes[:]
    alone.nodes.add().pipeline_node.CopyFrom(node)
    deployment = pipeline_pb2.IntermediateDeploymentConfig()
    ir.deployment_config.Unpack(deployment)
    for by_node in (
        deployment.executor_specs,
        deployment.custom_driver_specs,
        deployment.node_level_platform_configs,
    ):
        for name in set(by_node) - {node.node_info.id}:
            del by_node[name]
    alone.deployment_config.Pack(deployment)
    return alone


def _store(metadata: Metadata) -> kubeflow_pb2.KubeflowMetadataConfig:
    store = kubeflow_pb2.KubeflowMetadataConfig()
    store.mysql_db_service_host.value = metadata.host
    store.mysql_db_service_port.value = str(metadata.port)
    store.mysql_db_name.value = metadata.database
    store.mysql_db_user.environment_variable = USER_VARIABLE
    store.mysql_db_password.environment_variable = PASSWORD_VARIABLE
    return store


def _json(message: Message) -> str:
    """Returns compact JSON with sorted keys, so that equal messages have equal text.

    White space would double the size of a workflow.
    """
    return _compact(json_format.MessageToDict(message))


def _compact(values: Mapping[str, object]) -> str:
    return json.dumps(values, separators=(",", ":"), sort_keys=True)


def _account(metadata: Metadata) -> dict[str, SecretKey]:
    return {
        USER_VARIABLE: SecretKey(metadata.secret, "user"),
        PASSWORD_VARIABLE: SecretKey(metadata.secret, "password"),
    }


def _studies_account(
    node: pipeline_pb2.PipelineNode, cluster: Cluster
) -> dict[str, SecretKey]:
    """Returns the account of a Tuner whose study is in a database."""
    parameters = node.parameters.parameters
    if TUNER_CONFIG not in parameters:
        return {}
    config = json.loads(parameters[TUNER_CONFIG].field_value.string_value)
    if config["storage"] is None:
        return {}
    return {
        storage.USER: SecretKey(cluster.studies_secret, "user"),
        storage.PASSWORD: SecretKey(cluster.studies_secret, "password"),
    }


def _environment(cluster: Cluster) -> dict[str, str | SecretKey]:
    environment: dict[str, str | SecretKey] = {
        "HOME": SCRATCH,
        entrypoint.SOURCES: version_of_all(),
        supervisor.IN_PODS: "true",
        **_account(cluster.metadata),
    }
    if s3 := cluster.s3:
        # Beam's boto3 and TensorFlow's tensorflow-io read different variables.
        environment |= {"AWS_REGION": s3.region, "AWS_EC2_METADATA_DISABLED": "true"}
        if s3.endpoint:
            # With its scheme: tensorflow-io assumes TLS for a bare host name, and then
            # waits a minute for each request to time out.
            environment |= {"AWS_ENDPOINT_URL": s3.endpoint, "S3_ENDPOINT": s3.endpoint}
        environment |= {
            "AWS_ACCESS_KEY_ID": SecretKey(s3.secret, s3.access_key),
            "AWS_SECRET_ACCESS_KEY": SecretKey(s3.secret, s3.secret_key),
        }
    return environment
