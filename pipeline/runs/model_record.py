"""The part of a run's record about its models: figures, verdicts and the gate."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from components.infra_check.figures import ServingCheck

Verdict = Literal["live", "passed", "reference", "refused", "failed"]
Metrics = dict[str, float | None]  # name → value; None if it could not be measured
Ends = tuple[float | None, float | None]  # of a confidence interval


class Interval(msgspec.Struct, frozen=True):
    """An estimate with its confidence interval; None where nothing could be measured.

    Attributes:
        value: The estimate on the judged users.
        lower: The lower end of the interval.
        upper: The upper end of the interval.
        num_users: Number of users for whom the metric could be measured.
    """

    value: float | None
    lower: float | None
    upper: float | None
    num_users: int


class Finding(msgspec.Struct, frozen=True):
    """The result of one gate rule on one slice of users.

    Attributes:
        rule: The kind of rule, such as ``floor``.
        slice: Name of the slice; empty for all users.
        metric: The metric that was measured.
        interval: The metric, or its difference from another model's.
        passed: Whether the model passed; None where the rule does not apply.
        words: The result as a sentence.
    """

    rule: str
    slice: str
    metric: str
    interval: Interval
    passed: bool | None
    words: str


class SliceFigures(msgspec.Struct, frozen=True):
    """A model's metrics on one slice of the users or of the test ratings.

    Attributes:
        users: Number of users for whom the gate's metric could be measured.
        metrics: Metrics by name.
        intervals: Ends of the confidence interval of the gate's metric, by its name;
            empty if it cannot be measured there, or in runs of an earlier release.
    """

    users: int
    metrics: Metrics
    intervals: dict[str, Ends] = {}


class Evidence(msgspec.Struct, frozen=True):
    """The accumulated evidence that a model is better than the live one.

    Attributes:
        value: The evidence, as an e-value.
        required: The e-value at which the gain counts as significant.
        users: Number of users that the evidence comes from.
        share_of_alpha: The candidate's share of the accepted error probability.
    """

    value: float | None
    required: float | None
    users: int
    share_of_alpha: float | None


class ModelRecord(msgspec.Struct, frozen=True):
    """The result of one model.

    Attributes:
        name: Name in the registry.
        state: Whether the Trainer trained it, failed or was skipped.
        verdict: The gate's verdict; ``failed`` if a step of the model failed.
        rule: The reason for the verdict.
        metrics: Metrics over all test users, by name.
        intervals: Ends of the metrics' confidence intervals, by name.
        slices: Figures on each slice of the users or of the test ratings, by name.
        findings: The result of every gate rule.
        evidence: Evidence against the live model; None where there is none to hold
            it against.
        parameters: Number of parameters.
        train_seconds: Duration of the training, in seconds.
        samples_per_second: Training throughput.
        share_of_users: Share of the test users that were ranked for, in (0, 1].
    """

    name: str
    state: str
    verdict: Verdict
    rule: str = ""
    metrics: Metrics = {}
    intervals: dict[str, Ends] = {}
    slices: dict[str, SliceFigures] = {}
    findings: list[Finding] = []
    evidence: Evidence | None = None
    parameters: int | None = None
    train_seconds: float | None = None
    samples_per_second: float | None = None
    share_of_users: float | None = None


class JudgedLive(msgspec.Struct, frozen=True):
    """The model that was live when the gate decided.

    Attributes:
        model: Name of the model; None if nothing was live, or it could not be judged.
        uri: Place of its Model artifact.
        problem: Why it could not be judged; empty if it was.
        metrics: Metrics over all test users, by name.
    """

    model: str | None = None
    uri: str | None = None
    problem: str = ""
    metrics: Metrics = {}


NOT_CHECKED = ServingCheck(None, False, [])


class GateRecord(msgspec.Struct, frozen=True):
    """What the gate compared the models by and with.

    Attributes:
        metric: The metric that models are compared by; None if the gate did not run.
        live: The model that was live then; None if the gate did not run.
        serving: The check of the champion before it serves.
    """

    metric: str | None = None
    live: JudgedLive | None = None
    serving: ServingCheck = NOT_CHECKED


def live_now(
    models: Sequence[ModelRecord], before: JudgedLive | None
) -> ModelRecord | JudgedLive | None:
    """Returns what a run measured of the model that is live after it, if anything.

    Args:
        models: The models of the run, one of which may be live now.
        before: The model that was live when the gate decided.
    """
    for model in models:
        if model.verdict == "live":
            return model
    return before if before and before.metrics else None
