"""Checks a compiled file before it is written, whatever its target."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kubeflow.cluster import Cluster
from kubeflow.documents import Document
from kubeflow.entrypoint import unpacked
from kubeflow.tasks import SCRATCH
from pipeline.config.errors import ConfigError
from trainer_modules.registry import MODELS, POPULARITY

_SECRET_NAME = re.compile(r"(?i)password|passwd|secret|token|credential|access_?key")
_SECRET_VALUES = {
    "a URL with a password": re.compile(r"://[^/\s:@\"]+:[^/\s@\"]+@"),
    "an AWS access key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
# An absolute path that is not part of a URL, a type's name or a regular expression.
_PATH = re.compile(r"(?<![\w.:/}*\\)-])/(?:[\w.+-]+/)*[\w.+-]+")


def check(document: Document, cluster: Cluster, further: Iterable[str] = ()) -> None:
    """Checks that a file contains no secrets and no paths that pods do not have.

    Args:
        document: The compiled Argo workflow or pipeline spec. Messages name a mapping
            with the key ``container`` by its ``name``, or by its key in the document.
        cluster: Settings of the cluster that it will run on.
        further: Problems found by the target's own checks.

    Raises:
        ConfigError: If there are problems; it lists all of them.
    """
    problems = [*further, *_secrets(document), *_paths(document, cluster)]
    if problems:
        raise ConfigError(None, None, None, "\n".join(problems))


def too_large(size: int, limit: int, models: Sequence[str]) -> Iterator[str]:
    """Yields a message on how to split a file that Kubernetes may reject.

    Args:
        size: Size of the file in bytes.
        limit: Size in bytes that Kubernetes accepts for certain.
        models: Names of the models that are trained.
    """
    if size <= limit:
        return
    families: dict[str, list[str]] = {}
    for name in models:
        if name != POPULARITY:
            families.setdefault(MODELS[name].task, []).append(name)
    commands = "\n".join(f"  --models {','.join(names)}" for names in families.values())
    yield (
        f"The workflow has {size:,} bytes, and Kubernetes accepts {limit:,} for "
        "certain. Compile one workflow for each family of models, each with its own "
        "--output. With the same --cluster they share the live model and the metadata "
        f"store, so that their common steps are executed once:\n{commands}"
    )


def _secrets(document: Document) -> Iterator[str]:
    for place, name in _literal_variables(document):
        if _SECRET_NAME.search(name):
            yield f"{place} has the value of {name}; refer to a Secret of the cluster."
    of_this_shell = {
        f"the value of ${name}": re.compile(re.escape(value))
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= 6
    }
    for place, text in _texts(document):
        for description, pattern in (_SECRET_VALUES | of_this_shell).items():
            if pattern.search(text):
                yield f"{place} has {description}; refer to a Secret of the cluster."


def _paths(document: Document, cluster: Cluster) -> Iterator[str]:
    allowed = (SCRATCH, cluster.volume.path)
    found = {
        (path, place)
        for place, text in _texts(document)
        for path in _PATH.findall(text)
        if not any(Path(path).is_relative_to(folder) for folder in allowed)
    }
    for path, place in sorted(found):
        yield (
            f"{place} has {path}, which no pod can see: pods can see "
            f"{cluster.volume.path} (the volume), object stores, and the repository."
        )


def _literal_variables(document: Document) -> Iterator[tuple[str, str]]:
    """Yields the place and the name of each environment variable with a value."""
    for place, mapping in _mappings(document):
        for variable in mapping.get("env") or ():
            if "value" in variable:
                yield place, variable["name"]


def _texts(document: Document) -> Iterator[tuple[str, str]]:
    """Yields the place of every text, and the text, unpacked."""
    for place, mapping in _mappings(document):
        for value in mapping.values():
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str):
                    yield place, unpacked(text)


def _mappings(
    value: Any, key: str = "", place: str = "the file"
) -> Iterator[tuple[str, Document]]:
    """Yields every mapping with the name of the container that it belongs to."""
    if isinstance(value, dict):
        place = value.get("name", key) if "container" in value else place
        yield place, value
        for name, inner in value.items():
            yield from _mappings(inner, name, place)
    elif isinstance(value, list):
        for inner in value:
            yield from _mappings(inner, key, place)
