"""The models of a run: their metrics, best first, and their verdicts."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from components import metric_names as names
from pipeline.runs.model_record import ModelRecord
from pipeline.views.formatting import (
    best_first,
    count,
    duration,
    figure,
    inert,
    interval,
    optional,
)
from pipeline.views.terminal.tables import headed_table

# A narrow terminal leaves the last of them out.
LEADERBOARD_METRICS = (
    names.NDCG,
    names.HIT_RATE,
    names.MRR,
    names.COVERAGE,
    names.RECALL_IN_LIST,
    names.PRECISION_IN_LIST,
    names.MEAN_RANK_AUC,
)
_FIRST = LEADERBOARD_METRICS[0]
_INTERVAL_WIDTH = len("0.1234–0.5678")
_VERDICT_STYLES = {
    "live": "bold green",
    "passed": "green",
    "reference": "cyan",
    "refused": "yellow",
    "failed": "bold red",
}


def leaderboard(models: Sequence[ModelRecord], width: int) -> RenderableType | None:
    """Returns a table of the judged models, the best first.

    Args:
        models: The models of the run.
        width: Width of the terminal, in characters.
    """
    judged = [model for model in models if model.metrics]
    if not judged:
        return None
    has_intervals = any(_FIRST in model.intervals for model in judged)
    metrics = _metrics_that_fit(judged, width, has_intervals)
    table = headed_table()
    table.add_column("model", no_wrap=True)
    for metric in metrics:
        table.add_column(metric.replace("@", "\n@"), justify="right", no_wrap=True)
        if metric == _FIRST and has_intervals:
            table.add_column("interval", justify="right", no_wrap=True)
    for name in ("train", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    for model in sorted(judged, key=lambda model: best_first(model.metrics, _FIRST)):
        table.add_row(
            Text(inert(model.name), _VERDICT_STYLES[model.verdict]),
            *_figures(model, metrics, has_intervals),
            Text(optional(model.train_seconds, duration)),
            Text(count(model.parameters)),
        )
    return table


def _metrics_that_fit(
    models: Sequence[ModelRecord], width: int, has_intervals: bool
) -> list[str]:
    # Model, auc, seconds and parameters are always shown, each with a margin of 2.
    taken = max(len(inert(model.name)) for model in models) + 6 + 7 + 10 + 4 * 2
    taken += (_INTERVAL_WIDTH + 2) * has_intervals
    metrics = []
    for metric in LEADERBOARD_METRICS:
        taken += max(6, *map(len, metric.split("@"))) + 2
        if taken <= width and any(metric in model.metrics for model in models):
            metrics.append(metric)
    return [*metrics, names.AUC]


def _figures(
    model: ModelRecord, metrics: Sequence[str], has_intervals: bool
) -> Iterator[Text]:
    """Yields the cells of the metrics; the first is followed by its interval."""
    for name in metrics:
        yield Text(figure(model.metrics.get(name)))
        if name == _FIRST and has_intervals:
            yield Text(interval(model.intervals.get(name)), "dim")


def sample_of_users(models: Sequence[ModelRecord]) -> RenderableType | None:
    """Returns a note if the models were judged on a sample of the users."""
    sampled = [m for m in models if (m.share_of_users or 1) < 1 and m.metrics]
    if not sampled:
        return None
    errors = [m.metrics.get(names.standard_error(_FIRST)) for m in sampled]
    worst = max((error for error in errors if error is not None), default=None)
    users, share = sampled[0].metrics["num_users"], sampled[0].share_of_users
    return Text(
        f"Judged on a sample of {users:,.0f} users ({share:.0%}): the standard "
        f"error of {_FIRST} is {figure(worst)} at most. "
        "Set evaluation.max_scored_pairs to change the sample."
    )


def verdicts(models: Sequence[ModelRecord]) -> RenderableType | None:
    """Returns a table of each model's verdict and the reason for it."""
    if not models:
        return None
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in ("verdict", "model"):
        table.add_column(name, no_wrap=True)
    table.add_column("rule", overflow="fold")
    for model in models:
        table.add_row(
            Text(model.verdict, _VERDICT_STYLES[model.verdict]),
            Text(inert(model.name)),
            Text(inert(model.rule)),
        )
    return table
