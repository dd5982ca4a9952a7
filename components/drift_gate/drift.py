"""The distances between two spans' ratings, by the schema's comparators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # TensorFlow Metadata takes a moment to import
    from tensorflow_metadata.proto.v0 import anomalies_pb2

# TensorFlow Metadata's name of a distance -> ours.
DISTANCES = {
    "L_INFTY": "largest difference of a value's share",
    "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon divergence",
}


@dataclass(frozen=True)
class Measured:
    """One feature's distance between the two spans.

    Attributes:
        feature: Name of the feature, such as ``rating``.
        distance: Kind of distance, one of ``DISTANCES``.
        value: The distance, from 0 for equal to 1 for disjoint.
        threshold: The largest distance that the schema allows.
    """

    feature: str
    distance: str
    value: float
    threshold: float

    @property
    def is_drift(self) -> bool:
        """Whether the distance exceeds the threshold."""
        return self.value > self.threshold

    def __str__(self) -> str:
        """Returns the distance and its threshold as a sentence."""
        return (
            f"{self.feature}: {DISTANCES[self.distance]} {self.value:.3f}, "
            f"allowed {self.threshold:g}"
        )


def measured_in(anomalies: "anomalies_pb2.Anomalies") -> list[Measured]:
    """Returns every distance that TFDV measured, in the order of the features.

    Raises:
        ValueError: If it measured a distance that is not one of ``DISTANCES``.
    """
    measured = []
    for info in anomalies.drift_skew_info:
        for found in (*info.drift_measurements, *info.skew_measurements):
            distance = type(found).Type.Name(found.type)
            if distance not in DISTANCES:
                raise ValueError(f"the distance {distance} of TFDV is not supported")
            feature = ".".join(info.path.step)
            measured.append(Measured(feature, distance, found.value, found.threshold))
    return sorted(measured, key=lambda distance: distance.feature)


class DriftError(ValueError):
    """The newest span is too far from the one that the live model learned from.

    Attributes:
        measured: The distances that exceed their thresholds.
    """

    def __init__(self, measured: Sequence[Measured], newest: str, live: str):
        self.measured = tuple(measured)
        lines = "\n".join(f"  {distance}" for distance in self.measured)
        super().__init__(
            f"the ratings of span {newest} are not like those of span {live}, from "
            f"which the live model learned:\n{lines}\nlook at the span; if it is "
            "right, go on with: --set retrain.drift=warn, or set other thresholds in "
            "the schema (schema.spans)"
        )
