"""The step between ExampleValidator, which never fails, and all that uses the data."""

import json
import os

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import v1 as tfx
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME
from tfx.components.statistics_gen.stats_artifact_utils import load_statistics
from tfx.types import artifact_utils, standard_artifacts

from components.anomaly_gate.anomalies import AnomaliesError, anomalies_of

CHECKED_FILE = "checked.json"


class CheckedData(tfx.dsl.Artifact):
    """Says that the data fits the schema: ``checked.json`` has the rows per split."""

    TYPE_NAME = "marquee.CheckedData"


@tfx.dsl.components.component
def AnomalyGate(  # noqa: N802 - TFX names a component like the class that it becomes
    statistics: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleStatistics],
    anomalies: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleAnomalies],
    source: tfx.dsl.components.Parameter[str],
    checked: tfx.dsl.components.OutputArtifact[CheckedData],
) -> None:
    """Lets only data without anomalies through, in every split that has statistics.

    Args:
        statistics: What ``anomalies`` were found in.
        anomalies: From ExampleValidator, which must not leave a split out.
        source: The path of the input, for the person who reads the error.
        checked: What a step that needs checked data can depend on.

    Raises:
        AnomaliesError: Naming every anomaly with its split and feature.
    """
    found = []
    rows = {}
    for split in artifact_utils.decode_split_names(statistics.split_names):
        folder = artifact_utils.get_split_uri([anomalies], split)
        with tfx.dsl.io.fileio.open(os.path.join(folder, DEFAULT_FILE_NAME), "rb") as f:
            found += anomalies_of(split, anomalies_pb2.Anomalies.FromString(f.read()))
        [dataset] = load_statistics(statistics, split).proto().datasets
        rows[split] = dataset.num_examples
    if found:
        raise AnomaliesError(found, source)
    with tfx.dsl.io.fileio.open(os.path.join(checked.uri, CHECKED_FILE), "w") as f:
        json.dump(rows, f)
