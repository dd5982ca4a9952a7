"""Reads the parts of a compiled Kubeflow Pipelines file that its submission needs.

The pipeline spec has no field for the schedule and the service account, which the API
takes apart from it. The file stores them as a platform of their own, which Kubeflow
keeps and does not read. This module imports neither kfp nor TFX.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kubeflow.documents import Document
from pipeline.config.errors import ConfigError

PLATFORM = "marquee"
OLDEST_BACKEND = "2.0.5"


class Submission(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"
):
    """How a compiled pipeline is submitted.

    Attributes:
        service_account: Service account of the pods.
        schedule: Cron expression of the recurring run; None if there is none.
        timezone: Time zone of the schedule.
        backend: The oldest version of Kubeflow Pipelines that runs the file.
        settings: Description of a setting and its users → the version that it needs, if
            that is newer than the oldest one supported.
    """

    service_account: str
    schedule: str | None = None
    timezone: str = "UTC"
    backend: str = OLDEST_BACKEND
    settings: dict[str, str] = {}

    def platform(self) -> Document:
        """Returns the entry of ``platforms`` that stores it.

        An entry's executors may have any structure; with any other field, a backend
        silently drops the whole document.
        """
        values = msgspec.to_builtins(self)
        return {"deploymentSpec": {"executors": {"submission": values}}}


class Compiled(msgspec.Struct, frozen=True):
    """A compiled file.

    Attributes:
        path: Path of the file.
        digest: SHA-256 of its bytes in hexadecimal.
        name: Name of the pipeline.
        submission: How the pipeline is submitted.
        secrets: Name of a Secret → the keys of it that pods read.
        claims: Names of the volume claims that pods mount.
        steps: Names of the tasks that have a pod, as Kubeflow shows them.
    """

    path: Path
    digest: str
    name: str
    submission: Submission
    secrets: dict[str, set[str]]
    claims: set[str]
    steps: tuple[str, ...]


def read(path: Path) -> Compiled:
    """Reads a file that ``runner.py --target kfp`` wrote.

    Raises:
        ConfigError: If it is not such a file.
    """
    try:
        data = path.read_bytes()
        documents = [d for d in yaml.safe_load_all(data) if d]
    except OSError as error:
        raise ConfigError(path, None, None, error.strerror or str(error)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(path, None, None, f"is not YAML: {error}") from error
    try:
        spec, platform = documents
        platforms = platform["platforms"]
        [values] = platforms[PLATFORM]["deploymentSpec"]["executors"].values()
        executors = platforms["kubernetes"]["deploymentSpec"]["executors"].values()
        submission = msgspec.convert(values, Submission)
        secrets: dict[str, set[str]] = {}
        for secret, key in _secrets(executors):
            secrets.setdefault(secret, set()).add(key)
        return Compiled(
            path,
            hashlib.sha256(data).hexdigest(),
            spec["pipelineInfo"]["name"],
            submission,
            secrets,
            set(_claims(executors)),
            tuple(_steps(spec)),
        )
    except (ValueError, TypeError, KeyError, msgspec.ValidationError) as error:
        raise ConfigError(path, None, None, _what_it_is(documents)) from error


def _steps(spec: Document) -> Iterator[str]:
    components = spec["components"]
    for dag in [spec["root"], *components.values()]:
        for name, task in dag.get("dag", {}).get("tasks", {}).items():
            if "executorLabel" in components[task["componentRef"]["name"]]:
                yield name


def _secrets(executors: Iterable[Document]) -> Iterator[tuple[str, str]]:
    for executor in executors:
        for reference in executor.get("secretAsEnv", []):
            for pair in reference["keyToEnv"]:
                yield reference["secretName"], pair["secretKey"]


def _claims(executors: Iterable[Document]) -> Iterator[str]:
    for executor in executors:
        for mount in executor.get("pvcMount", []):
            yield mount["constant"]


def _what_it_is(documents: list[Any]) -> str:
    """Returns a message about a file of another kind, and what to do with it."""
    kinds = {d.get("kind") for d in documents if isinstance(d, dict)}
    if kinds & {"Workflow", "CronWorkflow"}:
        return "is an Argo workflow; submit it with `kubectl create --filename`"
    return (
        "is not a file that kubeflow/runner.py wrote for Kubeflow Pipelines; "
        "compile it with --target kfp"
    )
