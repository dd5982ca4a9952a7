"""A judged model: its metrics and its users, on all users and on each slice."""

import dataclasses
from collections.abc import Mapping

from components.ranking_metrics.users import Users

OVERALL = ""  # the slice of all users


@dataclasses.dataclass(frozen=True)
class Slice:
    """What was measured on a slice of the users.

    Attributes:
        metrics: Values of the metrics by name.
        users: Measurements by user.
    """

    metrics: Mapping[str, float]
    users: Users


@dataclasses.dataclass(frozen=True)
class Judged:
    """A model that was judged.

    Attributes:
        name: Name in the registry.
        recipe: ID of the model, its settings and its code, whatever the data.
        uri: URI or place of the Model artifact.
        parameters: Number of parameters; a model with fewer is cheaper.
        tells_probabilities: Whether the scores are meant to be probabilities.
        slices: Slices by name; ``OVERALL`` is all users.
    """

    name: str
    recipe: str
    uri: str
    parameters: int
    tells_probabilities: bool
    slices: Mapping[str, Slice]
