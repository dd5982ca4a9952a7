"""AnomalyGate: stops a run after ExampleValidator, which itself never fails."""

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
    """Data that fits the schema: ``checked.json`` has the number of rows per split."""

    TYPE_NAME = "marquee.CheckedData"


@tfx.dsl.components.component
def AnomalyGate(  # noqa: N802 - TFX names a component like the class that it becomes
    statistics: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleStatistics],
    anomalies: tfx.dsl.components.InputArtifact[standard_artifacts.ExampleAnomalies],
    source: tfx.dsl.components.Parameter[str],
    checked: tfx.dsl.components.OutputArtifact[CheckedData],
) -> None:
    """Passes only if no split with statistics has anomalies.

    Args:
        statistics: Statistics of the Examples.
        anomalies: Output of ExampleValidator, for every split with statistics.
        source: Path of the input, for the error.
        checked: Output on which steps that need checked data depend.

    Raises:
        AnomaliesError: If there are anomalies; it lists all of them.
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
