"""Rejects settings that are valid alone but cannot work together."""

from collections.abc import Mapping
from typing import Any

from components.metric_names import AUC, GATED_LABEL_METRICS, GATED_RANKING_METRICS
from components.ratings_example_gen.settings import COUNT, KINDS_BY_TIME
from pipeline.config.data_section import DataConfig
from pipeline.config.delivery_section import SHADOW
from pipeline.config.dialect_checks import DIALECT, check_dialect, check_timezone
from pipeline.config.document import Document
from pipeline.config.events_section import NEGATIVE
from pipeline.config.sections import PipelineConfig, TrainConfig
from trainer_modules.configs.base import EXCLUSIVE, LOSSES, GradientConfig
from trainer_modules.configs.parse import parse
from trainer_modules.registry import MODELS, parts_of

_OWN_DATA_ONLY = ("items", "users", "columns", "item_columns", "user_columns", *DIALECT)
_NOT_GIVEN: tuple[Any, ...] = (None, False, {})


def model_problem(
    name: str, settings: Mapping[str, object], config: PipelineConfig
) -> str | None:
    """Returns why a model cannot learn with its settings; None if it can.

    Args:
        name: The model's name in the registry.
        settings: Those of its settings that differ from the defaults, each valid.
        config: The configuration that they are part of.
    """
    try:
        model = parse(MODELS[name].config_class, settings)
        parts = parts_of(model)
    except ValueError as error:
        return str(error)
    if isinstance(model, GradientConfig):
        return _task_problem(name, model, config)
    for role, (part, own) in parts.items():
        if problem := _part_problem(part.name, own, config):
            return f"{role}: {problem}"
    return None


def _part_problem(name: str, own: Any, config: PipelineConfig) -> str | None:
    """Returns why a model cannot be part of another one; None if it can."""
    if getattr(own, "tuned", "off") != "off":
        return (
            f"{name} takes settings that were found (tuned: auto) only where it is "
            "trained alone; copy those that `marquee models --tuned` lists"
        )
    return _task_problem(name, own, config) if isinstance(own, GradientConfig) else None


def _task_problem(
    name: str, model: GradientConfig, config: PipelineConfig
) -> str | None:
    """Returns why a model cannot learn its task; None if it can."""
    if model.loss not in LOSSES[model.task]:
        return (
            f"the task {model.task} cannot learn by {model.loss}; choose from "
            f"{', '.join(LOSSES[model.task])}"
        )
    own = MODELS[name].task
    if model.task != own and {model.task, own} & set(EXCLUSIVE):
        return (
            f"{name} learns {own}: only the models that are made for them learn "
            f"{', '.join(EXCLUSIVE[:-1])} or {EXCLUSIVE[-1]}, and those learn nothing "
            "else"
        )
    if model.num_negatives:
        return _drawn_items_problem(name, model)
    if model.task in ("in_batch", "sequence"):
        return None
    if model.task != "rating":
        return f"the task {model.task} needs num_negatives, at least 1"
    return _rating_problem(name, model, config)


def _drawn_items_problem(name: str, model: GradientConfig) -> str | None:
    """Returns why a model cannot learn from items that are drawn; None if it can."""
    if model.loss == "squared_error":
        reason = "it learns stars, and items that are drawn have none"
    elif model.task == "in_batch":
        reason = "it compares the items of a batch, to which none are drawn"
    else:
        return None
    return f"{reason}; set models.{name}.num_negatives=0"


def _rating_problem(
    name: str, model: GradientConfig, config: PipelineConfig
) -> str | None:
    """Returns why a model cannot learn from these ratings; None if it can."""
    if model.loss == "squared_error" and config.events.types:
        return (
            "it learns stars, and events have none; set "
            f"models.{name}.loss=cross_entropy, and models.{name}.num_negatives unless "
            "a type has the role negative"
        )
    if model.loss == "cross_entropy" and not any_disliked(config):
        return (
            f"it learns liked from disliked ratings, and {_no_dislikes(config)}; "
            f"set models.{name}.num_negatives, or {_how_to_dislike(config)}"
        )
    return None


def any_disliked(config: PipelineConfig) -> bool:
    """Returns whether a target of eval or test can be disliked."""
    if config.events.types:
        return NEGATIVE in config.events.roles_judged()
    return config.label.threshold != "all"


def _no_dislikes(config: PipelineConfig) -> str:
    if config.events.types:
        return "no judged type of events.types has the role negative"
    return "with label.threshold 'all' none is disliked"


def _how_to_dislike(config: PipelineConfig) -> str:
    return "such a type" if config.events.types else "a threshold"


