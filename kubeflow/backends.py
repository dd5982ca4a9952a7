"""What each version of Kubeflow Pipelines' backend can run."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from kubeflow.submission import OLDEST_BACKEND
from pipeline.config.errors import ConfigError


@dataclass(frozen=True)
class Feature:
    """Something that not every version of the backend has.

    Attributes:
        since: The first version that has it.
        setting: What uses it, for a message.
        instead: What to do without it.
        source: Where the version is from.
    """

    since: str
    setting: str
    instead: str
    source: str


# By the name of the field: of a task, or of kfp-kubernetes' KubernetesExecutorConfig.
# The pull requests are of kubeflow/pipelines, and its CHANGELOG.md lists them under the
# version. Before 2.5.0 (#11662), a task with a field that the backend does not know
# fails without a message; later versions ignore the field.
FEATURES = {
    "activeDeadlineSeconds": Feature(
        "2.1.0", "timeout_seconds", "timeout_seconds: null", "#10464, #10481"
    ),
    "imagePullPolicy": Feature(
        "2.1.0", "image_pull_policy", "image_pull_policy: null", "#10417"
    ),
    "tolerations": Feature("2.1.0", "tolerations", "tolerations: []", "#10471"),
    "retryPolicy": Feature("2.5.0", "retries", "retries: 0", "#11673"),
    "securityContext": Feature(
        "2.16.0",
        "user",
        "an image with that USER, and user: 10001",
        "#12832; in kfp-kubernetes 2.16.0, and not in 2.15.2",
    ),
}
# Earlier versions keep the whole file in a workflow's annotations, for which Kubernetes
# has room for 262,144 bytes. Some are needed for their names.
MAX_BYTES_OF_ANNOTATIONS = 240_000
MAX_BYTES = 900_000  # of the workflow, as for Argo alone
LARGE = Feature("2.3.0", "size", "fewer --models", "#10979")
# These are read by every version since 2.0.5, as its source has them.
EVERYWHERE = {"pvcMount", "secretAsEnv", "nodeSelector"}


def needed(spec: Mapping[str, Any], platform: Mapping[str, Any]) -> dict[str, str]:
    """Returns what a file uses, in words, and the version that each needs.

    Args:
        spec: The first document of the file.
        platform: The second one.
    """
    users: dict[Feature, list[str]] = {}
    for field, user in _fields(spec, platform):
        if field not in EVERYWHERE:
            users.setdefault(FEATURES[field], []).append(user)
    found = {
        f"{feature.setting} of {_listed(names)}": feature.since
        for feature, names in users.items()
    }
    if size([spec, platform]) > MAX_BYTES_OF_ANNOTATIONS:
        found[f"{LARGE.setting} of the pipeline"] = LARGE.since
    return found


def size(documents: Iterable[Mapping[str, Any]]) -> int:
    """Returns how many bytes the backend makes of the documents, about."""
    return sum(len(json.dumps(d, separators=(",", ":")).encode()) for d in documents)


def newest(versions: Iterable[str]) -> str:
    """Returns the highest version, and the oldest supported one if there is none."""
    return max((OLDEST_BACKEND, *versions), key=Version)


def lacks(settings: Mapping[str, str], backend: str) -> Iterator[str]:
    """Yields a problem for each setting that the backend has not got.

    Args:
        settings: Setting, in words, to the version that it needs.
        backend: The version that the cluster has.
    """
    if Version(backend) < Version(OLDEST_BACKEND):
        raise ConfigError(
            None,
            None,
            "--backend-version",
            f"{backend} is older than {OLDEST_BACKEND}, the oldest version supported",
        )
    by_setting = {feature.setting: feature for feature in (*FEATURES.values(), LARGE)}
    for setting, version in settings.items():
        if Version(backend) < Version(version):
            feature = by_setting[setting.partition(" ")[0]]
            yield (
                f"{setting}: needs Kubeflow Pipelines {version}, and the cluster has "
                f"{backend}; without it: {feature.instead}, or --target argo"
            )


def _fields(
    spec: Mapping[str, Any], platform: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yields each field that may need a version, and who has it."""
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    components = spec["components"]
    for dag in (spec["root"], *components.values()):
        for task in dag.get("dag", {}).get("tasks", {}).values():
            user = task["taskInfo"]["name"]
            if "retryPolicy" in task:
                yield "retryPolicy", user
            label = components[task["componentRef"]["name"]].get("executorLabel")
            for field in executors.get(label, ()):
                yield field, user


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} tasks"
