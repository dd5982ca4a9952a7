"""Compiles the pipeline for a cluster.

``python kubeflow/runner.py --image IMAGE --data /marquee/ratings`` writes a workflow
for Argo; with ``--target vertex`` a job for Vertex AI.
"""

import contextlib
import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from components.anomaly_gate.schema import SchemaError
from kubeflow.cluster import Cluster, read_cluster
from pipeline import exits
from pipeline.cli.command import (
    config_option,
    models_option,
    read_config,
    settings_option,
)
from pipeline.config import ConfigError, PipelineConfig, SchemaConfig
from pipeline.datasets import NAMES

ROOT = Path(__file__).resolve().parent.parent
CLUSTER_FILE = Path(__file__).with_name("cluster.yaml")


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
    "--target", type=click.Choice(["argo", "vertex"]), default="argo", show_default=True
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
    output: Path | None,
    **options: Any,
) -> None:
    """Compile the pipeline for Argo Workflows or for Vertex AI."""
    defaults = {"split.kind": "temporal"} if spans else None
    write, suffix = {
        "argo": (write_argo, "yaml"),
        "vertex": (write_vertex, "json"),
    }[target]
    path = (output or Path(f"marquee.{suffix}")).absolute()
    try:
        config = read_config(data, out=None, defaults=defaults, **options)
        cluster = read_cluster(cluster_file)
        if schedule is not None:
            check_schedule(schedule, cluster.timezone)
        write(Job(config, image, cluster, spans, schedule, path))
    except (ConfigError, SchemaError) as error:
        click.echo(str(error), err=True)
        ctx.exit(exits.CONFIG)
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
    """

    config: PipelineConfig
    image: str
    cluster: Cluster
    spans: bool
    schedule: str | None
    path: Path


def check_schedule(cron: str, timezone: str) -> None:
    """Refuses what the controllers of Argo or of Kubeflow Pipelines cannot read.

    Raises:
        ConfigError: The schedule or the timezone is not valid.
    """
    from pipeline.schedule import Schedule

    Schedule(cron, timezone)
    if "7" in cron.split()[4]:
        message = f"{cron!r}: on a cluster, Sunday is 0 and not 7"
        raise ConfigError(None, None, "--schedule", message)


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
    names = {"default", *steps, *(step.partition("_")[0] for step in steps)}
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
