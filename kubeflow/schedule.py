"""Recurring runs as code: what ``runner.py --schedule`` compiled, by Kubeflow's clock.

``python kubeflow/schedule.py apply marquee.yaml``; ``list``, ``pause NAME`` and
``delete NAME``. Kubeflow Pipelines cannot change a recurring run, so one that differs
is replaced by another of its name; the same file applied twice changes nothing.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kfp
import yaml

SCHEDULE, TIMEZONE = "marquee/schedule", "marquee/timezone"
EXPERIMENT = "marquee"
_PAGE = 100


class ScheduleError(click.ClickException):
    """What was asked for cannot be done; nothing was changed."""


def seconds_first(cron: str) -> str:
    """The schedule as Kubeflow's controller reads it: with seconds, and no day 7.

    Raises:
      ScheduleError: Sunday is called 7.
    """
    *others, weekday = cron.split()
    if "7" in weekday:
        raise ScheduleError(f"{cron!r}: Kubeflow's name for Sunday is 0, not 7")
    return " ".join(["0", *others, weekday])


def apply(client: kfp.Client, path: Path, name: str) -> str:
    """Creates or replaces the recurring run of that name; returns what was done.

    The new one is there before the old one goes: what fails in between leaves two of
    them, never none, and the next ``apply`` leaves one.

    Raises:
      ScheduleError: the file was compiled without a schedule.
    """
    text = path.read_bytes()
    annotations = yaml.safe_load(text)["metadata"]["annotations"]
    if SCHEDULE not in annotations:
        raise ScheduleError(
            f"{path} says no time; compile it with runner.py --schedule '0 3 * * *'"
        )
    cron, timezone = annotations[SCHEDULE], annotations[TIMEZONE]
    told = f"{cron} {timezone}, sha256 {hashlib.sha256(text).hexdigest()}"
    old = list(_named(client, name))
    if [job.description for job in old] == [told] and old[0].enabled:
        return f"{name}: unchanged, {cron} {timezone}"
    client.create_recurring_run(
        client.create_experiment(EXPERIMENT).id,
        name,
        description=told,
        cron_expression=seconds_first(cron),
        max_concurrency=1,
        no_catchup=True,
        pipeline_package_path=str(path),
    )
    for job in old:
        client.delete_job(job.id)
    return f"{name}: {'replaced' if old else 'created'}, {cron} {timezone}"


def jobs(client: kfp.Client) -> Iterator[Any]:
    """All recurring runs of ours."""
    experiment = client.create_experiment(EXPERIMENT).id
    token = ""
    while True:
        found = client.list_recurring_runs(token, _PAGE, experiment_id=experiment)
        yield from found.jobs or []
        token = found.next_page_token
        if not token:
            return


def _named(client: kfp.Client, name: str) -> Iterator[Any]:
    return (job for job in jobs(client) if job.name == name)


def _known(client: kfp.Client, name: str) -> list[Any]:
    found = list(_named(client, name))
    if not found:
        names = ", ".join(sorted({job.name for job in jobs(client)})) or "none"
        raise ScheduleError(f"there is no schedule {name!r}; there are: {names}")
    return found


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--host",
    metavar="URL",
    help="Of Kubeflow Pipelines' API. [$KF_PIPELINES_ENDPOINT, else the cluster's own]",
)
@click.pass_context
def main(ctx: click.Context, /, host: str | None) -> None:
    """Have Kubeflow Pipelines run the pipeline by the clock."""
    ctx.obj = lambda: kfp.Client(host)


@main.command("apply")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--name", help="Of the schedule. [the file's name]")
@click.pass_obj
def apply_command(client: Any, file: Path, name: str | None) -> None:
    """Have FILE, compiled with --schedule, run by its clock; one run at a time."""
    click.echo(apply(client(), file, name or file.stem))


@main.command("list")
@click.pass_obj
def list_command(client: Any) -> None:
    """Show what is scheduled."""
    for job in jobs(client()):
        when = job.description.partition(",")[0]
        click.echo(f"{job.name}\t{when}\t{'on' if job.enabled else 'paused'}")


@main.command("pause")
@click.argument("name")
@click.pass_obj
def pause_command(client: Any, name: str) -> None:
    """Start no further runs; `apply` goes on."""
    connected = client()
    for job in _known(connected, name):
        connected.disable_job(job.id)
    click.echo(f"{name}: paused")


@main.command("delete")
@click.argument("name")
@click.pass_obj
def delete_command(client: Any, name: str) -> None:
    """Remove a schedule; its runs and what they made stay."""
    connected = client()
    for job in _known(connected, name):
        connected.delete_job(job.id)
    click.echo(f"{name}: deleted")


if __name__ == "__main__":
    main()
