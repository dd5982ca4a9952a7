"""Compiles the pipeline for a cluster.

``python kubeflow/runner.py --image IMAGE --data /marquee/ratings`` writes a pipeline
for Kubeflow Pipelines v2; with ``--target argo`` a workflow for Argo alone, and with
``--target vertex`` a job for Vertex AI.
"""

import contextlib
import difflib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from components.anomaly_gate.schema import SchemaError
from kubeflow.cluster import Cluster, read_cluster
from pipeline import exit_codes
from pipeline.cli.command import (
    config_option,
    models_option,
    read_config,
    settings_option,
)
from pipeline.config.errors import ConfigError
from pipeline.config.schema import PipelineConfig, SchemaConfig
from pipeline.datasets import NAMES

ROOT = Path(__file__).resolve().parent.parent
CLUSTER_FILE = Path(__file__).with_name("cluster.yaml")


def _check_version(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    if value is not None and not re.fullmatch(r"\d+\.\d+\.\d+", value):
        raise click.BadParameter(f"{value!r} is not a version such as 2.0.5")
    return value


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--image", required=True, metavar="NAME", help="Of every step.")
@click.option(
    "--data",
    required=True,
    metavar="URI",
    help="The ratings: a folder that pods can see, of the volume or an object store.",
)
@click.option(
    "--spans",
    is_flag=True,
    help="The data is a folder of spans, and each run takes those of retrain.window.",
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
    help="YAML of the cluster. [kubeflow/cluster.yaml]",
)
@click.option(
    "--schedule",
    metavar="CRON",
    help="When to run: minute, hour, day of the month, month, weekday.",
)
@click.option(
    "--target",
    type=click.Choice(["kfp", "argo", "vertex"]),
    default="kfp",
    show_default=True,
    help="Kubeflow Pipelines v2, Argo Workflows alone, or Vertex AI.",
)
@click.option(
    "--backend-version",
    metavar="VERSION",
    callback=_check_version,
    help="Of the cluster's Kubeflow Pipelines. A setting that it does not have is an "
    "error. [the file says which version it needs]",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="[marquee.yaml; for Vertex AI marquee.json]",
)
@click.pass_context
def main(
    ctx: click.Context,
    /,
    image: str,
    data: str,
    spans: bool,
    cluster_file: Path,
    schedule: str | None,
    target: str,
    backend_version: str | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Compile the pipeline for a cluster."""
    defaults = {"split.kind": "temporal"} if spans else None
    write, suffix = {
        "kfp": (write_kfp, "yaml"),
        "argo": (write_argo, "yaml"),
        "vertex": (write_vertex, "json"),
    }[target]
    path = (output or Path(f"marquee.{suffix}")).absolute()
    try:
        config = read_config(data, out=None, defaults=defaults, **options)
        cluster = read_cluster(cluster_file)
        if schedule is not None:
            check_schedule(schedule, cluster.timezone)
        if backend_version is not None and target != "kfp":
            message = f"is for --target kfp, and the target is {target}"
            raise ConfigError(None, None, "--backend-version", message)
        write(Job(config, image, cluster, spans, schedule, path, backend_version))
    except (ConfigError, SchemaError) as error:
        click.echo(str(error), err=True)
        ctx.exit(exit_codes.CONFIG)
    click.echo(f"{path}: {path.stat().st_size:,} bytes")


@dataclass(frozen=True)
class Job:
    """What was asked for.

    Attributes:
        config: The pipeline's settings.
        image: What every step runs in.
        cluster: Where the pipeline will run.
        spans: Whether the data is a folder of spans.
        schedule: Five fields of cron, in the cluster's timezone; None for one run.
        path: The file to write.
        backend: Version of the cluster's Kubeflow Pipelines; None if it is not known.
    """

    config: PipelineConfig
    image: str
    cluster: Cluster
    spans: bool
    schedule: str | None
    path: Path
    backend: str | None = None


def check_schedule(cron: str, timezone: str) -> None:
    """Refuses what the controllers of Argo or of Kubeflow Pipelines cannot read.

    Raises:
        ConfigError: The schedule or the timezone is not valid.
    """
    from pipeline.retraining.cron_schedule import WEEKDAYS, Schedule

    try:
        Schedule(cron, timezone)
    except ConfigError as error:
        key = {"--cron": "--schedule", "--timezone": "timezone"}[str(error.key)]
        raise ConfigError(None, None, key, error.message) from error
    fields = cron.lower().split()
    message = ""
    if "last" in fields[2]:
        message = "on a cluster, a day of the month is a number"
    if "7" in fields[4].replace("*/7", "*"):
        message = "on a cluster, Sunday is 0 and not 7"
    days = {name: str(number) for number, name in enumerate(WEEKDAYS)}
    for first, last in re.findall(r"(\w+)-(\w+)", fields[4]):
        if days.get(first, first) > days.get(last, last):
            message = f"on a cluster, a week begins with Sunday: {first}-{last} is none"
    if message:
        raise ConfigError(None, None, "--schedule", f"{cron!r}: {message}")


def write_kfp(job: Job) -> None:
    """Writes a pipeline spec that passed all checks, and says what it needs.

    Raises:
        ConfigError: Something in it cannot be on a cluster, or not on that version of
            Kubeflow Pipelines.
    """
    from kubeflow import backends, checks, pipeline_spec

    spec, platform = pipeline_spec.compiled(
        laid_out(job.config, job.cluster, job.spans),
        job.image,
        job.cluster,
        job.schedule,
    )
    settings = backends.needed(spec, platform)
    size, limit = backends.size([spec, platform]), backends.MAX_BYTES
    further = [*checks.too_large(size, limit, list(job.config.models))]
    if job.backend is not None:
        further += backends.lacks(settings, job.backend)
    checks.check({"spec": spec, "platform": platform}, job.cluster, further)
    job.path.write_text(pipeline_spec.dumped([spec, platform]))
    newest = backends.newest(settings.values())
    click.echo(f"The file needs Kubeflow Pipelines {newest} or later.")
    for setting, version in settings.items():
        click.echo(f"  {version}: {setting}")


def write_argo(job: Job) -> None:
    """Writes an Argo workflow that passed all checks.

    Raises:
        ConfigError: Something in it cannot be on a cluster.
    """
    from kubeflow import argo, checks

    made = argo.compiled(
        laid_out(job.config, job.cluster, job.spans),
        job.image,
        job.cluster,
        job.path.stem,
        job.schedule,
    )
    text = argo.dumped(made)
    size = len(text.encode())
    further = checks.too_large(size, argo.MAX_BYTES, list(job.config.models))
    checks.check(made, job.cluster, further)
    job.path.write_text(text)


def laid_out(config: PipelineConfig, cluster: Cluster, spans: bool) -> Any:
    """The pipeline with what pods can reach."""
    from pipeline.pipeline import create_pipeline

    if config.data.source in NAMES:
        raise ConfigError(
            None,
            None,
            "--data",
            f"{config.data.source} would be fetched by every pod; put its folder on the"
            " volume or in the object store, and name that",
        )
    schema = SchemaConfig(
        path=config.schema.path or "schema/ratings.pbtxt",
        spans=config.schema.spans or "schema/spans.pbtxt",
    )
    config = msgspec.structs.replace(config, schema=schema)
    # Pods run in the repository's folder of their image, so its files have these names.
    with _in_folder(ROOT):
        pipeline = create_pipeline(
            config,
            config.data.source,
            pipeline_root=cluster.root,
            live_folder=cluster.live_folder,
            schema_path=Path(str(schema.path)),
            window=config.retrain.window if spans else "",
        )
    for warning in unmatched(cluster, [step.id for step in pipeline.components]):
        click.echo(warning, err=True)
    return pipeline


def unmatched(cluster: Cluster, steps: Sequence[str]) -> Iterator[str]:
    """Names the cluster's settings that no step of this pipeline has."""
    from kubeflow.tasks import VERDICT

    names = {"default", VERDICT, *steps, *(step.partition("_")[0] for step in steps)}
    for name in sorted(set(cluster.steps) - names):
        near = difflib.get_close_matches(name, sorted(names), 1)
        suggestion = f"; did you mean {near[0]!r}?" if near else ""
        yield f"steps.{name} applies to no step of this pipeline{suggestion}"


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def write_vertex(job: Job) -> None:
    """Writes a job for Vertex AI.

    Raises:
        ConfigError: The artifacts or the live models are where Vertex AI cannot see
            them, or it lacks what a setting needs.
    """
    root, live_folder = job.cluster.root, job.cluster.live_folder
    if job.schedule is not None:
        message = "Vertex AI has schedules of its own; create one with its client"
        raise ConfigError(None, None, "--schedule", message)
    if not root.startswith("gs://"):
        message = f"is {root}, and Vertex AI has artifacts on gs:// alone"
        raise ConfigError(None, None, "root", message)
    if not live_folder.startswith("/gcs/"):
        message = f"is {live_folder}; Vertex AI has buckets below /gcs/ alone"
        raise ConfigError(None, None, "live_folder", message)
    if job.config.train.warm_start:
        message = "Vertex AI cannot look for the model to start from"
        raise ConfigError(None, None, "train.warm_start", message)
    from kubeflow import vertex

    pipeline = laid_out(job.config, job.cluster, job.spans)
    vertex.write(pipeline, job.image, job.cluster, job.path)


if __name__ == "__main__":
    main()
