"""The distances between two spans' ratings, by the schema's comparators."""

from collections.abc import Sequence
from dataclasses import dataclass

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
