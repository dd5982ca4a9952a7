"""Stages from transformed examples to the live model, in data-flow order."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from tfx import v1 as tfx
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types.channel import BaseChannel

from components.champion.component import Champion
from components.infra_check.component import InfraCheck
from components.infra_check.experimental_model_server import InfraValidator
from components.live_evaluator.component import LiveEvaluator
from components.pusher.component import Pusher
from components.ranking_metrics import extractors
from components.ratings_example_gen.settings import ALL
from components.trainer.component import Trainer
from pipeline.config.list_rules_file import read_rules
from pipeline.config.sections import PipelineConfig, context_timezone, is_tuned
from pipeline.evaluation import eval_config
from pipeline.live_model_resolver import base_model_resolver, live_model_resolver
from pipeline.runs.code_version import code_version
from pipeline.stages.prepare import dotted
from pipeline.tuned_resolver import tuned_resolver
from trainer_modules import features as f
from trainer_modules.configs.duration import duration_seconds
from trainer_modules.configs.parse import parse
from trainer_modules.registry import MODELS, POPULARITY, parts_of
from trainer_modules.run_fn import run_fn
from trainer_modules.workers.local import WORKER


class LiveEvaluation(NamedTuple):
    """The components that evaluate the live model like a candidate."""

    model: BaseComponent
    evaluator: BaseComponent


def find_base_model(
    config: PipelineConfig, transformed: BaseComponent, live_folder: str
) -> BaseComponent | None:
    """Resolves the live model that a warm start begins with; None for a cold start."""
    if not config.train.warm_start:
        return None
    return base_model_resolver(transformed.outputs["transform_graph"], live_folder)


def find_tuned(config: PipelineConfig) -> dict[str, BaseComponent]:
    """Resolves the settings of the models with ``tuned: auto``, by the model's name."""
    return {
        name: tuned_resolver(name) for name in config.models if is_tuned(config, name)
    }


def train(
    config: PipelineConfig,
    transformed: BaseComponent,
    catalogue: BaseChannel,
    base_model: BaseComponent | None,
    tuned: Mapping[str, BaseChannel],
) -> dict[str, BaseComponent]:
    """Transformed examples to models: one Trainer per model, by the model's name.

    Args:
        config: Configuration of the pipeline.
        transformed: The Transform step.
        catalogue: The catalogue.
        base_model: Resolver of the model to start from; None to start from scratch.
        tuned: Settings that a Tuner found, by the model's name.
    """
    return {
        name: Trainer(
            run_fn=dotted(run_fn),
            examples=transformed.outputs["transformed_examples"],
            transform_graph=transformed.outputs["transform_graph"],
            catalogue=catalogue,
            train_split=f.TRAIN_SPLIT,
            eval_split=f.EVAL_SPLIT,
            custom_config=trainer_config(name, config) | _execution(config),
            base_model=(
                base_model.outputs["champion"]
                if base_model and MODELS[name].is_fitted
                else None
            ),
            hyperparameters=tuned.get(name),
        ).with_id(f"Trainer_{name}")
        for name in config.models
    }


def evaluation_inputs(
    config: PipelineConfig, examples: BaseChannel, schema: BaseChannel
) -> dict[str, Any]:
    """Returns what every Evaluator gets besides its model: the same test split."""
    return {
        "examples": examples,
        "schema": schema,
        "eval_config": eval_config(
            config.gate, config.evaluation.num_sampled_negatives
        ),
        "example_splits": [f.TEST_SPLIT],
        "module_path": extractors.__name__,
    }


def evaluate(
    trainers: Mapping[str, BaseComponent], inputs: Mapping[str, Any]
) -> list[BaseComponent]:
    """Models to metrics: one Evaluator per Trainer, in the same order."""
    return [
        tfx.components.Evaluator(model=trainer.outputs["model"], **inputs).with_id(
            f"Evaluator_{name}"
        )
        for name, trainer in trainers.items()
    ]


def evaluate_live(
    models: BaseChannel, inputs: Mapping[str, Any], live_folder: str
) -> LiveEvaluation:
    """The live model to metrics, unless it is one of this run's candidates.

    Args:
        models: The candidates of this run.
        inputs: Those of ``evaluation_inputs``.
        live_folder: Folder of the live versions.
    """
    model = live_model_resolver(models, live_folder)
    return LiveEvaluation(
        model, LiveEvaluator(model=model.outputs["champion"], **inputs)
    )


