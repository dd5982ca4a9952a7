"""DriftGate: between the newest span's statistics and all that would learn from it."""

import dataclasses
import json
import os
from pathlib import Path

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import v1 as tfx
from tfx.components.statistics_gen.executor import DEFAULT_FILE_NAME
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.anomaly_gate.schema import read_schema
from components.drift_gate.drift import DISTANCES, DriftError, Measured
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
    """Compares the newest span with the live model's, and stops where they are apart.

    Args:
        statistics: Of ``SpanStatistics``.
        live_folder: Where versions are pushed to.
        schema_path: A schema with drift comparators.
        schema_fingerprint: So that edited thresholds are noticed.
        min_ratings: A span of fewer is not compared: small samples are all apart.
        stops: Whether what is past a threshold stops the run, or is told alone.
        code_version: Part of the cache key.
        drift: What was found.

    Raises:
        DriftError: Naming every feature that is past its threshold.
    """
    del schema_fingerprint, code_version
    span = statistics.get_string_custom_property(NEWEST_SPAN)
    folder = artifact_utils.get_split_uri([statistics], SPLIT)
    newest = tfdv.load_stats_binary(os.path.join(folder, DEFAULT_FILE_NAME))
    serving = versions.live(Path(live_folder))
    changed = versions.problem(serving.folder) if serving else None
    measured: list[Measured] = []
    live_span, not_compared = "", ""
    if serving is None:
        not_compared = "nothing is live"
    elif changed:
        not_compared = changed
    elif not (serving.folder / f.SPAN_STATISTICS_FILE).exists():
        not_compared = "the live model did not learn from spans"
    else:
        live_span = read_card(str(serving.folder))["newest_span"]
        live = tfdv.load_stats_binary(str(serving.folder / f.SPAN_STATISTICS_FILE))
        counts = [each.datasets[0].num_examples for each in (newest, live)]
        if min(counts) < min_ratings:
            not_compared = (
                f"{min(counts):,} ratings are too few (retrain.min_drift_ratings is "
                f"{min_ratings:,})"
            )
        else:
            found = tfdv.validate_statistics(
                newest, read_schema(Path(schema_path)), previous_statistics=live
            )
            measured = measured_in(found)
    told = {
        "span": span,
        "live_span": live_span,
        "not_compared": not_compared,
        "measured": [
            dataclasses.asdict(each) | {"is_drift": each.is_drift} for each in measured
        ],
    }
    apart = [each for each in measured if each.is_drift]
    if apart and stops:
        raise DriftError(apart, span, live_span)
    io_utils.write_string_file(
        os.path.join(drift.uri, DRIFT_FILE), json.dumps(told, indent=1)
    )


DriftGate.DRIVER_CLASS = Driver


def measured_in(found: anomalies_pb2.Anomalies) -> list[Measured]:
    """Every distance that TFDV took, in the order of the features.

    Raises:
        ValueError: It took another distance than ``DISTANCES``.
    """
    measured = []
    for info in found.drift_skew_info:
        for each in info.drift_measurements:
            distance = type(each).Type.Name(each.type)
            if distance not in DISTANCES:
                raise ValueError(f"TFDV measured {distance}, which has no name here")
            measured.append(
                Measured(".".join(info.path.step), distance, each.value, each.threshold)
            )
    return sorted(measured, key=lambda each: each.feature)
