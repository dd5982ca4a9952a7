"""Compiles the pipeline as a job for Vertex AI, which has never been executed.

Vertex AI runs a step's executor and nothing of TFX around it: no drivers, no resolvers
except two of TFX's own, and no inputs that are unions of channels. This module replaces
what needs them. TFX's cache does not exist there either, and Vertex AI's own cache does
not notice changed files, so nothing is cached.
"""

from pathlib import Path
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec
from tfx.dsl.context_managers.dsl_context_registry import DslContextRegistry
from tfx.types import standard_artifacts
from tfx.types.channel import UnionChannel
from tfx.types.resolved_channel import ResolvedChannel
from tfx.utils import io_utils, path_utils

from components.champion import component as champion
from components.live_models import versions
from kubeflow.cluster import GIGABYTE, Cluster, Step, Training, number
from pipeline.config.errors import ConfigError
from pipeline.config.sections import PipelineConfig

_PART = "__part_"  # separates an input's name from the number of a union's channel
_Resources = (
    pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec
)


@tfx.dsl.components.component
def LiveModel(  # noqa: N802 - TFX names a component like the class that it becomes
    models: tfx.dsl.components.InputArtifact[list[standard_artifacts.Model]],
    live_folder: tfx.dsl.components.Parameter[str],
    champion: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
) -> None:
    """Copies the live model, whose artifact a resolver would find elsewhere.

    Args:
        models: Models of this run, which must exist before the live one is judged.
        live_folder: Folder of the live versions.
        champion: Artifact of the copy, empty if no model is live.
    """
    del models
    if live := versions.live(Path(live_folder)):
        target = path_utils.serving_model_path(champion.uri)
        io_utils.copy_dir(str(live.folder), target)


class ChampionExecutor(champion.Champion.EXECUTOR_SPEC.executor_class):  # type: ignore[name-defined]  # made by a decorator
    """Champion's executor, which restores the unions of channels first."""

    def Do(  # noqa: N802 - TFX's name
        self, input_dict: dict[str, list[Any]], *others: Any
    ) -> Any:
        """Chooses among the models."""
        return super().Do(_merge_unions(input_dict), *others)


class LiveModelExecutor(LiveModel.EXECUTOR_SPEC.executor_class):  # type: ignore[name-defined]  # the same
    """LiveModel's executor, which restores the unions of channels first."""

    def Do(  # noqa: N802 - TFX's name
        self, input_dict: dict[str, list[Any]], *others: Any
    ) -> Any:
        """Copies the live model."""
        return super().Do(_merge_unions(input_dict), *others)


def check(config: PipelineConfig, cluster: Cluster, schedule: str | None) -> None:
    """Checks that Vertex AI supports the settings.

    Raises:
        ConfigError: If it does not.
    """
    root, live_folder = cluster.root, cluster.live_folder
    if schedule is not None:
        message = "Vertex AI has schedules of its own; create one with its client"
        raise ConfigError(None, None, "--schedule", message)
    if not root.startswith("gs://"):
        message = f"is {root}, and Vertex AI stores artifacts on gs:// only"
        raise ConfigError(None, None, "root", message)
    if not live_folder.startswith("/gcs/"):
        message = f"is {live_folder}; Vertex AI mounts buckets below /gcs/ only"
        raise ConfigError(None, None, "live_folder", message)
    if config.train.warm_start:
        message = "Vertex AI cannot resolve the model to start from"
        raise ConfigError(None, None, "train.warm_start", message)


def write(pipeline: tfx.dsl.Pipeline, image: str, cluster: Cluster, path: Path) -> None:
    """Writes the job.

    Args:
        pipeline: Pipeline whose root is on ``gs://``.
        image: Container image of every step.
        cluster: Settings of the cluster, of which the resources of the steps and the
            live folder are used.
        path: JSON file to write.
    """
    runners = tfx.orchestration.experimental
    config = runners.KubeflowV2DagRunnerConfig(default_image=image)
    runners.KubeflowV2DagRunner(
        config, output_dir=str(path.parent), output_filename=path.name
    ).run(_adapted(pipeline, cluster))


def _adapted(pipeline: tfx.dsl.Pipeline, cluster: Cluster) -> tfx.dsl.Pipeline:
    """Returns a pipeline of the same steps, as Vertex AI can run them."""
    components = list(pipeline.components)
    ids = [component.id for component in components]
    resolver_index, champion_index = ids.index("LiveModel"), ids.index("Champion")
    chosen = components[champion_index]
    live_model = LiveModel(
        models=chosen.inputs["models"], live_folder=cluster.live_folder
    ).with_id("LiveModel")
    resolver = components[resolver_index]
    components[resolver_index] = live_model
    for component in components:
        component.upstream_nodes.discard(resolver)
        component.downstream_nodes.discard(resolver)
        for name, channel in list(component.inputs.items()):
            if isinstance(channel, ResolvedChannel):
                component.spec.inputs[name] = live_model.outputs["champion"]
    for component, executor in (
        (live_model, LiveModelExecutor),
        (chosen, ChampionExecutor),
    ):
        _split_unions(component.spec.inputs)
        component.executor_spec = executor_spec.ExecutorClassSpec(executor)
    for component in components:
        # TFX writes the container of a file-based ExampleGen without resources.
        if not component.id.startswith("RatingsExampleGen"):
            component.with_platform_config(_resources(cluster.step(component.id)))
    nodes = DslContextRegistry()  # the first pipeline has emptied TFX's own
    for component in components:
        nodes.put_node(component)
    return tfx.dsl.Pipeline(
        pipeline_name=pipeline.pipeline_info.pipeline_name,
        pipeline_root=pipeline.pipeline_info.pipeline_root,
        components=components,
        enable_cache=False,
        beam_pipeline_args=pipeline.beam_pipeline_args,
        dsl_context_registry=nodes,
    )


def _split_unions(inputs: dict[str, Any]) -> None:
    """Replaces each union by one input per channel."""
    for name, channel in list(inputs.items()):
        if isinstance(channel, UnionChannel):
            del inputs[name]
            for number, part in enumerate(channel.channels):
                inputs[f"{name}{_PART}{number}"] = part


def _merge_unions(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Undoes ``_split_unions``, in a step's inputs."""
    merged: dict[str, list[Any]] = {}
    for name, artifacts in inputs.items():
        merged.setdefault(name.partition(_PART)[0], []).extend(artifacts)
    return merged


def _resources(step: Step) -> Any:
    """Returns the limits of a step, in cores and gigabytes, and its GPUs."""
    resources = _Resources(
        cpu_limit=number(step.cpu_limit),
        memory_limit=number(step.memory_limit) / GIGABYTE,
    )
    if isinstance(step, Training) and step.gpus:
        resources.accelerator.type = step.accelerator
        resources.accelerator.count = step.gpus
    return resources
