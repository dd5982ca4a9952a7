"""Writes the pipeline as a plain Argo ``Workflow`` or, scheduled, ``CronWorkflow``.

It is for clusters without Kubeflow Pipelines, and uses only fields that Argo 3.6 and 4
share.
"""

import re
from typing import Any

import msgspec
from tfx import v1 as tfx

from kubeflow.attempts import BACKOFF_FACTOR
from kubeflow.cluster import GPU, Cluster, Step, Training
from kubeflow.documents import Document
from kubeflow.tasks import (
    SCRATCH,
    Container,
    SecretKey,
    Task,
    dns_name,
    notifier,
    tasks,
)
from pipeline.config.errors import ConfigError

# etcd accepts 1.5 MB and Kubernetes' API server about 1 MiB. Argo needs a part of that
# for the status that it stores in the same object.
MAX_BYTES = 900_000
MAX_NAME = 52  # Argo appends a time or a random suffix, and Kubernetes allows 63
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DAG = "pipeline"
_RUN_ID = "{{workflow.name}}"


def compiled(
    pipeline: tfx.dsl.Pipeline,
    image: str,
    cluster: Cluster,
    name: str,
    schedule: str | None = None,
) -> Document:
    """Returns the manifest of the workflow.

    Args:
        pipeline: Pipeline whose root pods can reach.
        image: Container image of every step.
        cluster: Settings of the cluster.
        name: Name of the ``CronWorkflow``, or prefix of the ``Workflow``'s name.
        schedule: Cron expression of five fields, in the cluster's time zone; None for a
            single run.

    Raises:
        ConfigError: If Kubernetes does not allow the name.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise ConfigError(
            None,
            None,
            "--output",
            f"the workflow would be named {name!r}, after the file; use lower-case "
            f"letters, digits and hyphens, at most {MAX_NAME} of them",
        )
    spec = _spec(tasks(pipeline, cluster, _RUN_ID), image, cluster)
    manifest: Document = {"apiVersion": "argoproj.io/v1alpha1"}
    if schedule is None:
        return manifest | {
            "kind": "Workflow",
            "metadata": {"generateName": f"{name}-"},
            "spec": spec,
        }
    return manifest | {
        "kind": "CronWorkflow",
        "metadata": {"name": name},
        "spec": {
            "schedules": [schedule],
            "timezone": cluster.timezone,
            "concurrencyPolicy": "Forbid",
            # A missed run is not caught up: the next one reads all that has arrived.
            "startingDeadlineSeconds": 0,
            "workflowSpec": spec,
        },
    }


def _spec(steps: list[Task], image: str, cluster: Cluster) -> Document:
    dag = {
        "failFast": False,
        # The tasks whose failure fails the run; by default, only the last ones.
        "target": " ".join(task.dns_name for task in steps),
        "tasks": [
            {"name": task.dns_name, "template": task.dns_name} | _depends(task)
            for task in steps
        ],
    }
    handler = notifier(
        cluster, (_RUN_ID, "{{workflow.status}}", "{{workflow.failures}}")
    )
    containers = [*steps, handler] if handler else steps
    spec = {
        "entrypoint": _DAG,
        "serviceAccountName": cluster.service_account,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": cluster.user,
            "runAsGroup": cluster.user,
            "fsGroup": cluster.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {
                "name": "marquee",
                "persistentVolumeClaim": {"claimName": cluster.volume.claim},
            },
        ],
        "templates": [
            {"name": _DAG, "dag": dag},
            *(_template(container, image, cluster) for container in containers),
        ],
    }
    return spec | ({"onExit": handler.dns_name} if handler else {})


def _depends(task: Task) -> dict[str, str]:
    """Returns the condition on which a step runs, the same as in a local run.

    Argo's ``dependencies`` would require all of them to succeed, so that one broken
    model would keep the others from being compared.
    """
    groups = [sorted(map(dns_name, union)) for union in task.unions]
    parts = sorted(map(dns_name, task.needs))
    parts += [
        f"({name}.Succeeded || {name}.Failed || {name}.Errored || {name}.Omitted)"
        for name in sorted({name for group in groups for name in group})
    ]
    parts += [f"({' || '.join(f'{name}.Succeeded' for name in g)})" for g in groups]
    return {"depends": " && ".join(parts)} if parts else {}


def _template(container: Container, image: str, cluster: Cluster) -> Document:
    step = container.resources
    return {
        "name": container.dns_name,
        **_placement(step),
        **_given(activeDeadlineSeconds=step.timeout_seconds),
        "retryStrategy": {
            "limit": str(step.retries),
            "retryPolicy": "Always",  # "OnFailure" does not replace a deleted pod
            "backoff": {
                "duration": f"{step.backoff_seconds}s",
                "factor": str(BACKOFF_FACTOR),
            },
        },
        "container": {
            "image": image,
            **_given(imagePullPolicy=cluster.image_pull_policy),
            "command": list(container.command),
            "args": list(container.arguments),
            "env": _environment(container),
            "resources": _resources(step),
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
            },
            "volumeMounts": [
                {"name": "scratch", "mountPath": SCRATCH},
                {"name": "marquee", "mountPath": cluster.volume.path},
            ],
        },
    }


def _given(**values: Any) -> Document:
    """Returns the values without those that are not set."""
    return {key: value for key, value in values.items() if value is not None}


def _placement(step: Step) -> Document:
    """Returns the constraints on the node of a step with GPUs."""
    if not isinstance(step, Training) or not step.gpus:
        return {}
    return {
        "nodeSelector": dict(step.node_selector),
        "tolerations": [_given(**msgspec.to_builtins(t)) for t in step.tolerations],
    }


def _resources(step: Step) -> Document:
    limits = {"cpu": step.cpu_limit, "memory": step.memory_limit}
    if isinstance(step, Training) and step.gpus:
        limits[GPU] = str(step.gpus)
    return {"requests": {"cpu": step.cpu, "memory": step.memory}, "limits": limits}


def _environment(container: Container) -> list[Document]:
    variables: list[Document] = [
        # TFX records the pod's name with the step's execution.
        {
            "name": "KFP_POD_NAME",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
        }
    ]
    for name, value in container.environment.items():
        if isinstance(value, SecretKey):
            reference = {"name": value.secret, "key": value.key}
            source = {"valueFrom": {"secretKeyRef": reference}}
            variables.append({"name": name} | source)
        else:
            variables.append({"name": name, "value": value})
    return variables
