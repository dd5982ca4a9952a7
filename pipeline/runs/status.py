"""The status of a run, and the exit status of the command that ran it."""

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.ratings_example_gen import BadInputError
from pipeline import exit_codes

if TYPE_CHECKING:  # TFX takes seconds to import
    from components.infra_check.figures import ServingCheck
    from pipeline.runs.step_outputs import Decision, Pushed
    from pipeline.runs.step_result import StepResult


class Status(enum.StrEnum):
    """The result of a run."""

    CHANGED = "a new model is live"
    ON_TRIAL = "a new model is on trial"
    UNCHANGED = "nothing changed"
    BAD_INPUT = "the input is bad"
    ANOMALIES = "the data has anomalies"
    REFUSED = "every model was refused"
    FAILED = "a step failed"

    @property
    def exit_status(self) -> int:
        """The exit status of ``marquee run``."""
        return _EXIT_STATUS[self]


_EXIT_STATUS = {
    Status.CHANGED: exit_codes.OK,
    Status.ON_TRIAL: exit_codes.OK,
    Status.UNCHANGED: exit_codes.OK,
    Status.BAD_INPUT: exit_codes.BAD_INPUT,
    Status.ANOMALIES: exit_codes.ANOMALIES,
    Status.REFUSED: exit_codes.REFUSED,
    Status.FAILED: exit_codes.FAILED,
}


def judge(
    steps: "Sequence[StepResult]",
    decision: "Decision",
    serving: "ServingCheck",
    pushed: "Pushed",
) -> Status:
    """Returns the status of a run whose steps have ended."""
    stopped = _stopped([step.error for step in steps if step.error])
    if stopped:
        return stopped
    if not any(model.verdict in ("live", "passed") for model in decision.models):
        return Status.REFUSED
    if not decision.changed:
        return Status.UNCHANGED
    if not serving.blessed:
        return Status.REFUSED
    pusher = next(step for step in steps if step.name == "Pusher")
    is_new = pusher.state == "done" and pushed.version is not None
    if not is_new:
        return Status.UNCHANGED
    return Status.ON_TRIAL if pushed.is_trial else Status.CHANGED


def _stopped(errors: Sequence[BaseException]) -> Status | None:
    # Protocol buffers, which `marquee show` does without.
    from components.anomaly_gate import AnomaliesError
    from components.drift_gate import DriftError

    if any(isinstance(error, BadInputError) for error in errors):
        return Status.BAD_INPUT
    if any(isinstance(error, AnomaliesError | DriftError) for error in errors):
        return Status.ANOMALIES
    return Status.FAILED if errors else None
