"""Compiles the pipeline for a cluster.

``python kubeflow/runner.py --image IMAGE --data /marquee/ratings`` writes a pipeline
for Kubeflow Pipelines v2. With ``--target argo`` it writes a workflow for Argo alone,
and with ``--target experimental-vertex`` a job for Vertex AI.
"""

import re
from pathlib import Path
from typing import Any

import click

from components.anomaly_gate.schema import SchemaError
from kubeflow.cluster import read_cluster
from pipeline import exit_codes
from pipeline.cli.command import (
    config_option,
    models_option,
    read_config,
    settings_option,
)
from pipeline.config.errors import ConfigError
from pipeline.retraining.cron_schedule import WEEKDAYS, Schedule
from pipeline.runs.code_version import version_of_all

CLUSTER_FILE = Path(__file__).with_name("cluster.yaml")
KFP, ARGO, VERTEX = "kfp", "argo", "experimental-vertex"
_NOT_EXECUTED = (
    f"--target {VERTEX}: this project has compiled jobs for Vertex AI, and has never "
    "executed one."
)


def _check_version(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    if value is not None and not re.fullmatch(r"\d+\.\d+\.\d+", value):
        raise click.BadParameter(f"{value!r} is not a version such as 2.0.5")
    return value


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--image", required=True, metavar="NAME", help="Container image of every step."
)
@click.option(
    "--data",
    required=True,
    metavar="URI",
    help="Folder of the ratings as pods see it: on the volume or in an object store.",
)
@click.option(
    "--spans",
    is_flag=True,
    help="The data is a folder of spans. Each run takes those of retrain.window.",
)
@click.option(
    "--tune",
    is_flag=True,
    help="Compile what `marquee tune` does, with tuner.workers pods for each model.",
)
@models_option
@config_option
@settings_option
@click.option(
    "--cluster",
    "cluster_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=CLUSTER_FILE,
    help="YAML file that describes the cluster. [kubeflow/cluster.yaml]",
)
@click.option(
    "--schedule",
    metavar="CRON",
    help="When to run: minute, hour, day of the month, month, weekday.",
)
@click.option(
    "--target",
    type=click.Choice([KFP, ARGO, VERTEX]),
    default=KFP,
    show_default=True,
    help="Kubeflow Pipelines v2, Argo Workflows alone, or Vertex AI, which has never "
    "been executed.",
)
@click.option(
    "--backend-version",
    metavar="VERSION",
    callback=_check_version,
    help="Version of the cluster's Kubeflow Pipelines. A setting that it does not "
    "support becomes an error. [not checked; the required version is printed]",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File to write. [marquee.yaml; for Vertex AI marquee.json]",
)
@click.pass_context
def main(
    ctx: click.Context,
    /,
    image: str,
    data: str,
    spans: bool,
    tune: bool,
    cluster_file: Path,
    schedule: str | None,
    target: str,
    backend_version: str | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Compile the pipeline for a cluster."""
    defaults = {"split.kind": "temporal"} if spans else None
    suffix = "json" if target == VERTEX else "yaml"
    path = (output or Path(f"marquee.{suffix}")).absolute()
    try:
        config = read_config(data, out=None, defaults=defaults, **options)
        cluster = read_cluster(cluster_file)
        if schedule is not None:
            check_schedule(schedule, cluster.timezone)
        if backend_version is not None and target != KFP:
            message = f"applies to --target {KFP} only, and the target is {target}"
            raise ConfigError(None, None, "--backend-version", message)
        if tune and target == VERTEX:
            message = f"is not supported by --target {VERTEX}, which shares no study"
            raise ConfigError(None, None, "--tune", message)
        if target == VERTEX:
            click.echo(_NOT_EXECUTED, err=True)
        from kubeflow import targets  # imports TFX, which takes 10 to 17 seconds

        write = {
            KFP: targets.write_kfp,
            ARGO: targets.write_argo,
            VERTEX: targets.write_vertex,
        }[target]
        write(
            targets.Job(
                *(config, image, cluster, spans, schedule, path, backend_version, tune)
            )
        )
    except (ConfigError, SchemaError) as error:
        click.echo(str(error), err=True)
        ctx.exit(exit_codes.CONFIG)
    size = path.stat().st_size
    click.echo(f"{path}: {size:,} bytes, compiled from sources {version_of_all()}")


def check_schedule(cron: str, timezone: str) -> None:
    """Checks that the controllers of Argo and Kubeflow Pipelines accept a schedule.

    Raises:
        ConfigError: If the schedule or the time zone is not valid.
    """
    try:
        Schedule(cron, timezone)
    except ConfigError as error:
        key = {"--cron": "--schedule", "--timezone": "timezone"}[str(error.key)]
        raise ConfigError(None, None, key, error.message) from error
    fields = cron.lower().split()
    message = ""
    if "last" in fields[2]:
        message = "'last' is not supported on a cluster: write the day as a number"
    if "7" in fields[4].replace("*/7", "*"):
        message = "on a cluster, write Sunday as 0, not as 7"
    days = {name: str(number) for number, name in enumerate(WEEKDAYS)}
    for first, last in re.findall(r"(\w+)-(\w+)", fields[4]):
        if days.get(first, first) > days.get(last, last):
            message = (
                f"on a cluster, a week begins on Sunday, so {first}-{last} is empty: "
                f"list the days, such as sat,sun"
            )
    if message:
        raise ConfigError(None, None, "--schedule", f"{cron!r}: {message}")


if __name__ == "__main__":
    main()
