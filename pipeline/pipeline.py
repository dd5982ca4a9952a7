"""All of it, in the order in which the data meets it."""

import dataclasses
import glob
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types.channel import union

from components.anomaly_gate.component import AnomalyGate
from components.anomaly_gate.schema import SPANS_SCHEMA, rating_range, read_schema
from components.catalogue_gen.component import CatalogueGen
from components.champion.component import Champion
from components.drift_gate.component import DriftGate
from components.infra_check.component import InfraCheck
from components.infra_check.experimental_model_server import InfraValidator
from components.live_evaluator.component import LiveEvaluator
from components.pusher.component import Pusher
from components.ranking_metrics import extractors
from components.ratings_example_gen.component import RatingsExampleGen
from components.span_statistics.component import SpanStatistics
from components.trainer.component import Trainer
from pipeline.beam.options import beam_args
from pipeline.config.data_settings import data_settings
from pipeline.config.schema import PipelineConfig, ServingConfig
from pipeline.evaluation import eval_config, rules
from pipeline.live_model_resolver import base_model_resolver, live_model_resolver
from pipeline.runs.code_version import code_version
from trainer_modules import features as f
from trainer_modules.configs.parse import parse
from trainer_modules.preprocessing import preprocessing_fn
from trainer_modules.registry import MODELS, POPULARITY
from trainer_modules.run_fn import run_fn

NAME = "marquee"


