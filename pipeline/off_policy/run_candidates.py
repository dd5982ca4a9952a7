"""Estimates for the candidates of a run, beside what its gate compared them by."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.off_policy.drawn_lists import NoDrawnListsError
from pipeline.off_policy.judge import judge_all
from pipeline.off_policy.result import JudgedCandidate, JudgedRun, OffPolicy
from pipeline.off_policy.subject import candidates_of
from pipeline.runs.record import RunRecord


def judge_run(
    out: Path, record: RunRecord, window: int, threads: int, now: float
) -> JudgedRun:
    """Estimates what each candidate of a run would earn.

    Args:
        out: Folder of the runs, whose server has logged lists and received events.
        record: The record of the run.
        window: For how many seconds after a list an event counts.
        threads: Number of threads that one call of a model may use.
        now: The present time, in seconds UTC.

    Raises:
        NoLineageError: If the gate of the run did not decide, or a folder was removed.
        NoListsError: If no list has been logged.
        EventStoreError: If there are no events.
    """
    subjects = {each.model: each for each in candidates_of(out, record.run.id)}
    metric = record.gate.metric or ""
    models = [model for model in record.models if model.name in subjects]
    wanted = [subjects[model.name] for model in models]
    found: Sequence[OffPolicy | Exception]
    try:
        found = judge_all(out, wanted, window, threads, now) if wanted else []
    except NoDrawnListsError as error:
        found = [error] * len(wanted)
    judged = []
    for model, result in zip(models, found, strict=True):
        estimates = None if isinstance(result, Exception) else result
        judged.append(
            JudgedCandidate(
                model=model.name,
                verdict=model.verdict,
                measured=model.metrics.get(metric),
                interval=model.intervals.get(metric),
                estimates=estimates,
                problem=estimates.candidate.problem if estimates else str(result),
            )
        )
    return JudgedRun(record.run.id, metric, judged)
