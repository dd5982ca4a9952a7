"""The result of off-policy estimates."""

import dataclasses

from pipeline.off_policy.estimators import Estimate
from pipeline.off_policy.overlap import Overlap


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a policy would earn: events per place.

    Attributes:
        overlap: What the estimates are based on.
        problem: Why there are none; "" if there are.
        ips: By inverse propensity scores.
        snips: The self-normalised estimate.
        dr: The doubly robust estimate.
    """

    overlap: Overlap
    problem: str
    ips: Estimate | None = None
    snips: Estimate | None = None
    dr: Estimate | None = None


@dataclasses.dataclass(frozen=True)
class OffPolicy:
    """The estimates of a version, and of those that made the lists.

    Attributes:
        version: Number of the version.
        model: Name of its model.
        logged_by: Numbers of the versions that made the lists.
        window: For how many seconds after a list an event counts.
        lists: Number of lists with drawn places.
        skipped: Why other lists were not used → their number.
        drawn: Events per place, as the places were drawn.
        logged: The versions that made the lists, if they had not drawn the places.
        candidate: The version.
        difference: How much more the version would earn by the doubly robust estimates;
            None if one of them is missing.
    """

    version: int
    model: str
    logged_by: list[int]
    window: int
    lists: int
    skipped: dict[str, int]
    drawn: Estimate
    logged: Judged
    candidate: Judged
    difference: Estimate | None
