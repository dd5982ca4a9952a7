"""Runs a compiled pipeline on Kubeflow Pipelines, and shows how each step ends.

``python kubeflow/submit.py marquee.yaml``. The file becomes a version of the pipeline
of its name, once: the same file submitted again is another run of the same version.
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
# For which the API may be away, as it is while it is upgraded.
_PATIENCE_SECONDS = 600.0
# None: 2.0.5 has no state of a run whose workflow it has not seen yet.
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
    help="Show how each step ends, and end with the run's result.",
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
            click.echo("No longer watched; the run goes on.", err=True)
            ctx.exit(exit_codes.INTERRUPTED)
    if state != "succeeded":
        click.echo(
            "The task verdict prints which steps failed: the pods of those that the "
            "run outlives succeed. What the pods printed:\n"
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
    """Yields each step and the state in which it ends, and at last the run's.

    Args:
        client: Of the API.
        run: The run's id.
        steps: Names of the tasks that are steps.

    Yields:
        A step, empty for the run itself, and its state in lower case. Steps that the
        failure of others kept from starting are ``not run``.
    """
    seen: set[str] = set()
    ended = False
    while not ended:
        found = _answer(client, run)
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


def _answer(client: kfp.Client, run: str) -> Any:
    """Returns the run as the API has it, once it answers."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return client.get_run(run)
        except (urllib3.exceptions.HTTPError, kfp_server_api.ApiException):
            if time.monotonic() > end:
                raise
            time.sleep(POLL_SECONDS)


def _states(run: Any) -> dict[str, str]:
    """Returns step → state, in lower case, of those that have ended."""
    details = run.run_details.task_details if run.run_details else None
    return {
        task.display_name: str(task.state).lower()
        for task in details or []
        if task.state and str(task.state) not in _RUNNING
    }


if __name__ == "__main__":
    main()
