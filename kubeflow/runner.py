"""Compiles the pipeline for a cluster.

``python kubeflow/runner.py --image IMAGE --data /marquee/ratings`` writes an Argo
workflow for open-source Kubeflow Pipelines; with ``--target vertex`` a job for Vertex
AI.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

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
    help="When `kubeflow/schedule.py apply` has it run: minute, hour, day of the month,"
    " month, weekday.",
)
@click.option(
    "--target", type=click.Choice(["argo", "vertex"]), default="argo", show_default=True
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="[marquee.yaml; of Vertex marquee.json]",
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
    target: Literal["argo", "vertex"],
    output: Path | None,
    **options: Any,
) -> None:
    """Compile the pipeline for Kubeflow Pipelines, or for Vertex AI."""
    defaults = {"split.kind": "temporal"} if spans else None
    try:
        config = read_config(data, out=None, defaults=defaults, **options)
        cluster = read_cluster(cluster_file)
        path = output or Path(f"marquee.{'yaml' if target == 'argo' else 'json'}")
        path = path.absolute()
        if target == "vertex":
            write_vertex(config, image, cluster, spans, path)
        else:
            write_argo(config, image, cluster, spans, schedule, path)
    except (ConfigError, SchemaError) as error:
        click.echo(str(error), err=True)
        ctx.exit(exits.CONFIG)
    click.echo(f"{path}: {path.stat().st_size:,} bytes")


def write_argo(
    config: PipelineConfig,
    image: str,
    cluster: Cluster,
    spans: bool,
    schedule: str | None,
    path: Path,
) -> None:
    """Writes an Argo workflow that passed all checks.

    Raises:
      ConfigError: something cannot be on a cluster.
    """
    from kubeflow import checks, workflow

    made = workflow.compiled(laid_out(config, cluster, spans), image, cluster)
    if schedule is not None:
        from pipeline.schedule import Schedule

        Schedule(schedule, cluster.timezone)  # raises where it is none
        annotations = {workflow.SCHEDULE: schedule, workflow.TIMEZONE: cluster.timezone}
        made["metadata"]["annotations"] |= annotations
    checks.check(made, cluster, list(config.models))
    path.write_text(workflow.dumped(made))


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
        return create_pipeline(
            config,
            config.data.source,
            pipeline_root=cluster.root,
            live_folder=cluster.live_folder,
            schema_path=Path(str(schema.path)),
            window=config.retrain.window if spans else "",
        )


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def write_vertex(
    config: PipelineConfig, image: str, cluster: Cluster, spans: bool, path: Path
) -> None:
    """Writes a job for Vertex AI.

    Raises:
      ConfigError: the artifacts or the live models are where Vertex cannot see them.
    """
    if not cluster.root.startswith("gs://"):
        message = f"is {cluster.root}, and Vertex AI has artifacts on gs:// alone"
        raise ConfigError(None, None, "root", message)
    if not cluster.live_folder.startswith("/gcs/"):
        message = f"is {cluster.live_folder}; Vertex AI has buckets below /gcs/ alone"
        raise ConfigError(None, None, "live_folder", message)
    if config.train.warm_start:
        message = "Vertex AI cannot look for the model to start from"
        raise ConfigError(None, None, "train.warm_start", message)
    from kubeflow import vertex

    vertex.write(laid_out(config, cluster, spans), image, cluster, path)


if __name__ == "__main__":
    main()
