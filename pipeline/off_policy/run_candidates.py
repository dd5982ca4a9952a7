"""Estimates for the candidates of a run, beside what its gate compared them by."""

from pathlib import Path

from pipeline.off_policy.drawn_lists import NoDrawnListsError
from pipeline.off_policy.judge import judge
from pipeline.off_policy.result import JudgedCandidate, JudgedRun
from pipeline.off_policy.subject import candidates_of
from pipeline.recommend.user_history import SignatureError
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
    judged = []
    for model in record.models:
        if model.name not in subjects:
            continue
        estimates, problem = None, ""
        try:
            estimates = judge(out, subjects[model.name], window, threads, now)
            problem = estimates.candidate.problem
        except (NoDrawnListsError, SignatureError) as error:
            problem = str(error)
        judged.append(
            JudgedCandidate(
                model=model.name,
                verdict=model.verdict,
                measured=model.metrics.get(metric),
                interval=model.intervals.get(metric),
                estimates=estimates,
                problem=problem,
            )
        )
    return JudgedRun(record.run.id, metric, judged)