def choose_champion(
    config: PipelineConfig,
    live_folder: str,
    channels: Mapping[str, BaseChannel],
) -> BaseComponent:
    """Models and metrics to the best model that passes the gate.

    Args:
        config: Configuration of the pipeline.
        live_folder: Folder of the live versions.
        channels: Inputs of ``Champion`` by name.
    """
    return Champion(
        gate=msgspec.json.encode(config.gate).decode(),
        reference=POPULARITY,
        live_folder=live_folder,
        code_version=code_version("components.champion.component"),
        **channels,
    )


def check_serving(
    config: PipelineConfig,
    champion: BaseComponent,
    examples: BaseChannel,
    catalogue: BaseChannel,
) -> BaseComponent:
    """The chosen model to a verdict on whether it can serve."""
    serving, model = config.serving, champion.outputs["champion"]
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


def push(
    config: PipelineConfig,
    champion: BaseComponent,
    infra_check: BaseComponent,
    live_folder: str,
) -> BaseComponent:
    """The chosen model to the live folder, under a new version number."""
    return Pusher(
        model=champion.outputs["champion"],
        blessing=champion.outputs["blessing"],
        infra_blessing=infra_check.outputs["blessing"],
        live_folder=live_folder,
        keep_versions=config.serving.keep_versions,
        delivery=json.dumps(
            {
                "delivery": msgspec.to_builtins(config.delivery),
                "online": msgspec.to_builtins(config.online),
            }
        ),
    )


def _execution(config: PipelineConfig) -> dict[str, int]:
    """Returns the settings of a Trainer that belong to no recipe of a model."""
    every, workers = config.train.checkpoint_every, config.train.workers
    settings = {"checkpoint_seconds": duration_seconds(every) if every else 0}
    if workers > 1:
        seconds = duration_seconds(config.train.worker_timeout)
        settings |= {"workers": workers, "worker_seconds": seconds}
    return settings


def trainer_config(name: str, config: PipelineConfig) -> dict[str, object]:
    """Returns the ``custom_config`` of a model's Trainer (``TrainerSettings``)."""
    model_config = parse(MODELS[name].config_class, config.models[name])
    settings = {
        "model": name,
        "config": dataclasses.asdict(model_config),
        "seed": config.train.seed,
        "require_gpu": config.train.require_gpu,
        "mixed_precision": config.train.mixed_precision,
        "warm_start": config.train.warm_start and MODELS[name].is_fitted,
        "split": msgspec.structs.asdict(config.split),
        "leave_out": config.vocabulary.leave_out,
        "max_scored_pairs": config.evaluation.max_scored_pairs,
        "index_from": config.lists.index_from,
        "index_probes": config.lists.index_probes,
        "code_version": code_version(
            run_fn.__module__, WORKER, *model_modules(name, config)
        ),
    }
    if config.events.types:
        types = config.events.types.items()
        settings["events"] = {name: kind.rating for name, kind in types}
        settings["judged"] = config.events.judged_types()
    if config.data.repeats == ALL:
        settings["counts_repeats"] = True
    if config.train.shard_tables_from is not None:
        settings["shard_tables_from"] = config.train.shard_tables_from
    if config.lists.again_after is not None:
        settings["again_after"] = config.lists.again_after
    if config.lists.rules is not None:
        # The content, so that a compiled pipeline needs no file, and a cached model
        # follows the rules as they are.
        rules = read_rules(Path(config.lists.rules))
        settings["rules"] = msgspec.to_builtins(rules)
    if config.context.fields and MODELS[name].reads_fields:
        settings["context"] = {
            "fields": config.context.fields,
            "timezone": context_timezone(config),
        }
    if is_tuned(config, name):
        settings["own"] = config.models[name]
    # The gate recognises by it a model that is retrained on other ratings.
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return settings | {"recipe": f"{name}-{digest[:12]}"}


def model_modules(name: str, config: PipelineConfig) -> list[str]:
    """Returns the modules of a model and of the models that it consists of."""
    parts = parts_of(parse(MODELS[name].config_class, config.models[name]))
    names = [name, *(spec.name for spec, _ in parts.values())]
    return [f"trainer_modules.models.{each}" for each in names]
