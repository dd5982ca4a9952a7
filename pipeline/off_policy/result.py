"""The result of off-policy estimates."""

import dataclasses

from pipeline.off_policy.estimators import Estimate
from pipeline.off_policy.overlap import Overlap
from pipeline.runs.model_record import Ends


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
    """The estimates of a model, and of the versions that made the lists.

    Attributes:
        version: Number of the version; None if the model is a candidate of a run.
        model: Name of the model.
        logged_by: Numbers of the versions that made the lists.
        window: For how many seconds after a list an event counts.
        lists: Number of lists with drawn places.
        skipped: Why other lists were not used → their number.
        drawn: Events per place, as the places were drawn.
        logged: The versions that made the lists, if they had not drawn the places.
        candidate: The model.
        difference: How much more the model would earn by the doubly robust estimates;
            None if one of them is missing.
        damaged: Descriptions of files of lists that could not be read.
    """

    version: int | None
    model: str
    logged_by: list[int]
    window: int
    lists: int
    skipped: dict[str, int]
    drawn: Estimate
    logged: Judged
    candidate: Judged
    difference: Estimate | None
    damaged: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class JudgedCandidate:
    """A candidate.

    Attributes:
        model: Name in the registry.
        verdict: The gate's.
        measured: The gate's metric on the test split; None if it was not measured.
        interval: Ends of the 95 % interval of this metric; None if there is none.
        estimates: What it would earn; None if no list can be used.
        problem: Why there are no estimates; "" if there are.
    """

    model: str
    verdict: str
    measured: float | None
    interval: Ends | None
    estimates: OffPolicy | None
    problem: str


@dataclasses.dataclass(frozen=True)
class JudgedRun:
    """The candidates of a run.

    Attributes:
        run: ID of the run.
        metric: The gate's metric.
        candidates: In the order of the run's record.
    """

    run: str
    metric: str
    candidates: list[JudgedCandidate]
