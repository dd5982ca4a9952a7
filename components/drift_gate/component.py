"""DriftGate: stops a run whose newest span differs too much from the last one."""

import dataclasses
import json
import os
from pathlib import Path

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx
from tfx.components.statistics_gen.executor import DEFAULT_FILE_NAME
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.anomaly_gate.schema import read_schema
from components.drift_gate.drift import DriftError, Measured, growth, measured_in
from components.drift_gate.driver import Driver
from components.live_models import versions
from components.ratings_example_gen.executor import NEWEST_SPAN
from components.span_statistics.component import SPLIT
from trainer_modules import features as f
from trainer_modules.model_card import read_card

DRIFT_FILE = "drift.json"


class Drift(tfx.dsl.Artifact):
    """``drift.json``: which spans were compared, and every distance."""

    TYPE_NAME = "marquee.Drift"


@tfx.dsl.components.component
def DriftGate(  # noqa: N802 - TFX names a component like the class that it becomes
    statistics: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleStatistics],
    live_folder: tfx.dsl.components.Parameter[str],
    schema_path: tfx.dsl.components.Parameter[str],
    schema_fingerprint: tfx.dsl.components.Parameter[str],
    min_ratings: tfx.dsl.components.Parameter[int],
    stops: tfx.dsl.components.Parameter[bool],
    code_version: tfx.dsl.components.Parameter[str],
    drift: tfx.dsl.components.OutputArtifact[Drift],
) -> None:
    """Compares the newest span with the one that the live model learned from.

    Args:
        statistics: Statistics of the newest span, from ``SpanStatistics``.
        live_folder: Folder of the live versions.
        schema_path: Path of a schema with drift comparators.
        schema_fingerprint: Part of the cache key, so that edited thresholds count.
        min_ratings: Least number of ratings to compare; small samples always differ.
            The growth of a span needs as many in the newest one only.
        stops: Whether drift stops the run, or is only reported.
        code_version: Part of the cache key.
        drift: The result of the comparison.

    Raises:
        DriftError: If ``stops`` and a feature exceeds its threshold; names all of them.
    """
    del schema_fingerprint, code_version
    span = statistics.get_string_custom_property(NEWEST_SPAN)
    split = artifact_utils.get_split_uri([statistics], SPLIT)
    newest = tfdv.load_stats_binary(os.path.join(split, DEFAULT_FILE_NAME))
    live = versions.live(Path(live_folder))
    measured: list[Measured] = []
    live_span, not_compared = "", _why_incomparable(live)
    if live and not not_compared:
        live_span = read_card(str(live.folder)).newest_span
        earlier = tfdv.load_stats_binary(str(live.folder / f.SPAN_STATISTICS_FILE))
        schema = read_schema(Path(schema_path))
        size, before = (each.datasets[0].num_examples for each in (newest, earlier))
        if size >= min_ratings:
            measured += growth(size, before, schema)
        not_compared = _too_few(min(size, before), min_ratings)
        if not not_compared:
            anomalies = tfdv.validate_statistics(
                newest, schema, previous_statistics=earlier
            )
            measured += measured_in(anomalies)
    drifted = [distance for distance in measured if distance.is_drift]
    if drifted and stops:
        raise DriftError(drifted, span, live_span)
    entries = [
        dataclasses.asdict(distance) | {"is_drift": distance.is_drift}
        for distance in measured
    ]
    result = {"span": span, "live_span": live_span, "not_compared": not_compared}
    io_utils.write_string_file(
        os.path.join(drift.uri, DRIFT_FILE),
        json.dumps({**result, "measured": entries}, indent=1),
    )


DriftGate.DRIVER_CLASS = Driver


def _why_incomparable(live: versions.Version | None) -> str:
    """Returns why the live model has no span to compare with; "" if it has one."""
    if live is None:
        return "nothing is live"
    if problem := versions.problem(live.folder):
        return problem
    if not (live.folder / f.SPAN_STATISTICS_FILE).exists():
        return "the live model did not learn from spans"
    return ""


def _too_few(fewest: int, min_ratings: int) -> str:
    """Returns that one of the spans has too few ratings to compare; "" if none has."""
    if fewest >= min_ratings:
        return ""
    return (
        f"{fewest:,} ratings are too few (retrain.min_drift_ratings is {min_ratings:,})"
    )
