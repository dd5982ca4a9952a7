"""Runs a compiled pipeline on Kubeflow Pipelines, and shows how each step ends.

``python kubeflow/submit.py marquee.yaml``. The file is uploaded once, as a version of
the pipeline that it names; submitted again, it starts another run of that version.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click
import kfp
import kfp_server_api
import urllib3

from kubeflow.client import (
    VERSION_LENGTH,
    check,
    connected,
    experiment_id,
    file_argument,
    host_option,
    namespace_option,
    upload,
)
from kubeflow.submission import Compiled
from pipeline import exit_codes

POLL_SECONDS = 5.0
_OUTAGE_SECONDS = 600.0  # tolerated, since the API is unavailable during an upgrade
# None: 2.0.5 reports no state for a run whose workflow it has not seen yet.
_RUNNING = (
    None,
    "PENDING",
    "RUNNING",
    "CANCELING",
    "PAUSED",
    "RUNTIME_STATE_UNSPECIFIED",
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@file_argument
@host_option
@namespace_option
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Show how each step ends, and exit with the result of the run.",
)
@click.pass_context
def main(
    ctx: click.Context,
    /,
    compiled: Compiled,
    host: str | None,
    namespace: str,
    wait: bool,
) -> None:
    """Run FILE, compiled with --target kfp, on Kubeflow Pipelines."""
    state = ""
    with connected(host) as client:
        for unknown in check(client, compiled, namespace):
            click.echo(unknown, err=True)
        run = start(client, compiled)
        click.echo(f"{compiled.name} {compiled.digest[:VERSION_LENGTH]}: run {run}")
        if not wait:
            return
        try:
            for step, state in watch(client, run, compiled.steps):
                click.echo(f"{step or 'The run'}: {state}")
        except KeyboardInterrupt:
            click.echo("Stopped watching; the run goes on.", err=True)
            ctx.exit(exit_codes.INTERRUPTED)
    if state != "succeeded":
        click.echo(
            "The task verdict prints which steps failed: the pods of steps whose "
            "failure does not stop the run succeed. To see the logs of the pods:\n"
            f"  kubectl --namespace {namespace} logs --prefix --container main "
            f"--selector pipeline/runid={run}",
            err=True,
        )
        ctx.exit(exit_codes.FAILED)


def start(client: kfp.Client, compiled: Compiled) -> str:
    """Uploads the file and starts a run; returns the run's id."""
    pipeline, version = upload(client, compiled)
    experiment = experiment_id(client)
    with contextlib.redirect_stdout(sys.stderr):  # a link to the run
        started = client.run_pipeline(
            experiment,
            f"{compiled.name} {time.strftime('%Y-%m-%d %H:%M:%S')}",
            pipeline_id=pipeline,
            version_id=version,
            service_account=compiled.submission.service_account,
        )
    return str(started.run_id)


def watch(
    client: kfp.Client, run: str, steps: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yields the final state of each step, and at last that of the run.

    Args:
        client: Client of the API.
        run: Id of the run.
        steps: Names of the tasks that have a pod.

    Yields:
        Name of a step, empty for the run itself, and its state in lower case. A step
        that did not start because others failed is ``not run``.
    """
    seen: set[str] = set()
    ended = False
    while not ended:
        found = _get_run(client, run)
        ended = found.state not in _RUNNING
        states = _states(found)
        for step in steps:
            state = states.get(step, "not run" if ended else "")
            if state and step not in seen:
                seen.add(step)
                yield step, state
        if not ended:
            time.sleep(POLL_SECONDS)
    yield "", found.state.lower()


def _get_run(client: kfp.Client, run: str) -> Any:
    """Returns the run as soon as the API answers."""
    end = time.monotonic() + _OUTAGE_SECONDS
    while True:
        try:
            return client.get_run(run)
        except (urllib3.exceptions.HTTPError, kfp_server_api.ApiException):
            if time.monotonic() > end:
                raise
            time.sleep(POLL_SECONDS)


def _states(run: Any) -> dict[str, str]:
    """Returns the states, in lower case, of the steps that have ended."""
    details = run.run_details.task_details if run.run_details else None
    return {
        task.display_name: str(task.state).lower()
        for task in details or []
        if task.state and str(task.state) not in _RUNNING
    }


if __name__ == "__main__":
    main()