def create_pipeline(
    config: PipelineConfig,
    data: str,
    *,
    pipeline_root: str,
    live_folder: str,
    schema_path: Path,
    spans: Sequence[str] = (),
    window: str = "",
    metadata: tfx.orchestration.metadata.ConnectionConfigType | None = None,
) -> tfx.dsl.Pipeline:
    """Lays the steps out; nothing runs yet, and nothing of the data is looked at.

    Args:
        config: What the person chose.
        data: The folder or file of the ratings; on a cluster the steps alone can see
            it.
        pipeline_root: Where artifacts go.
        live_folder: Where the champion is pushed to, a folder for each version.
        schema_path: The curated schema, a file.
        spans: Names of the spans in ``data``, the oldest first; of no spans empty.
        window: In their place, where the pipeline is laid out once and runs many times:
            which of the spans to take that are there when it runs.
        metadata: Of the metadata store, unless the runner knows it.
    """
    # Ratings in: one Example per user, each rating in exactly one split.
    rating_min, rating_max = rating_range(read_schema(schema_path))
    settings = dataclasses.replace(
        data_settings(config),
        rating_min=rating_min,
        rating_max=rating_max,
        spans=tuple(spans),
        window=window,
        code_version=code_version("components.ratings_example_gen.executor"),
    )
    folder, pattern = data, "*"
    if os.path.isfile(data):
        folder, name = os.path.split(data)
        pattern = glob.escape(name)
    examples = RatingsExampleGen(input_base=folder, pattern=pattern, settings=settings)
    raw = examples.outputs["examples"]

    # Items in: the catalogue.
    catalogue = CatalogueGen(
        examples=raw,
        ratings=data,
        settings=settings,
        code_version=code_version("components.catalogue_gen.executor"),
    )

    # Checked against the curated schema; an anomaly stops the run.
    statistics = tfx.components.StatisticsGen(examples=raw)
    schema = tfx.components.ImportSchemaGen(schema_file=str(schema_path))
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    gate = AnomalyGate(
        statistics=statistics.outputs["statistics"],
        anomalies=validator.outputs["anomalies"],
        source=data,
    )

    # New ratings held against those that the live model learned from.
    gatekeepers = [gate]
    drift: list[Any] = []
    newest: dict[str, Any] = {}
    if spans or window:
        span_statistics = SpanStatistics(
            examples=raw,
            input_base=data,
            settings=settings.to_json(),
            code_version=code_version("components.span_statistics.component"),
        )
        newest = {"span_statistics": span_statistics.outputs["statistics"]}
        drift_gate = _drift_gate(config, span_statistics, live_folder)
        gatekeepers.append(drift_gate)
        drift = [span_statistics, drift_gate]

    # Ids to indices, ratings to labels: the same graph in training and serving.
    transform = tfx.components.Transform(
        examples=raw,
        schema=schema.outputs["schema"],
        preprocessing_fn=_dotted(preprocessing_fn),
        disable_statistics=True,
        disable_analyzer_cache=True,  # it is keyed by span, and we have one
        custom_config={
            "label_threshold": config.label.threshold,
            "label_negative": config.label.negative,
            "leave_out": config.vocabulary.leave_out,
            "min_item_ratings": config.vocabulary.min_item_ratings,
            "code_version": code_version("trainer_modules.preprocessing"),
        },
    )
    for gatekeeper in gatekeepers:
        transform.add_upstream_node(gatekeeper)

    # One Trainer for each model; from the live model, if that is wanted.
    base_model = (
        base_model_resolver(transform.outputs["transform_graph"], live_folder)
        if config.train.warm_start
        else None
    )
    trainers = {
        name: Trainer(
            run_fn=_dotted(run_fn),
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            catalogue=catalogue.outputs["catalogue"],
            train_split=f.TRAIN_SPLIT,
            eval_split=f.EVAL_SPLIT,
            custom_config=_trainer_config(name, config),
            base_model=(
                base_model.outputs["champion"]
                if base_model and _learns_by_gradients(name)
                else None
            ),
        ).with_id(f"Trainer_{name}")
        for name in config.models
    }
    models = union([trainer.outputs["model"] for trainer in trainers.values()])

    # Each judged on the test split, and so is the model that is live now.
    judging: dict[str, Any] = {
        "examples": raw,
        "schema": schema.outputs["schema"],
        "eval_config": eval_config(
            config.gate, config.evaluation.num_sampled_negatives
        ),
        "example_splits": [f.TEST_SPLIT],
        "module_path": extractors.__name__,
    }
    evaluators = {
        name: tfx.components.Evaluator(
            model=trainer.outputs["model"], **judging
        ).with_id(f"Evaluator_{name}")
        for name, trainer in trainers.items()
    }
    live_model = live_model_resolver(models, live_folder)
    live_evaluator = LiveEvaluator(model=live_model.outputs["champion"], **judging)

    # The best of those that passed, if it is surely better than what is live.
    champion = Champion(
        models=models,
        evaluations=union([e.outputs["evaluation"] for e in evaluators.values()]),
        live_evaluation=live_evaluator.outputs["evaluation"],
        examples=raw,
        gate=rules(config.gate),
        needs_live=config.gate.without_baseline == "refuse",
        reference=POPULARITY,
        live_folder=live_folder,
        code_version=code_version("components.champion.component"),
        **newest,
    )

    # Asked what production will ask, then live under a new number.
    infra_check = _infra_check(
        config.serving,
        model=champion.outputs["champion"],
        examples=raw,
        catalogue=catalogue.outputs["catalogue"],
    )
    pusher = Pusher(
        model=champion.outputs["champion"],
        blessing=champion.outputs["blessing"],
        infra_blessing=infra_check.outputs["blessing"],
        live_folder=live_folder,
        keep_versions=config.serving.keep_versions,
    )
    return tfx.dsl.Pipeline(
        pipeline_name=NAME,
        pipeline_root=pipeline_root,
        components=[
            examples,
            catalogue,
            statistics,
            schema,
            validator,
            gate,
            *drift,
            transform,
            *([base_model] if base_model else []),
            *trainers.values(),
            *evaluators.values(),
            live_model,
            live_evaluator,
            champion,
            infra_check,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=metadata,
        beam_pipeline_args=beam_args(config.beam),
    )


def _drift_gate(
    config: PipelineConfig, statistics: BaseComponent, live_folder: str
) -> BaseComponent:
    schema_path = Path(config.schema.spans or SPANS_SCHEMA)
    return DriftGate(
        statistics=statistics.outputs["statistics"],
        live_folder=live_folder,
        schema_path=str(schema_path),
        schema_fingerprint=hashlib.sha256(
            read_schema(schema_path).SerializeToString(deterministic=True)
        ).hexdigest(),
        min_ratings=config.retrain.min_drift_ratings,
        stops=config.retrain.drift == "stop",
        code_version=code_version("components.drift_gate.component"),
    )


def _infra_check(
    serving: ServingConfig,
    model: types.BaseChannel,
    examples: types.BaseChannel,
    catalogue: types.BaseChannel,
) -> tfx.types.BaseComponent:
    if serving.infra_check != "process":
        return InfraValidator(
            model, examples, serving.infra_check, serving.check_seconds
        )
    return InfraCheck(
        model=model,
        examples=examples,
        catalogue=catalogue,
        seconds=serving.check_seconds,
        memory_mb=serving.max_memory_mb,
        latency_ms=serving.max_latency_ms,
        size_mb=serving.max_size_mb,
        code_version=code_version(
            "components.infra_check.component", "components.infra_check.probe"
        ),
    )


def _trainer_config(name: str, config: PipelineConfig) -> dict[str, Any]:
    model_config = parse(MODELS[name].config_class, config.models[name])
    settings = {
        "model": name,
        "config": dataclasses.asdict(model_config),
        "seed": config.train.seed,
        "require_gpu": config.train.require_gpu,
        "mixed_precision": config.train.mixed_precision,
        "warm_start": config.train.warm_start and _learns_by_gradients(name),
        "split": msgspec.structs.asdict(config.split),
        "leave_out": config.vocabulary.leave_out,
        "max_scored_pairs": config.evaluation.max_scored_pairs,
        "code_version": code_version(
            run_fn.__module__, f"trainer_modules.models.{name}"
        ),
    }
    # By which the gate recognises a model that is trained anew on other ratings.
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return settings | {"recipe": f"{name}-{digest[:12]}"}


def _learns_by_gradients(name: str) -> bool:
    return MODELS[name].task != "closed_form"


def _dotted(function: object) -> str:
    return f"{function.__module__}.{function.__qualname__}"  # type: ignore[attr-defined]  # functions have both
