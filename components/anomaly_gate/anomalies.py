"""The anomalies that TFX's ExampleValidator found, and the error that reports them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import anomalies_pb2


@dataclass(frozen=True)
class Anomaly:
    """One difference between the data and the schema.

    Attributes:
        split: Name of the split.
        feature: Name of the feature; empty if the anomaly concerns the whole split.
        kind: TensorFlow Metadata's name for the anomaly, such as
            ``FLOAT_TYPE_BIG_FLOAT``.
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
        anomalies: All anomalies, in the order of the splits.
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
            + "\nCorrect the data or, if it is right, write a schema for it: "
            f"marquee schema propose {source}"
        )


def anomalies_of(split: str, found: anomalies_pb2.Anomalies) -> list[Anomaly]:
    """Returns all anomalies of a split, sorted by feature.

    A split without rows is an anomaly, although TFX's ExampleValidator accepts it.
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
