"""Writes the pipeline as a pipeline spec of Kubeflow Pipelines v2.

The file has two documents: the spec, and what applies to Kubernetes alone. A step is a
container without inputs and outputs, because the project's own metadata store records
what each step reads and writes.

The backend starts a task after everything that it depends on has succeeded; no other
condition works in all versions. Where a run outlives the failure of a step, as a local
run does, the step's pod therefore succeeds all the same, the steps that depend on it
query the metadata store first, and the last task, ``verdict``, fails the run.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

import kfp
import msgspec
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes_pb2
from kfp.pipeline_spec import pipeline_spec_pb2 as spec_pb2
from tfx import v1 as tfx

from kubeflow import backends, notify
from kubeflow.attempts import BACKOFF_FACTOR
from kubeflow.cluster import GPU, Cluster, Training, number
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

Document = dict[str, Any]

# Argo's name of the workflow's id, which every version of the backend replaces by its
# own id of the run. The spec's {{$.pipeline_job_uuid}} is unknown to 2.0.5.
RUN_ID = "{{workflow.uid}}"
_DAG = "pipeline"
IMAGE_USER = 10001  # of kubeflow/Dockerfile
_GIGABYTE = 1e9


def compiled(
    pipeline: tfx.dsl.Pipeline,
    image: str,
    cluster: Cluster,
    schedule: str | None = None,
) -> list[Document]:
    """Returns the two documents of the file.

    Args:
        pipeline: With a root that pods can reach.
        image: What every step runs in.
        cluster: Where the pipeline will run.
        schedule: Five fields of cron, in the cluster's timezone; None for one run.
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
    return writer.documents(schedule)


def dumped(documents: Iterable[Document]) -> str:
    """Returns the text of the file."""
    return yaml.safe_dump_all(documents, sort_keys=False, width=2**20)


def outlived(steps: Collection[Task]) -> set[str]:
    """Returns the steps whose failure leaves something to run of a union.

    An Evaluator among several is one, and so is the Trainer that it depends on.
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
    """Returns the steps with commands by which a failure does not stop the others."""
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
    """Returns a step that is tried again within its pod, which then succeeds.

    The backend's own retries remain, for a pod that is killed.
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
    """Returns all that each step depends on, directly or not."""
    behind: dict[str, frozenset[str]] = {}
    for step in steps:  # in topological order
        behind[step.name] = step.upstream.union(*(behind[u] for u in step.upstream))
    return behind


def _last(steps: Collection[Task]) -> set[str]:
    """Returns the steps that no other depends on."""
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

    def documents(self, schedule: str | None) -> list[Document]:
        """Returns the two documents, and in the second how they are submitted."""
        json_format.ParseDict(
            json_format.MessageToDict(self._deployment), self.spec.deployment_spec
        )
        spec = json_format.MessageToDict(self.spec)
        platform = json_format.MessageToDict(self._platform)
        settings = backends.needed(spec, platform)
        submission = Submission(
            self._cluster.service_account,
            schedule,
            self._cluster.timezone,
            backends.newest(settings.values()),
            settings,
        )
        platform["platforms"][PLATFORM] = submission.platform()
        return [spec, platform]

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
            number(memory) / _GIGABYTE for memory in (step.memory, step.memory_limit)
        )
        if isinstance(step, Training) and step.gpus:
            resources.accelerator.type = GPU
            resources.accelerator.count = step.gpus


def _kubernetes(container: Container, cluster: Cluster) -> Document:
    """Returns what kfp-kubernetes adds to a container.

    Fields that kfp-kubernetes calls deprecated name the claim and the Secrets, since
    they are the ones that every version of the backend reads.
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
        # The kfp-kubernetes that TFX 1.15 can be installed with is too old to have it.
        written["securityContext"] = {
            "runAsUser": str(cluster.user),
            "runAsGroup": str(cluster.user),
            "runAsNonRoot": True,
        }
    return written
