"""What a workflow must be before it leaves this machine."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kubeflow.cluster import TRAINER, Cluster
from kubeflow.workflow import GPU, SCRATCH, Template, Workflow, dumped, step_of
from pipeline.config import ConfigError
from trainer_modules.registry import MODELS, POPULARITY

# etcd takes 1.5 MB and Kubernetes' API server about 1 MiB, of which Argo needs some for
# the status that it keeps in the same object.
MAX_BYTES = 900_000
_SECRET_NAME = re.compile(r"(?i)password|passwd|secret|token|credential|access_?key")
_SECRET_VALUES = {
    "a URL with a password": re.compile(r"://[^/\s:@\"]+:[^/\s@\"]+@"),
    "an AWS access key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
# An absolute path, and no part of a URL, of a type's name or of a regular expression.
_PATH = re.compile(r"(?<![\w.:/}*\\)-])/(?:[\w.+-]+/)*[\w.+-]+")


class WorkflowError(ConfigError):
    """A compiled workflow that no cluster should get."""

    def __init__(self, problems: Sequence[str]):
        super().__init__(None, None, None, "\n".join(problems))


def check(workflow: Workflow, cluster: Cluster, models: Sequence[str]) -> None:
    """Looks at the whole workflow.

    Args:
      workflow: compiled.
      cluster: that it is for.
      models: that it trains, to say how it could be split.

    Raises:
      WorkflowError: naming everything that is wrong.
    """
    problems = [
        *_size(workflow, models),
        *_pods(workflow),
        *_secrets(workflow),
        *_paths(workflow, cluster),
    ]
    if problems:
        raise WorkflowError(problems)


def _size(workflow: Workflow, models: Sequence[str]) -> Iterator[str]:
    size = len(dumped(workflow).encode())
    if size <= MAX_BYTES:
        return
    families: dict[str, list[str]] = {}
    for name in models:
        if name != POPULARITY:
            families.setdefault(MODELS[name].task, []).append(name)
    commands = "\n".join(f"  --models {','.join(names)}" for names in families.values())
    yield (
        f"The workflow has {size:,} bytes, and Kubernetes surely takes {MAX_BYTES:,}. "
        "Compile one for each family of models, into an --output of its own. With the "
        "same --cluster they share the live model and the metadata store, so that what "
        f"they have in common is computed once:\n{commands}"
    )


def _pods(workflow: Workflow) -> Iterator[str]:
    for template in _containers(workflow):
        name, container = template["name"], template["container"]
        resources = container.get("resources", {})
        for kind in ("requests", "limits"):
            for what in ("cpu", "memory"):
                if not resources.get(kind, {}).get(what):
                    yield f"{name} has no {what} among its {kind}."
        if not template.get("activeDeadlineSeconds"):
            yield f"{name} has no timeout."
        retry = template.get("retryStrategy", {})
        if retry.get("retryPolicy") != "Always" or not retry.get("backoff"):
            yield f"{name} is not tried again, with a wait, whatever ended it."
        allowed = container.get("securityContext", {})
        if not (
            allowed.get("readOnlyRootFilesystem")
            and allowed.get("runAsNonRoot")
            and allowed.get("allowPrivilegeEscalation") is False
            and allowed.get("capabilities", {}).get("drop") == ["ALL"]
        ):
            yield f"{name} may do more than it has to (securityContext)."
        if GPU in resources.get("limits", {}) and not _is_trainer(template):
            yield f"{name} asks for a GPU, and is no Trainer."


def _is_trainer(template: Template) -> bool:
    arguments = template["container"]["args"]
    return "--node_id" in arguments and step_of(template).startswith(f"{TRAINER}_")


def _secrets(workflow: Workflow) -> Iterator[str]:
    for template in _containers(workflow):
        for variable in template["container"].get("env", []):
            if _SECRET_NAME.search(variable["name"]) and "value" in variable:
                yield (
                    f"{template['name']} has the value of {variable['name']}; refer to "
                    "a Secret of the cluster."
                )
    mine = {
        f"the value of ${name}": re.compile(re.escape(value))
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= 6
    }
    for place, text in _texts(workflow):
        for what, pattern in {**_SECRET_VALUES, **mine}.items():
            if pattern.search(text):
                yield f"{place} has {what}; refer to a Secret of the cluster."


def _paths(workflow: Workflow, cluster: Cluster) -> Iterator[str]:
    allowed = (SCRATCH, cluster.volume.path)
    found = {
        (path, place)
        for place, text in _texts(workflow)
        for path in _PATH.findall(text)
        if not any(Path(path).is_relative_to(folder) for folder in allowed)
    }
    for path, place in sorted(found):
        yield (
            f"{place} has {path}, which is on this machine, or nowhere: pods have "
            f"{cluster.volume.path} (the volume), object stores, and the repository."
        )


def _containers(workflow: Workflow) -> Iterator[Template]:
    return (t for t in workflow["spec"]["templates"] if "container" in t)


def _texts(value: Any, place: str = "workflow") -> Iterator[tuple[str, str]]:
    """Every text in it, and which template it is in."""
    if isinstance(value, dict):
        place = value["name"] if "container" in value else place
        for inner in value.values():
            yield from _texts(inner, place)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, place)
    elif isinstance(value, str):
        yield place, value
