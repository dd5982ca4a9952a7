"""What TFX's ExampleValidator found, and the error that says it to a person."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import anomalies_pb2


@dataclass(frozen=True)
class Anomaly:
    """One difference between the data and the schema.

    Attributes:
        split: Where it was found.
        feature: Its name; empty when it concerns the split as a whole.
        kind: TensorFlow Metadata's name for it, such as ``FLOAT_TYPE_BIG_FLOAT``.
        short: What is wrong, in a few words.
        long: The same with the values that were found.
    """

    split: str
    feature: str
    kind: str
    short: str
    long: str


class AnomaliesError(ValueError):
    """The data does not fit the schema.

    Attributes:
        anomalies: All of them, in the order of the splits.
    """

    def __init__(self, anomalies: Sequence[Anomaly], source: str) -> None:
        self.anomalies = tuple(anomalies)
        lines = [
            f"  {anomaly.split}: {anomaly.feature or 'all features'}: "
            f"{anomaly.short}: {anomaly.long}"
            for anomaly in self.anomalies
        ]
        super().__init__(
            f"the data does not fit the schema ({len(lines)} "
            f"{'anomaly' if len(lines) == 1 else 'anomalies'}):\n"
            + "\n".join(lines)
            + "\ncorrect the data or, if it is right, give it a schema of its own: "
            f"marquee schema propose {source}"
        )


def anomalies_of(split: str, found: anomalies_pb2.Anomalies) -> list[Anomaly]:
    """Everything that was found in a split, sorted by feature.

    A split without any rows counts: TFX's ExampleValidator blesses it.
    """
    infos = sorted(found.anomaly_info.items())
    if found.HasField("dataset_anomaly_info"):
        infos.append(("", found.dataset_anomaly_info))
    anomalies = [
        Anomaly(
            split,
            feature,
            anomalies_pb2.AnomalyInfo.Type.Name(reason.type),
            reason.short_description,
            reason.description,
        )
        for feature, info in infos
        for reason in info.reason
    ]
    if found.data_missing:
        anomalies.append(
            Anomaly(split, "", "DATA_MISSING", "No rows", "The split has no rows.")
        )
    return anomalies