def check_combinations(config: PipelineConfig, document: Document) -> None:
    """Rejects choices that are valid alone and impossible together.

    Raises:
        ConfigError: For the first impossible combination.
    """
    _check_split(config, document)
    if not any_disliked(config):
        _check_that_all_can_be_liked(config, document)
    _check_gate(config, document)
    if config.beam.runner == "experimental-dataflow":
        for name in ("project", "region", "temp_location", "image"):
            if getattr(config.beam, name) is None:
                message = "Dataflow needs it; it has no default"
                raise document.error(f"beam.{name}", message)
    _check_own_data(config.data, document)
    if config.data.repeats == COUNT and not config.events.types:
        message = (
            "it adds up the weights of events; set events.types, or choose another"
        )
        raise document.error("data.repeats", message)
    if config.lists.again_after and config.split.kind not in KINDS_BY_TIME:
        message = (
            "it compares times, and with split.kind=random a history has interactions "
            f"after the target; set split.kind={' or '.join(KINDS_BY_TIME)}, or choose "
            "true or never"
        )
        raise document.error("lists.recommend_again", message)
    _check_workers(config.train, document)
    check_dialect(config.data, document)
    fields = config.context.fields
    for name in fields:
        if fields.count(name) > 1:
            raise document.error("context.fields", f"{name} is given twice")
    check_timezone(config.context.timezone, "context.timezone", document)
    arms = config.delivery.arms
    if len({*arms, SHADOW}) <= len(arms):
        message = f"{arms} must be two names, and neither may be {SHADOW!r}"
        raise document.error("delivery.arms", message)


def _check_workers(train: TrainConfig, document: Document) -> None:
    if train.workers > 1 and train.checkpoint_every is None:
        message = "workers go on from checkpoints; set train.checkpoint_every, as in 5m"
        raise document.error("train.workers", message)
    if train.shard_tables_from is None:
        return
    for name in ("warm_start", "mixed_precision"):
        if getattr(train, name):
            message = f"it does not go together with train.{name}; set one of the two"
            raise document.error("train.shard_tables_from", message)


def _check_split(config: PipelineConfig, document: Document) -> None:
    held_out = config.split.eval_fraction + config.split.test_fraction
    if held_out >= 1:
        key = "test_fraction" if "split.test_fraction" in document else "eval_fraction"
        raise document.error(
            f"split.{key}",
            f"eval_fraction + test_fraction is {held_out:g}, which leaves nothing to "
            "train on; their sum must be below 1",
        )


def _check_that_all_can_be_liked(config: PipelineConfig, document: Document) -> None:
    """Rejects what compares liked with disliked ratings, where none is disliked."""
    if config.label.threshold == "all" and config.label.negative is not None:
        raise document.error(
            "label.negative",
            "with label.threshold 'all' every rating is liked, and none can be "
            "disliked; leave it out, or set a threshold such as '> 3'",
        )
    gate = config.gate
    metrics = {f"gate.floors.{metric}": metric for metric in gate.floors}
    for key, metric in {"gate.metric": gate.metric, **metrics}.items():
        if metric in GATED_LABEL_METRICS:
            raise document.error(
                key,
                f"{metric} compares liked with disliked ratings, and "
                f"{_no_dislikes(config)}; gate on a ranking metric: "
                f"{', '.join(GATED_RANKING_METRICS)}",
            )


def _check_gate(config: PipelineConfig, document: Document) -> None:
    gate = config.gate
    gated = {gate.metric, *gate.floors}
    if any_disliked(config) and AUC not in gated:
        raise document.error(
            "gate.floors", "auc is always among them; give it a floor, as in auc: 0.5"
        )
    if not gated & set(GATED_RANKING_METRICS):
        raise document.error(
            "gate.floors",
            "a ranking metric is always among them; give one a floor, or compare by "
            f"one (gate.metric): {', '.join(GATED_RANKING_METRICS)}",
        )
    judged = config.events.judged_types()
    if gate.max_loss_by_event and gate.metric == AUC:
        raise document.error(
            "gate.max_loss_by_event",
            "auc compares liked with disliked events, and all events of one type are "
            "either; set gate.metric to a ranking metric, such as mean_rank_auc",
        )
    for name in gate.max_loss_by_event:
        if name not in judged:
            known = f"choose from {', '.join(judged)}" if judged else "there are none"
            message = f"{name!r} is not a judged type of events; {known}"
            raise document.error(f"gate.max_loss_by_event.{name}", message)
    if gate.min_calibration > gate.max_calibration:
        name = "max" if "gate.max_calibration" in document else "min"
        raise document.error(
            f"gate.{name}_calibration",
            f"min_calibration is {gate.min_calibration:g} and max_calibration is "
            f"{gate.max_calibration:g}, between which there is nothing; no model could "
            "pass",
        )


def _check_own_data(data: DataConfig, document: Document) -> None:
    """Rejects settings of one's own files where the ratings are not one's own."""
    from pipeline.datasets import NAMES  # imports numpy: not for `marquee models`

    for name in _OWN_DATA_ONLY:
        if data.source in NAMES and getattr(data, name) not in _NOT_GIVEN:
            raise document.error(
                f"data.{name}",
                f"{data.source} has its own; this is for a file or folder of yours, "
                "given as data.source or --data",
            )
    for name in ("columns", "item_columns", "user_columns"):
        columns = [
            column for column in getattr(data, name).values() if column != "none"
        ]
        if len(set(columns)) < len(columns):
            message = "one column is given twice; each needs a column of its own"
            raise document.error(f"data.{name}", message)
