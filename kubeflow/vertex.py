"""Makes a job for Vertex AI of the pipeline; compiled here, and never run there.

Vertex runs a step's executor and nothing of TFX around it: no drivers, no resolvers but
two of TFX's own, no inputs that are the union of others. What needs those is put in
another way; and since TFX's cache is not there either, and Vertex's own knows nothing
of files that changed, nothing is cached.
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
from kubeflow.cluster import Cluster, Step, Training, number

_PART = "__part_"  # between an input's name and a number
_Resources = (
    pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec
)


@tfx.dsl.components.component
def LiveModel(  # noqa: N802 - TFX names a component like the class that it becomes
    models: tfx.dsl.components.InputArtifact[list[standard_artifacts.Model]],
    live_folder: tfx.dsl.components.Parameter[str],
    champion: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
) -> None:
    """Copies the model that serves, where a resolver would find its artifact.

    Args:
        models: Of this run, which have to be there before the live one is judged.
        live_folder: Of the versions.
        champion: Empty where nothing is live.
    """
    del models
    if live := versions.live(Path(live_folder)):
        target = path_utils.serving_model_path(champion.uri)
        io_utils.copy_dir(str(live.folder), target)


class ChampionExecutor(champion.Champion.EXECUTOR_SPEC.executor_class):  # type: ignore[name-defined]  # made by a decorator
    """Champion's, with the parts of unions put together again."""

    def Do(  # noqa: N802 - TFX's name
        self, input_dict: dict[str, list[Any]], *others: Any
    ) -> Any:
        """Chooses among the models."""
        return super().Do(_together(input_dict), *others)


class LiveModelExecutor(LiveModel.EXECUTOR_SPEC.executor_class):  # type: ignore[name-defined]  # the same
    """LiveModel's, in the same way."""

    def Do(  # noqa: N802 - TFX's name
        self, input_dict: dict[str, list[Any]], *others: Any
    ) -> Any:
        """Copies the live model."""
        return super().Do(_together(input_dict), *others)


def write(pipeline: tfx.dsl.Pipeline, image: str, cluster: Cluster, path: Path) -> None:
    """Writes the job.

    Args:
        pipeline: With a root on ``gs://``.
        image: Of every step.
        cluster: Of which what a step asks for counts, and where the live folder is.
        path: Of the file, JSON.
    """
    runners = tfx.orchestration.experimental
    config = runners.KubeflowV2DagRunnerConfig(default_image=image)
    runners.KubeflowV2DagRunner(
        config, output_dir=str(path.parent), output_filename=path.name
    ).run(_adapted(pipeline, cluster))


def _adapted(pipeline: tfx.dsl.Pipeline, cluster: Cluster) -> tfx.dsl.Pipeline:
    """The same steps, as Vertex can run them."""
    components = list(pipeline.components)
    [at] = [i for i, each in enumerate(components) if each.id == "LiveModel"]
    [chosen] = [each for each in components if each.id == "Champion"]
    live_model = LiveModel(
        models=chosen.inputs["models"], live_folder=cluster.live_folder
    ).with_id("LiveModel")
    resolver, components[at] = components[at], live_model
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
        _take_apart(component.spec.inputs)
        component.executor_spec = executor_spec.ExecutorClassSpec(executor)
    for component in components:
        if not component.id.startswith("RatingsExampleGen"):  # Vertex has no such thing
            component.with_platform_config(_resources(cluster.step(component.id)))
    nodes = DslContextRegistry()  # the first pipeline took them out of TFX's own
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


def _take_apart(inputs: dict[str, Any]) -> None:
    """Gives each channel of a union an input of its own."""
    for name, channel in list(inputs.items()):
        if isinstance(channel, UnionChannel):
            del inputs[name]
            for number, part in enumerate(channel.channels):
                inputs[f"{name}{_PART}{number}"] = part


def _together(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What ``_take_apart`` took apart."""
    together: dict[str, list[Any]] = {}
    for name, artifacts in inputs.items():
        together.setdefault(name.partition(_PART)[0], []).extend(artifacts)
    return together


def _resources(step: Step) -> Any:
    """In cores and gigabytes."""
    resources = _Resources(
        cpu_limit=number(step.cpu_limit), memory_limit=number(step.memory_limit) / 1e9
    )
    if isinstance(step, Training) and step.gpus:
        resources.accelerator.type = step.accelerator
        resources.accelerator.count = step.gpus
    return resources
