"""Writes the compiled file of each target: Kubeflow Pipelines, Argo or Vertex AI."""

import contextlib
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
from tfx import v1 as tfx

from kubeflow import argo, backends, checks, pipeline_spec
from kubeflow.cluster import Cluster
from kubeflow.documents import dumped
from kubeflow.tasks import VERDICT
from pipeline.config.errors import ConfigError
from pipeline.config.sections import PipelineConfig, SchemaConfig
from pipeline.datasets import NAMES
from pipeline.datasets.databases.address import is_database
from pipeline.pipeline import Places, create_pipeline
from pipeline.stages.prepare import Source
from trainer_modules.configs.duration import duration_seconds

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Job:
    """A compilation as requested on the command line.

    Attributes:
        config: Settings of the pipeline.
        image: Container image of every step.
        cluster: Settings of the cluster that the pipeline will run on.
        spans: Whether the data is a folder of spans.
        schedule: Cron expression of five fields, in the cluster's time zone; None for a
            single run.
        path: File to write.
        backend: Version of the cluster's Kubeflow Pipelines; None if it is not known.
        tune: Whether to compile `marquee tune` instead of `marquee run`.
    """

    config: PipelineConfig
    image: str
    cluster: Cluster
    spans: bool
    schedule: str | None
    path: Path
    backend: str | None = None
    tune: bool = False


def write_kfp(job: Job) -> None:
    """Writes a checked pipeline spec, and prints which backend version it needs.

    Raises:
        ConfigError: If a check fails, or ``job.backend`` lacks a setting that is used.
    """
    pipeline = pipeline_for_pods(job.config, job.cluster, job.spans, job.tune)
    compiled = pipeline_spec.compiled(pipeline, job.image, job.cluster, job.schedule)
    size = backends.size(compiled.documents)
    problems = [*checks.too_large(size, backends.MAX_BYTES, list(job.config.models))]
    if job.backend is not None:
        problems += backends.lacks(compiled.requirements, job.backend)
    spec, platform = compiled.documents
    checks.check({"spec": spec, "platform": platform}, job.cluster, problems)
    job.path.write_text(dumped(*compiled.documents))
    minimum = backends.minimum_version(compiled.requirements)
    click.echo(f"The file needs Kubeflow Pipelines {minimum} or later.")
    for requirement in compiled.requirements:
        click.echo(f"  {requirement.since}: {requirement.setting}")


def write_argo(job: Job) -> None:
    """Writes a checked Argo workflow.

    Raises:
        ConfigError: If a check fails.
    """
    pipeline = pipeline_for_pods(job.config, job.cluster, job.spans, job.tune)
    manifest = argo.compiled(
        pipeline, job.image, job.cluster, job.path.stem, job.schedule
    )
    text = dumped(manifest)
    size = len(text.encode())
    problems = checks.too_large(size, argo.MAX_BYTES, list(job.config.models))
    checks.check(manifest, job.cluster, problems)
    job.path.write_text(text)


def write_vertex(job: Job) -> None:
    """Writes a job for Vertex AI.

    Raises:
        ConfigError: If Vertex AI cannot reach the artifacts or the live models, or does
            not support a setting that is used.
    """
    from kubeflow import experimental_vertex

    experimental_vertex.check(job.config, job.cluster, job.schedule)
    pipeline = pipeline_for_pods(job.config, job.cluster, job.spans)
    experimental_vertex.write(pipeline, job.image, job.cluster, job.path)


def pipeline_for_pods(
    config: PipelineConfig, cluster: Cluster, spans: bool, tune: bool = False
) -> tfx.dsl.Pipeline:
    """Builds the pipeline with the paths that pods use.

    Args:
        config: Settings of the pipeline.
        cluster: Settings of the cluster.
        spans: Whether the data is a folder of spans.
        tune: Whether to build the pipeline of `marquee tune`.

    Raises:
        ConfigError: If the data is a built-in data set, which pods would download, or
            in a database, if there is nothing to tune, if retraining is to tune, or if
            the pod of a Tuner would be ended before its budget.
    """
    if config.data.source in NAMES:
        raise ConfigError(
            None,
            None,
            "--data",
            f"{config.data.source} would be fetched by every pod; put its folder on the"
            " volume or in the object store, and name that",
        )
    for name in ("source", "items", "users"):
        if is_database(getattr(config.data, name)):
            raise ConfigError(
                None,
                None,
                f"data.{name}",
                "pods do not read databases; export the rows to the volume or to the "
                "object store, and name that",
            )
    for name in ("tune_every", "tune_below"):
        if getattr(config.retrain, name) is not None:
            raise ConfigError(
                None,
                None,
                f"retrain.{name}",
                "no run on the cluster tunes before it trains; set it to null, and "
                "compile a schedule of its own with --tune",
            )
    schema = SchemaConfig(
        path=config.schema.path or "schema/ratings.pbtxt",
        spans=config.schema.spans or "schema/spans.pbtxt",
    )
    config = msgspec.structs.replace(config, schema=schema)
    # A pod's working directory is the copy of the repository in its image, so the
    # paths of the repository's files are relative to the root here as well.
    with contextlib.chdir(ROOT):
        pipeline = create_pipeline(
            config,
            Source(config.data.source, window=config.retrain.window if spans else ""),
            Places(cluster.root, cluster.live_folder, Path(str(schema.path))),
            "tune" if tune else "train",
        )
    steps = [step.id for step in pipeline.components]
    _check_budget(config.tuner.budget, cluster, steps)
    for warning in _unmatched(cluster, steps):
        click.echo(warning, err=True)
    return pipeline


def _check_budget(budget: str | None, cluster: Cluster, steps: Sequence[str]) -> None:
    if budget is None:
        return
    for step in steps:
        limit = cluster.step(step).timeout_seconds
        is_tuner = step.partition("_")[0] == "Tuner"
        if is_tuner and limit is not None and limit <= duration_seconds(budget):
            raise ConfigError(
                None,
                None,
                "tuner.budget",
                f"the budget is {budget}, and the pod of {step} is ended after {limit} "
                "seconds; lower it, or set a higher steps.Tuner.timeout_seconds in the "
                "settings of the cluster (null: no limit)",
            )


def _unmatched(cluster: Cluster, steps: Sequence[str]) -> Iterator[str]:
    """Yields a warning for each of the cluster's settings that applies to no step."""
    names = {"default", VERDICT, *steps, *(step.partition("_")[0] for step in steps)}
    for name in sorted(set(cluster.steps) - names):
        near = difflib.get_close_matches(name, sorted(names), 1)
        suggestion = f"; did you mean {near[0]!r}?" if near else ""
        yield f"steps.{name} applies to no step of this pipeline{suggestion}"
