"""Kubeflow Pipelines' v2 API, and the checks before anything is submitted."""

import contextlib
import io
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import kfp
import kfp_server_api
import kubernetes
import urllib3
from packaging.version import InvalidVersion, Version

from kubeflow import submission
from kubeflow.submission import Compiled
from pipeline import exit_codes
from pipeline.config.errors import ConfigError

EXPERIMENT = "marquee"
PAGE = 100
VERSION_LENGTH = 12  # characters of the hash that name a version


class SubmissionError(click.ClickException):
    """Raised if a request is not possible; nothing has been submitted."""

    exit_code = exit_codes.CONFIG


def _read(ctx: click.Context, parameter: click.Parameter, path: Path) -> Compiled:
    try:
        return submission.read(path)
    except ConfigError as error:
        raise SubmissionError(str(error)) from error


file_argument = click.argument(
    "compiled",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=_read,
)
host_option = click.option(
    "--host",
    metavar="URL",
    help="URL of Kubeflow Pipelines' API. [$KF_PIPELINES_ENDPOINT, else the cluster's]",
)
namespace_option = click.option(
    "--namespace",
    default="kubeflow",
    show_default=True,
    help="Namespace of the pods, whose Secrets and volume claims are checked.",
)


@contextlib.contextmanager
def connected(host: str | None) -> Iterator[kfp.Client]:
    """Connects to the API, and reports its errors in one line.

    Args:
        host: URL of the API. None means ``KF_PIPELINES_ENDPOINT``, else the API of the
            cluster that this process runs on, else that of the kubeconfig's cluster.

    Raises:
        SubmissionError: If the API does not answer or refuses a request.
    """
    try:
        with warnings.catch_warnings():
            # A warning that this client is for version 2.
            warnings.simplefilter("ignore", FutureWarning)
            client = kfp.Client(host)
        yield client
    except kfp_server_api.ApiException as error:
        raise SubmissionError(
            f"Kubeflow Pipelines rejected the request: {error.status} {_message(error)}"
        ) from error
    except (urllib3.exceptions.HTTPError, TimeoutError) as error:
        raise SubmissionError(
            "Kubeflow Pipelines' API does not answer"
            f"{f' at {host}' if host else ''}; set --host or KF_PIPELINES_ENDPOINT. "
            f"{error}"
        ) from error


def _message(error: kfp_server_api.ApiException) -> str:
    """Returns the first line of the API's message."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(error.body)["error"]).splitlines()[0]
    return str(error.reason)


def experiment_id(client: kfp.Client) -> str:
    """Returns the id of the experiment that all of Marquee's runs belong to."""
    with without_links():
        return str(client.create_experiment(EXPERIMENT).experiment_id)


def without_links() -> contextlib.AbstractContextManager[Any]:
    """Suppresses the links that kfp's client prints to standard output."""
    return contextlib.redirect_stdout(io.StringIO())


def check(client: kfp.Client, compiled: Compiled, namespace: str) -> list[str]:
    """Checks that the backend and the cluster have what the file needs.

    Args:
        client: Client of the API.
        compiled: The compiled file.
        namespace: Namespace of its pods.

    Returns:
        A sentence about each thing that could not be checked.

    Raises:
        SubmissionError: If something is missing.
    """
    return [*_check_backend(client, compiled), *_check_cluster(compiled, namespace)]


def _check_backend(client: kfp.Client, compiled: Compiled) -> Iterator[str]:
    healthz = client.healthzs.healthz_service_get_healthz(_preload_content=False)
    tag = str(json.loads(healthz.data).get("tag_name"))
    needed = compiled.submission.backend
    try:
        version = Version(tag)
    except InvalidVersion:
        yield (
            f"Kubeflow Pipelines reports no version ({tag!r}); the file needs {needed} "
            "or newer."
        )
        return
    if version < Version(needed):
        newer = "; ".join(
            f"{setting} needs {minimum}"
            for setting, minimum in compiled.submission.settings.items()
            if version < Version(minimum)
        )
        raise SubmissionError(
            f"{compiled.path} needs Kubeflow Pipelines {needed}, and this is {version}"
            f"{f': {newer}' if newer else ''}. Compile it with --backend-version "
            f"{version}, which names what to leave out."
        )


def _check_cluster(compiled: Compiled, namespace: str) -> Iterator[str]:
    try:
        core = _cluster()
    except kubernetes.config.ConfigException:
        yield (
            "Secrets, volume claims and the service account were not checked: there is "
            "no kubeconfig."
        )
        return
    account = compiled.submission.service_account
    wanted: list[tuple[str, str, Callable[..., Any]]] = [
        ("Secret", name, core.read_namespaced_secret) for name in compiled.secrets
    ]
    wanted += [
        ("PersistentVolumeClaim", name, core.read_namespaced_persistent_volume_claim)
        for name in compiled.claims
    ]
    wanted.append(("ServiceAccount", account, core.read_namespaced_service_account))
    missing = []
    for kind, name, read in sorted(wanted, key=lambda item: item[:2]):
        try:
            found = read(name, namespace)
        except kubernetes.client.ApiException as error:
            if error.status == 404:
                missing.append(f"{kind} {name}")
            else:
                yield f"{kind} {name} was not checked: {error.reason}."
            continue
        except urllib3.exceptions.HTTPError as error:
            yield f"Kubernetes does not answer; nothing was checked there: {error}"
            return
        if kind == "Secret":
            keys = compiled.secrets[name] - set(found.data or {})
            missing += [f"key {key} of Secret {name}" for key in sorted(keys)]
    if missing:
        raise SubmissionError(
            f"Namespace {namespace} lacks what the pods need: {', '.join(missing)}. "
            "docs/kubeflow/cluster.md describes how to create them."
        )


def _cluster() -> Any:
    try:
        kubernetes.config.load_incluster_config()
    except kubernetes.config.ConfigException:
        kubernetes.config.load_kube_config()
    return kubernetes.client.CoreV1Api()


def upload(client: kfp.Client, compiled: Compiled) -> tuple[str, str]:
    """Uploads the file, once, as a version of the pipeline that it names.

    Returns:
        The ids of the pipeline and of the version. The version's name is the beginning
        of the file's hash.
    """
    pipeline = client.get_pipeline_id(compiled.name)
    if pipeline is None:
        body = kfp_server_api.V2beta1Pipeline(display_name=compiled.name)
        pipeline = client.pipelines.pipeline_service_create_pipeline(body).pipeline_id
    version = compiled.digest[:VERSION_LENGTH]
    pages = every(
        lambda token: client.list_pipeline_versions(pipeline, token, PAGE),
        lambda page: page.pipeline_versions,
    )
    for found in pages:
        if found.display_name == version:
            return pipeline, found.pipeline_version_id
    with without_links():
        made = client.upload_pipeline_version(
            str(compiled.path), version, pipeline_id=pipeline
        )
    return pipeline, made.pipeline_version_id


def every(
    list_page: Callable[[str], Any], entries: Callable[[Any], list[Any] | None]
) -> Iterator[Any]:
    """Yields the entries of all pages of a list.

    Args:
        list_page: Returns the page of a token.
        entries: Returns the entries of a page.
    """
    token = ""
    while True:
        page = list_page(token)
        yield from entries(page) or []
        token = page.next_page_token
        if not token:
            return
