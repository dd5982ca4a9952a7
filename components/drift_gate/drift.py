"""The distances between two spans' ratings, by the schema's comparators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # TensorFlow Metadata takes a moment to import
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

GROWTH = "NUM_EXAMPLES"
# TensorFlow Metadata's name of a distance -> ours.
DISTANCES = {
    "L_INFTY": "largest difference of a value's share",
    "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon divergence",
    GROWTH: "relative to that of the earlier span",
}


@dataclass(frozen=True)
class Measured:
    """One feature's distance between the two spans.

    Attributes:
        feature: Name of the feature, such as ``rating``, or "number of ratings".
        distance: Kind of distance, one of ``DISTANCES``.
        value: The distance, from 0 for equal to 1 for disjoint; for numbers, the ratio.
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


def growth(newest: int, earlier: int, schema: "schema_pb2.Schema") -> list[Measured]:
    """Returns the growth of a span, if the schema limits it.

    Args:
        newest: Number of ratings in the newest span.
        earlier: Number of ratings in the live model's span.
        schema: Schema with ``num_examples_drift_comparator``.
    """
    limits = schema.dataset_constraints.num_examples_drift_comparator
    if not (earlier and limits.HasField("max_fraction_threshold")):
        return []
    threshold = limits.max_fraction_threshold
    return [Measured("number of ratings", GROWTH, newest / earlier, threshold)]


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
            f"which the live model learned:\n{lines}\nlook at the span. It is held "
            f"back from later retrainings; if it is right, use --accept {newest}, or "
            "go on despite drift with: --set retrain.drift=warn. The thresholds are in "
            "the schema (schema.spans)"
        )
