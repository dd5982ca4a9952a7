"""Manages recurring runs of the files that ``runner.py --schedule`` compiles.

``python kubeflow/schedule.py apply marquee.yaml``; ``list``, ``pause NAME``, ``resume
NAME`` and ``delete NAME``. Kubeflow Pipelines cannot change a recurring run, so
``apply`` replaces one that differs by a new one of the same name. Applying the same
file twice changes nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any

import click
import kfp

from kubeflow.client import (
    PAGE,
    SubmissionError,
    check,
    connected,
    every,
    experiment_id,
    file_argument,
    host_option,
    namespace_option,
    upload,
)
from kubeflow.submission import Compiled


def apply(client: kfp.Client, compiled: Compiled, name: str, namespace: str) -> str:
    """Creates or replaces the recurring run of a name; returns what was done.

    The new one is created before the old one is deleted: after a failure in between
    there are two, never none, and the next ``apply`` leaves one.

    Raises:
        SubmissionError: If the file has no schedule, or the cluster lacks something
            that its pods need.
    """
    cron, timezone = compiled.submission.schedule, compiled.submission.timezone
    if cron is None:
        raise SubmissionError(
            f"{compiled.path} has no schedule; compile it with runner.py --schedule "
            "'0 3 * * *'"
        )
    description = f"{cron} {timezone}, sha256 {compiled.digest}"
    old = [run for run in recurring_runs(client) if run.display_name == name]
    if [run.description for run in old] == [description] and _is_on(old[0]):
        return f"{name}: unchanged, {cron} {timezone}"
    for unknown in check(client, compiled, namespace):
        click.echo(unknown, err=True)
    pipeline, version = upload(client, compiled)
    client.create_recurring_run(
        experiment_id(client),
        name,
        description=description,
        cron_expression=f"0 {cron}",  # Kubeflow's controller wants seconds, too
        max_concurrency=1,
        no_catchup=True,
        pipeline_id=pipeline,
        version_id=version,
        service_account=compiled.submission.service_account,
    )
    for run in old:
        client.delete_recurring_run(run.recurring_run_id)
    return f"{name}: {'replaced' if old else 'created'}, {cron} {timezone}"


def recurring_runs(client: kfp.Client) -> Iterator[Any]:
    """Yields all recurring runs of Marquee's experiment."""
    experiment = experiment_id(client)
    return every(
        lambda token: client.list_recurring_runs(token, PAGE, experiment_id=experiment),
        lambda page: page.recurring_runs,
    )


def _is_on(run: Any) -> bool:
    return str(run.status) == "ENABLED"


def _for_each(
    host: str | None, name: str, change: Callable[[kfp.Client, str], Any]
) -> None:
    """Changes all recurring runs of a name.

    Args:
        host: URL of the API.
        name: Name of the schedule.
        change: Method of the client that changes the recurring run with an id.

    Raises:
        SubmissionError: If there is no schedule of that name.
    """
    with connected(host) as client:
        runs = list(recurring_runs(client))
        found = [run for run in runs if run.display_name == name]
        if not found:
            names = ", ".join(sorted({run.display_name for run in runs})) or "none"
            raise SubmissionError(f"There is no schedule {name!r}; there are: {names}")
        for run in found:
            change(client, run.recurring_run_id)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@host_option
@click.pass_context
def main(ctx: click.Context, /, host: str | None) -> None:
    """Manage the pipeline's recurring runs on Kubeflow Pipelines."""
    ctx.obj = host


@main.command("apply")
@file_argument
@click.option("--name", help="Name of the schedule. [the file's name]")
@namespace_option
@click.pass_obj
def apply_command(
    host: str | None, compiled: Compiled, name: str | None, namespace: str
) -> None:
    """Schedule FILE, compiled with --schedule; one run at a time."""
    with connected(host) as client:
        done = apply(client, compiled, name or compiled.path.stem, namespace)
    click.echo(done)


@main.command("list")
@click.pass_obj
def list_command(host: str | None) -> None:
    """Show the schedules."""
    with connected(host) as client:
        found = list(recurring_runs(client))
    for run in found:
        when = (run.description or "").partition(",")[0]
        click.echo(f"{run.display_name}\t{when}\t{'on' if _is_on(run) else 'paused'}")


@main.command("pause")
@click.argument("name")
@click.pass_obj
def pause_command(host: str | None, name: str) -> None:
    """Start no further runs until `resume`."""
    _for_each(host, name, kfp.Client.disable_recurring_run)
    click.echo(f"{name}: paused")


@main.command("resume")
@click.argument("name")
@click.pass_obj
def resume_command(host: str | None, name: str) -> None:
    """Start runs again, and one at once if a run was due meanwhile."""
    _for_each(host, name, kfp.Client.enable_recurring_run)
    click.echo(f"{name}: resumed")


@main.command("delete")
@click.argument("name")
@click.pass_obj
def delete_command(host: str | None, name: str) -> None:
    """Remove a schedule. The results of its runs are kept."""
    _for_each(host, name, kfp.Client.delete_recurring_run)
    click.echo(f"{name}: deleted")


if __name__ == "__main__":
    main()
