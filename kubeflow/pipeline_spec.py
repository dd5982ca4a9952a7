"""Writes the pipeline as a pipeline spec of Kubeflow Pipelines v2.

The file has two documents: the spec, and the settings that apply to Kubernetes alone. A
step is a container without inputs and outputs, because the project's own metadata store
records what each step reads and writes.

The backend starts a task once everything that it depends on has succeeded; no other
condition works in all versions. A run, however, goes on after some steps have failed,
as a local run does. The pod of such a step therefore succeeds even if the step fails,
the steps that depend on it query the metadata store first, and the last task,
``verdict``, fails the run.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import kfp
import msgspec
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes_pb2
from kfp.pipeline_spec import pipeline_spec_pb2 as spec_pb2
from tfx import v1 as tfx

from kubeflow import backends, notify
from kubeflow.attempts import BACKOFF_FACTOR
from kubeflow.cluster import GIGABYTE, GPU, Cluster, Training, number
from kubeflow.documents import Document
from kubeflow.submission import PLATFORM, Submission
from kubeflow.tasks import (
    Container,
    SecretKey,
    Task,
    dns_name,
    requirement,
    tasks,
    verdict,
)

# Argo's placeholder for the workflow's id, which every version of the backend replaces
# with its own id of the run. 2.0.5 does not know the spec's {{$.pipeline_job_uuid}}.
RUN_ID = "{{workflow.uid}}"
_DAG = "pipeline"
IMAGE_USER = 10001  # USER of kubeflow/Dockerfile


@dataclass(frozen=True)
class Compiled:
    """A compiled pipeline.

    Attributes:
        documents: The two documents of the file.
        requirements: Features of the backend that it uses.
    """

    documents: tuple[Document, Document]
    requirements: list[backends.Requirement]


def compiled(
    pipeline: tfx.dsl.Pipeline,
    image: str,
    cluster: Cluster,
    schedule: str | None = None,
) -> Compiled:
    """Compiles the pipeline.

    Args:
        pipeline: Pipeline whose root pods can reach.
        image: Container image of every step.
        cluster: Settings of the cluster.
        schedule: Cron expression of five fields, in the cluster's time zone; None for a
            single run.
    """
    steps = tasks(pipeline, cluster, RUN_ID)
    writer = _Writer(pipeline.pipeline_info.pipeline_name, image, cluster)
    inner = writer.spec.components[f"comp-{_DAG}"].dag
    root = writer.spec.root.dag
    for step in tolerant(steps):
        writer.add(inner, step, after=step.upstream)
    judge = verdict(steps, cluster, RUN_ID)
    writer.add(inner, judge, after=_last(steps))
    task = root.tasks[_DAG]
    task.task_info.name = _DAG
    task.component_ref.name = f"comp-{_DAG}"
    task.caching_options.SetInParent()
    if webhook := cluster.webhook:
        url = {notify.URL: SecretKey(webhook.secret, webhook.key)}
        environment = {**judge.environment, **url}
        handler = replace(judge, name="notify", environment=environment)
        policy = writer.add(root, handler, after=[_DAG]).trigger_policy
        policy.strategy = policy.ALL_UPSTREAM_TASKS_COMPLETED
    return _with_submission(*writer.documents(), cluster, schedule)


def _with_submission(
    spec: Document, platform: Document, cluster: Cluster, schedule: str | None
) -> Compiled:
    """Adds the values that the API takes apart from the file (``Submission``)."""
    requirements = backends.requirements(spec, platform)
    submission = Submission(
        cluster.service_account,
        schedule,
        cluster.timezone,
        backends.minimum_version(requirements),
        {requirement.setting: requirement.since for requirement in requirements},
    )
    platform["platforms"][PLATFORM] = submission.platform()
    return Compiled((spec, platform), requirements)


def outlived(steps: Collection[Task]) -> set[str]:
    """Returns the steps whose failure leaves other members of a union to run.

    Examples are an Evaluator, if there are several, and the Trainer that it depends on.
    """
    behind = _ancestors(steps)
    return {
        name
        for step in steps
        for union in step.unions
        for member in union
        for name in {member} | behind[member]
        if any(name != other and name not in behind[other] for other in union)
    }


def tolerant(steps: Collection[Task]) -> list[Task]:
    """Returns the steps with commands whose failure does not stop the other steps."""
    tolerated, behind = outlived(steps), _ancestors(steps)
    found = []
    for step in steps:
        if behind[step.name] & tolerated:
            needed = ("--requires", json.dumps(requirement(step)))
            step = replace(step, arguments=(*step.arguments, *needed))
        if step.name in tolerated:
            step = _tried_inside(step)
        found.append(step)
    return found


def _tried_inside(step: Task) -> Task:
    """Returns a step that is retried within its pod, which succeeds in any case.

    The backend's own retries remain, for pods that are killed.
    """
    resources = step.resources
    python, option, module = step.command
    numbers = (resources.retries + 1, resources.backoff_seconds)
    return replace(
        step,
        command=(python, option, "kubeflow.attempts"),
        arguments=(
            *map(str, numbers),
            str(resources.timeout_seconds or 0),
            module,
            *step.arguments,
        ),
        resources=msgspec.structs.replace(resources, timeout_seconds=None),
    )


def _ancestors(steps: Iterable[Task]) -> dict[str, frozenset[str]]:
    """Returns for each step the steps that it depends on, directly or indirectly."""
    behind: dict[str, frozenset[str]] = {}
    for step in steps:  # in topological order
        behind[step.name] = step.upstream.union(*(behind[u] for u in step.upstream))
    return behind


def _last(steps: Collection[Task]) -> set[str]:
    """Returns the steps that no other step depends on."""
    return {step.name for step in steps}.difference(*(step.upstream for step in steps))


class _Writer:
    """Collects the parts of the two documents."""

    def __init__(self, name: str, image: str, cluster: Cluster):
        self.spec = spec_pb2.PipelineSpec(
            schema_version="2.1.0", sdk_version=f"kfp-{kfp.__version__}"
        )
        self.spec.pipeline_info.name = name
        self._deployment = spec_pb2.PipelineDeploymentConfig()
        self._platform = spec_pb2.PlatformSpec()
        self._image, self._cluster = image, cluster

    def add(
        self, dag: spec_pb2.DagSpec, container: Container, after: Iterable[str]
    ) -> spec_pb2.PipelineTaskSpec:
        """Adds a container, and a task that runs it once the others have succeeded."""
        name = container.dns_name
        label = f"exec-{name}"
        self.spec.components[f"comp-{name}"].executor_label = label
        self._write_container(self._deployment.executors[label].container, container)
        json_format.ParseDict(
            _kubernetes(container, self._cluster),
            self._platform.platforms["kubernetes"].deployment_spec.executors[label],
        )
        task = dag.tasks[name]
        task.task_info.name = container.name
        task.component_ref.name = f"comp-{name}"
        task.dependent_tasks.extend(sorted(map(dns_name, after)))
        task.caching_options.SetInParent()  # empty: Kubeflow's own cache is off
        if container.resources.retries:
            retry = task.retry_policy
            retry.max_retry_count = container.resources.retries
            retry.backoff_duration.seconds = container.resources.backoff_seconds
            retry.backoff_factor = BACKOFF_FACTOR
        return task

    def documents(self) -> tuple[Document, Document]:
        """Returns the spec and the settings that apply to Kubernetes alone."""
        json_format.ParseDict(
            json_format.MessageToDict(self._deployment), self.spec.deployment_spec
        )
        spec: Document = json_format.MessageToDict(self.spec)
        platform: Document = json_format.MessageToDict(self._platform)
        return spec, platform

    def _write_container(self, written: Any, container: Container) -> None:
        step = container.resources
        written.image = self._image
        written.command.extend(container.command)
        written.args.extend(container.arguments)
        for name, value in container.environment.items():
            if isinstance(value, str):
                written.env.add(name=name, value=value)
        resources = written.resources
        resources.cpu_request, resources.cpu_limit = map(
            number, (step.cpu, step.cpu_limit)
        )
        resources.memory_request, resources.memory_limit = (
            number(memory) / GIGABYTE for memory in (step.memory, step.memory_limit)
        )
        if isinstance(step, Training) and step.gpus:
            resources.accelerator.type = GPU
            resources.accelerator.count = step.gpus


def _kubernetes(container: Container, cluster: Cluster) -> Document:
    """Returns the settings of a container that only kfp-kubernetes can express.

    The claim and the Secrets are named in fields that kfp-kubernetes marks as
    deprecated, because these are the ones that every version of the backend reads.
    """
    step = container.resources
    config = kubernetes_pb2.KubernetesExecutorConfig(
        image_pull_policy=cluster.image_pull_policy or "",
        active_deadline_seconds=step.timeout_seconds or 0,
    )
    volume = cluster.volume
    config.pvc_mount.add(constant=volume.claim, mount_path=volume.path)
    secrets: dict[str, Any] = {}
    for variable, value in container.environment.items():
        if isinstance(value, SecretKey):
            if value.secret not in secrets:
                secrets[value.secret] = config.secret_as_env.add(
                    secret_name=value.secret
                )
            secrets[value.secret].key_to_env.add(secret_key=value.key, env_var=variable)
    if isinstance(step, Training) and step.gpus:
        config.node_selector.labels.update(step.node_selector)
        for toleration in step.tolerations:
            values = msgspec.to_builtins(toleration)
            config.tolerations.add(**{k: v for k, v in values.items() if v})
    written: Document = json_format.MessageToDict(config)
    if cluster.user != IMAGE_USER:
        # The kfp-kubernetes that TFX 1.15 can be installed with lacks this field.
        written["securityContext"] = {
            "runAsUser": str(cluster.user),
            "runAsGroup": str(cluster.user),
            "runAsNonRoot": True,
        }
    return written
