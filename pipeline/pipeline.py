"""Builds the TFX pipeline, its stages in data-flow order."""

from pathlib import Path

from tfx import v1 as tfx
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types.channel import union

from pipeline.beam.options import beam_args
from pipeline.config.sections import PipelineConfig
from pipeline.stages import prepare, train_and_push
from pipeline.stages.prepare import Source

NAME = "marquee"


def create_pipeline(
    config: PipelineConfig,
    source: Source,
    *,
    pipeline_root: str,
    live_folder: str,
    schema_path: Path,
    metadata: tfx.orchestration.metadata.ConnectionConfigType | None = None,
) -> tfx.dsl.Pipeline:
    """Connects the components; nothing runs, and nothing of the data is read.

    Args:
        config: Configuration of the pipeline.
        source: The ratings.
        pipeline_root: Folder of the artifacts.
        live_folder: Folder to which the champion is pushed, with a subfolder for each
            version.
        schema_path: File of the curated schema.
        metadata: Connection to the metadata store, unless the runner provides it.
    """
    return tfx.dsl.Pipeline(
        pipeline_name=NAME,
        pipeline_root=pipeline_root,
        components=_components(config, source, live_folder, schema_path),
        enable_cache=True,
        metadata_connection_config=metadata,
        beam_pipeline_args=beam_args(config.beam),
    )


def _components(
    config: PipelineConfig, source: Source, live_folder: str, schema_path: Path
) -> list[BaseComponent]:
    settings = prepare.reading_settings(config, source, schema_path)
    ratings = prepare.read_ratings(settings, source)
    examples = ratings.outputs["examples"]
    items = prepare.read_catalogue(settings, source, examples)
    catalogue = items.outputs["catalogue"]
    checks = prepare.check_data(source, examples, schema_path)
    schema = checks.schema.outputs["schema"]
    drift = (
        prepare.check_drift(config, settings, source, examples, live_folder)
        if source.has_spans
        else None
    )
    gates = [checks.gate, *([drift.gate] if drift else [])]
    transform = prepare.transform(config, examples, schema, gates)
    base_model = train_and_push.find_base_model(config, transform, live_folder)
    trainers = train_and_push.train(config, transform, catalogue, base_model)
    models = union([trainer.outputs["model"] for trainer in trainers.values()])
    inputs = train_and_push.evaluation_inputs(config, examples, schema)
    evaluators = train_and_push.evaluate(trainers, inputs)
    live = train_and_push.evaluate_live(models, inputs, live_folder)
    judged = {
        "models": models,
        "evaluations": union([e.outputs["evaluation"] for e in evaluators]),
        "live_evaluation": live.evaluator.outputs["evaluation"],
        "examples": examples,
    }
    if drift:
        judged["span_statistics"] = drift.statistics.outputs["statistics"]
    champion = train_and_push.choose_champion(config, live_folder, judged)
    infra_check = train_and_push.check_serving(config, champion, examples, catalogue)
    pusher = train_and_push.push(config, champion, infra_check, live_folder)
    return [
        *(ratings, items, *checks, *(drift or ()), transform),
        *([base_model] if base_model else []),
        *(*trainers.values(), *evaluators, *live),
        *(champion, infra_check, pusher),
    ]
