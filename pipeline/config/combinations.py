"""Rejects settings that are valid alone but cannot work together."""

import re
import time
import zoneinfo
from collections.abc import Mapping
from typing import Any

from components.metric_names import AUC, GATED_LABEL_METRICS, GATED_RANKING_METRICS
from pipeline.config.document import Document
from pipeline.config.schema import DataConfig, PipelineConfig
from trainer_modules.configs.base import LOSSES, GradientConfig
from trainer_modules.configs.parse import parse
from trainer_modules.configs.sequence import SequenceConfig
from trainer_modules.registry import MODELS

_OF_OWN_DATA = ("items", "users", "columns", "item_columns", "user_columns")
_NOT_GIVEN: tuple[Any, ...] = (None, False, {})
# How a person's own text is written (components/ratings_example_gen/dialect.py).
DIALECT = (
    *("delimiter", "encoding", "quote", "escape", "header", "decimal", "thousands"),
    *("timestamp_format", "timestamp_unit", "timezone", "null_values", "keep_blanks"),
)


def model_problem(
    name: str, settings: Mapping[str, Any], config: PipelineConfig
) -> str | None:
    """Why a model cannot learn what it is told to; None where it can."""
    model = parse(MODELS[name].config_class, settings)
    if not isinstance(model, GradientConfig):
        return None
    if model.loss not in LOSSES[model.task]:
        return (
            f"the task {model.task} cannot learn by {model.loss}; choose from "
            f"{', '.join(LOSSES[model.task])}"
        )
    if (model.task == "next_item") != isinstance(model, SequenceConfig):
        return (
            f"{name} learns {MODELS[name].task}: only models that read the order of a "
            "history learn next_item, and those learn nothing else"
        )
    if model.task != "rating" and not model.num_negatives:
        return f"the task {model.task} needs num_negatives, at least 1"
    learns_labels = model.task == "rating" and model.loss == "cross_entropy"
    if learns_labels and config.label.threshold == "all" and not model.num_negatives:
        return (
            "it learns liked from disliked ratings, and with label.threshold 'all' "
            f"none is disliked; set models.{name}.num_negatives, or a threshold"
        )
    return None


def check_combinations(config: PipelineConfig, document: "Document") -> None:
    """Refuses choices that are valid alone and impossible together."""
    from pipeline.datasets import NAMES  # imports numpy: not for `marquee models`

    split, gate, data = config.split, config.gate, config.data
    held_out = split.eval_fraction + split.test_fraction
    if held_out >= 1:
        key = "test_fraction" if "split.test_fraction" in document else "eval_fraction"
        raise document.error(
            f"split.{key}",
            f"eval_fraction + test_fraction is {held_out:g}, which leaves nothing to "
            "train on; their sum must be below 1",
        )
    if config.label.threshold == "all":
        if config.label.negative is not None:
            raise document.error(
                "label.negative",
                "with label.threshold 'all' every rating is liked, and none can be "
                "disliked; leave it out, or set a threshold, as in '> 3'",
            )
        for key, metric in (
            ("gate.metric", gate.metric),
            *((f"gate.floors.{metric}", metric) for metric in gate.floors),
        ):
            if metric in GATED_LABEL_METRICS:
                raise document.error(
                    key,
                    f"{metric} compares liked with disliked ratings, and with "
                    "label.threshold 'all' none is disliked; gate on a ranking metric: "
                    f"{', '.join(GATED_RANKING_METRICS)}",
                )
    gated = {gate.metric, *gate.floors}
    if config.label.threshold != "all" and AUC not in gated:
        raise document.error(
            "gate.floors", "auc is always among them; give it a floor, as in auc: 0.5"
        )
    if not gated & set(GATED_RANKING_METRICS):
        raise document.error(
            "gate.floors",
            "a ranking metric is always among them; give one a floor, or compare by "
            f"one (gate.metric): {', '.join(GATED_RANKING_METRICS)}",
        )
    if config.beam.runner == "experimental-dataflow":
        for name in ("project", "region", "temp_location", "image"):
            if getattr(config.beam, name) is None:
                raise document.error(
                    f"beam.{name}", "Dataflow needs it; it has no default"
                )
    for name in (*_OF_OWN_DATA, *DIALECT):
        if data.source in NAMES and getattr(data, name) not in _NOT_GIVEN:
            raise document.error(
                f"data.{name}",
                f"{data.source} has its own; this is for a file or folder of yours, "
                "given as data.source or --data",
            )
    _check_dialect(data, document)
    for name in ("columns", "item_columns", "user_columns"):
        columns = [each for each in getattr(data, name).values() if each != "none"]
        if len(set(columns)) < len(columns):
            raise document.error(
                f"data.{name}",
                "one column is given twice; each needs a column of its own",
            )


def _check_dialect(data: DataConfig, document: "Document") -> None:
    """Refuses marks, encodings and time zones that do not exist."""
    for name in ("quote", "escape", "thousands"):
        mark = getattr(data, name)
        if mark not in (None, "none") and (len(mark) > 1 or not mark.isascii()):
            message = f"expected one ASCII character or none, got {mark!r}"
            raise document.error(f"data.{name}", message)
    for name in ("delimiter", "quote", "escape", "thousands"):
        mark = getattr(data, name) or ""
        if len(mark) == 1 and (mark.isalnum() or mark in "+-" * (name == "thousands")):
            message = f"{mark!r} is part of values, and cannot be a mark between them"
            raise document.error(f"data.{name}", message)
    marks = [mark for mark in (data.decimal, data.thousands) if mark]
    if len(set(marks)) < len(marks):
        message = f"is {data.thousands!r}, as data.decimal is; one mark cannot be both"
        raise document.error("data.thousands", message)
    if data.timestamp_format is not None and data.timestamp_unit is not None:
        message = "is for times that are numbers, which data.timestamp_format excludes"
        raise document.error("data.timestamp_unit", message)
    if data.timestamp_format not in (None, "iso8601"):
        try:
            time.strptime("", data.timestamp_format)
        except (ValueError, re.error) as error:
            if "does not match" not in str(error):
                message = f"is not a format of strptime ({error}); expected such as "
                message += "'%d.%m.%Y %H:%M'"
                raise document.error("data.timestamp_format", message) from error
    if data.encoding is not None:
        try:
            "".encode(data.encoding)
        except LookupError as error:
            message = f"no encoding {data.encoding!r}; such as utf-8, latin-1 or utf-16"
            raise document.error("data.encoding", message) from error
    if data.timezone is not None:
        try:
            zoneinfo.ZoneInfo(data.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            message = f"no time zone {data.timezone!r}; expected a name such as "
            message += "Europe/Berlin or UTC"
            raise document.error("data.timezone", message) from error
