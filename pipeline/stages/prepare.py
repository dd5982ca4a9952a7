"""Stages from the ratings to checked, transformed examples, in data-flow order."""

import dataclasses
import glob
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tfx import v1 as tfx
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types.channel import BaseChannel

from components.anomaly_gate.component import AnomalyGate
from components.anomaly_gate.schema import (
    SPANS_SCHEMA,
    feature_kinds,
    rating_range,
    read_schema,
)
from components.anomaly_gate.schema_import import ImportSchemaGen
from components.catalogue_gen.component import CatalogueGen
from components.drift_gate.component import DriftGate
from components.ratings_example_gen.component import RatingsExampleGen
from components.ratings_example_gen.settings import ALL, Settings
from components.span_statistics.component import SpanStatistics
from pipeline.config.data_settings import data_settings
from pipeline.config.sections import PipelineConfig
from pipeline.runs.code_version import code_version
from trainer_modules.features import Kind
from trainer_modules.preprocessing import preprocessing_fn


@dataclasses.dataclass(frozen=True)
class Source:
    """The ratings that a pipeline reads.

    Attributes:
        path: Folder or file of the ratings. On a cluster, only the steps can access it.
        spans: Names of the spans in the folder, oldest first; empty if it has none.
        window: For a pipeline that is compiled once and runs many times, used instead
            of ``spans``: which of the spans that exist at the time of a run to read.
    """

    path: str
    spans: Sequence[str] = ()
    window: str = ""

    @property
    def has_spans(self) -> bool:
        """Whether the ratings are read span by span."""
        return bool(self.spans or self.window)


class DataChecks(NamedTuple):
    """The components that check the ratings against the curated schema."""

    statistics: BaseComponent
    schema: BaseComponent
    validator: BaseComponent
    gate: BaseComponent


class DriftChecks(NamedTuple):
    """The components that compare new ratings with those behind the live model."""

    statistics: BaseComponent
    gate: BaseComponent


def reading_settings(
    config: PipelineConfig, source: Source, schema_path: Path
) -> Settings:
    """Returns how the ratings are read, with the bounds of the curated schema."""
    schema = read_schema(schema_path)
    rating_min, rating_max = rating_range(schema)
    return dataclasses.replace(
        data_settings(config),
        rating_min=rating_min,
        rating_max=rating_max,
        kinds=feature_kinds(schema),
        spans=tuple(source.spans),
        window=source.window,
        code_version=code_version("components.ratings_example_gen.executor"),
    )


def read_ratings(settings: Settings, source: Source) -> BaseComponent:
    """Ratings to Examples: one per user and split, each rating in exactly one split."""
    folder, pattern = source.path, "*"
    if os.path.isfile(source.path):
        folder, name = os.path.split(source.path)
        pattern = glob.escape(name)
    return RatingsExampleGen(input_base=folder, pattern=pattern, settings=settings)


def read_catalogue(
    settings: Settings, source: Source, examples: BaseChannel
) -> BaseComponent:
    """Items to the catalogue."""
    return CatalogueGen(
        examples=examples,
        ratings=source.path,
        settings=settings,
        code_version=code_version("components.catalogue_gen.executor"),
    )


def check_data(source: Source, examples: BaseChannel, schema_path: Path) -> DataChecks:
    """Examples to statistics and anomalies; an anomaly stops the run."""
    statistics = tfx.components.StatisticsGen(examples=examples)
    schema = ImportSchemaGen(schema_file=str(schema_path))
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    gate = AnomalyGate(
        statistics=statistics.outputs["statistics"],
        anomalies=validator.outputs["anomalies"],
        source=source.path,
    )
    return DataChecks(statistics, schema, validator, gate)


def check_drift(
    config: PipelineConfig,
    settings: Settings,
    source: Source,
    examples: BaseChannel,
    live_folder: str,
) -> DriftChecks:
    """New ratings compared with those that the live model was trained on."""
    statistics = SpanStatistics(
        examples=examples,
        input_base=source.path,
        settings=settings.to_json(),
        code_version=code_version("components.span_statistics.component"),
    )
    schema_path = Path(config.schema.spans or SPANS_SCHEMA)
    gate = DriftGate(
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
    return DriftChecks(statistics, gate)


def transform(
    config: PipelineConfig,
    examples: BaseChannel,
    schema: BaseChannel,
    kinds: Mapping[str, Kind],
    gates: Sequence[BaseComponent],
) -> BaseComponent:
    """IDs to indices, ratings to labels: one graph for training and serving.

    Args:
        config: Configuration of the pipeline.
        examples: Output of ``read_ratings``.
        schema: The curated schema.
        kinds: The side features that are not categories.
        gates: Components that must have succeeded before.
    """
    component = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=dotted(preprocessing_fn),
        disable_statistics=True,
        disable_analyzer_cache=True,  # it is keyed by span, and there is only one
        custom_config={
            "label_threshold": config.label.threshold,
            "label_negative": config.label.negative,
            **({"judged": config.events.judged_types()} if config.events.types else {}),
            **({"keeps_repeats": True} if config.data.repeats == ALL else {}),
            "leave_out": config.vocabulary.leave_out,
            "kinds": dict(sorted(kinds.items())),
            "min_item_ratings": config.vocabulary.min_item_ratings,
            "code_version": code_version("trainer_modules.preprocessing"),
        },
    )
    for gate in gates:
        component.add_upstream_node(gate)
    return component


def dotted(function: object) -> str:
    """Returns the dotted name by which TFX imports a function."""
    return f"{function.__module__}.{function.__qualname__}"  # type: ignore[attr-defined]  # functions have both
