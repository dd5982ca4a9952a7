"""Which version of Kubeflow Pipelines' backend runs which compiled file."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.version import Version

from kubeflow.documents import Document
from kubeflow.submission import OLDEST_BACKEND
from pipeline.config.errors import ConfigError


@dataclass(frozen=True)
class Feature:
    """A feature that not every version of the backend has.

    Attributes:
        since: The first version that has it.
        setting: The setting of ``cluster.yaml`` that uses it, as named in messages.
        instead: How to do without it.
        source: Pull requests that added it.
    """

    since: str
    setting: str
    instead: str
    source: str


@dataclass(frozen=True)
class Requirement:
    """A feature that a compiled file uses.

    Attributes:
        feature: The feature.
        users: What uses it, for example ``Trainer_neumf`` or ``14 tasks``.
    """

    feature: Feature
    users: str

    @property
    def setting(self) -> str:
        """The setting and its users, as shown in messages."""
        return f"{self.feature.setting} of {self.users}"

    @property
    def since(self) -> str:
        """The first version of the backend that has the feature."""
        return self.feature.since


# By the name of the field in a task or in kfp-kubernetes' KubernetesExecutorConfig.
# The pull requests are those of kubeflow/pipelines, whose CHANGELOG.md lists them under
# the version. Before 2.5.0 (#11662), a task with a field that the backend does not know
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
# Earlier versions store the whole file in a workflow's annotations, which Kubernetes
# limits to 262,144 bytes. The rest is for the annotations' names and for the document
# that describes the submission.
MAX_BYTES_OF_ANNOTATIONS = 240_000
MAX_BYTES = 900_000  # of the workflow, as for Argo alone
LARGE = Feature("2.3.0", "size", "fewer --models", "#10979")
# Every version since 2.0.5 reads these, according to its source code.
EVERYWHERE = {"pvcMount", "secretAsEnv", "nodeSelector"}


def requirements(spec: Document, platform: Document) -> list[Requirement]:
    """Returns the features that a file uses and that some versions lack.

    Args:
        spec: The first document of the file.
        platform: The second document of the file.
    """
    users: dict[Feature, list[str]] = {}
    for field, user in _fields(spec, platform):
        if field not in EVERYWHERE:
            users.setdefault(FEATURES[field], []).append(user)
    found = [Requirement(feature, _listed(names)) for feature, names in users.items()]
    if size([spec, platform]) > MAX_BYTES_OF_ANNOTATIONS:
        found.append(Requirement(LARGE, "the pipeline"))
    return found


def size(documents: Iterable[Document]) -> int:
    """Returns the approximate number of bytes that the backend makes of documents."""
    return sum(len(json.dumps(d, separators=(",", ":")).encode()) for d in documents)


def minimum_version(used: Iterable[Requirement]) -> str:
    """Returns the oldest supported version of the backend that has all features."""
    return max((OLDEST_BACKEND, *(r.since for r in used)), key=Version)


def lacks(used: Iterable[Requirement], backend: str) -> Iterator[str]:
    """Yields a message for each feature that a version of the backend lacks.

    Args:
        used: The features that the file uses.
        backend: Version of the cluster's backend.

    Raises:
        ConfigError: If the version is older than the oldest one supported.
    """
    if Version(backend) < Version(OLDEST_BACKEND):
        raise ConfigError(
            None,
            None,
            "--backend-version",
            f"{backend} is older than {OLDEST_BACKEND}, the oldest version supported",
        )
    for requirement in used:
        if Version(backend) < Version(requirement.since):
            yield (
                f"{requirement.setting}: needs Kubeflow Pipelines {requirement.since}, "
                f"and the cluster has {backend}; without it: "
                f"{requirement.feature.instead}, or --target argo"
            )


def _fields(spec: Document, platform: Document) -> Iterator[tuple[str, str]]:
    """Yields each field that may need a version, and the task that has it."""
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
