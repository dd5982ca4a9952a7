"""Builds the TFX pipelines, their stages in data-flow order."""

from pathlib import Path
from typing import Literal, NamedTuple

from tfx import v1 as tfx
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types.channel import BaseChannel, union

from pipeline.beam.options import beam_args
from pipeline.config.sections import PipelineConfig, only_tuned
from pipeline.stages import prepare, train_and_push, tune
from pipeline.stages.prepare import Source
from pipeline.tuned_resolver import HYPERPARAMETERS

NAME = "marquee"
Stages = Literal["train", "tune", "tune and train"]  # what follows Transform


class Places(NamedTuple):
    """Where a pipeline keeps and finds what is not in its configuration.

    Attributes:
        pipeline_root: Folder of the artifacts.
        live_folder: Folder to which the champion is pushed, with a subfolder for each
            version. Studies are beside it; it is never in an object store, which has no
            locks.
        schema_path: File of the curated schema.
        metadata: Connection to the metadata store, unless the runner provides it.
    """

    pipeline_root: str
    live_folder: str
    schema_path: Path
    metadata: tfx.orchestration.metadata.ConnectionConfigType | None = None


def create_pipeline(
    config: PipelineConfig, source: Source, places: Places, stages: Stages = "train"
) -> tfx.dsl.Pipeline:
    """Connects the components; nothing runs, and nothing of the data is read.

    Args:
        config: Configuration of the pipeline.
        source: The ratings.
        places: Where the artifacts, the live model and the schema are.
        stages: What follows Transform. With ``tune and train``, the Trainers of models
            with ``tuned: auto`` take what their Tuners find, rather than what was found
            last.
    """
    live_folder = places.live_folder
    prepared = _prepare(config, source, live_folder, places.schema_path)
    components, tuners = list(prepared.components), []
    if stages != "train":
        tuned = config if stages == "tune" else only_tuned(config)
        studies = str(Path(live_folder).with_name("studies"))
        tuners = tune.tune(tuned, prepared.transform, prepared.catalogue, studies)
        components += tuners
    if stages != "tune":
        components += _train_and_push(config, prepared, live_folder, tuners)
    return tfx.dsl.Pipeline(
        pipeline_name=NAME,
        pipeline_root=places.pipeline_root,
        components=components,
        enable_cache=True,
        metadata_connection_config=places.metadata,
        beam_pipeline_args=beam_args(config.beam),
    )


class _Prepared(NamedTuple):
    """The stages up to Transform, and what those after it read."""

    components: list[BaseComponent]
    examples: BaseChannel
    catalogue: BaseChannel
    schema: BaseChannel
    transform: BaseComponent
    span_statistics: BaseChannel | None


def _prepare(
    config: PipelineConfig, source: Source, live_folder: str, schema_path: Path
) -> _Prepared:
    settings = prepare.reading_settings(config, source, schema_path)
    ratings = prepare.read_ratings(settings, source)
    examples = ratings.outputs["examples"]
    items = prepare.read_catalogue(settings, source, examples)
    checks = prepare.check_data(source, examples, schema_path)
    schema = checks.schema.outputs["schema"]
    drift = (
        prepare.check_drift(config, settings, source, examples, live_folder)
        if source.has_spans
        else None
    )
    gates = [checks.gate, *([drift.gate] if drift else [])]
    transform = prepare.transform(config, examples, schema, settings.kinds, gates)
    return _Prepared(
        [ratings, items, *checks, *(drift or ()), transform],
        examples,
        items.outputs["catalogue"],
        schema,
        transform,
        drift.statistics.outputs["statistics"] if drift else None,
    )


def _train_and_push(
    config: PipelineConfig,
    prepared: _Prepared,
    live_folder: str,
    tuners: list[BaseComponent],
) -> list[BaseComponent]:
    examples, catalogue = prepared.examples, prepared.catalogue
    base_model = train_and_push.find_base_model(config, prepared.transform, live_folder)
    resolvers = {} if tuners else train_and_push.find_tuned(config)
    tuned = {name: node.outputs[HYPERPARAMETERS] for name, node in resolvers.items()}
    trainers = train_and_push.train(
        config,
        prepared.transform,
        catalogue,
        base_model,
        {**tune.best_settings(tuners), **tuned},
    )
    models = union([trainer.outputs["model"] for trainer in trainers.values()])
    inputs = train_and_push.evaluation_inputs(config, examples, prepared.schema)
    evaluators = train_and_push.evaluate(trainers, inputs)
    live = train_and_push.evaluate_live(models, inputs, live_folder)
    judged = {
        "models": models,
        "evaluations": union([e.outputs["evaluation"] for e in evaluators]),
        "live_evaluation": live.evaluator.outputs["evaluation"],
        "examples": examples,
    }
    if prepared.span_statistics:
        judged["span_statistics"] = prepared.span_statistics
    champion = train_and_push.choose_champion(config, live_folder, judged)
    infra_check = train_and_push.check_serving(config, champion, examples, catalogue)
    pusher = train_and_push.push(config, champion, infra_check, live_folder)
    return [
        *([base_model] if base_model else []),
        *resolvers.values(),
        *(*trainers.values(), *evaluators, *live),
        *(champion, infra_check, pusher),
    ]
