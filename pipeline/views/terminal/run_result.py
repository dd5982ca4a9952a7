"""What came of a run."""

import errno
import math
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from components import metric_names as names
from components.wording import counted
from pipeline import DEFAULT_OUT, exit_codes
from pipeline.views.terminal.numbers import duration, figure, optional
from pipeline.views.terminal.reading import describe_late_keys
from pipeline.views.terminal.side_files import matched_files
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal, error_text, inert

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
_INTERVAL_WIDTH = len("0.1234–0.5678")
_VERDICT_STYLES = {
    "live": "bold green",
    "passed": "green",
    "reference": "cyan",
    "refused": "yellow",
    "failed": "bold red",
}
# What may be odd about spans -> how it is said.
_ODD_SPANS = {
    "late": "late, and taken in:",
    "too_late": "late, from before the window, and left out:",
    "unfinished": "not yet whole, and left out:",
    "empty": "empty:",
    "missing": "a span may be missing",
    "gone": "taken in once, and gone:",
}


def print_run(
    console: Terminal, run: Mapping[str, Any], report: Path | Exception | None = None
) -> None:
    """Prints what came of a run.

    Args:
        console: Where to.
        run: The object of ``run.json``.
        report: Its file, or why it could not be written; None where there is none.
    """
    for part in (
        _headline(run),
        _moved(run["run"].get("moved_from")),
        _rows(run["rows"]),
        _late_keys(run["data"]),
        matched_files(run["data"]),
        _one_label(run["data"]),
        _duplicate_users(run["data"]),
        _spans(run.get("spans")),
        _failed_steps(run["steps"]),
        _leaderboard(run["models"], console.width),
        _sample_of_users(run["models"]),
        _verdicts(run["models"]),
        _live(run),
        _no_report(report),
        _next_commands(run, report),
    ):
        if part is not None:
            console.print()
            console.print(part)
    console.print()


def print_nothing_new(
    console: Terminal, spans: Mapping[str, Any], last: Mapping[str, Any]
) -> None:
    """Prints that a retraining has nothing to learn.

    Args:
        console: Where to.
        spans: The window, as ``run.json`` has it.
        last: The retraining that learned from the same.
    """
    console.print(_spans(spans))
    console.print(
        Text(
            f"Nothing new since run {inert(last['run'])} ({inert(last['status'])}); "
            "nothing was done."
        )
    )


def _headline(run: Mapping[str, Any]) -> RenderableType:
    about, data = run["run"], run["data"]
    line = Text()
    line.append(f"Run {inert(about['id'])}", "bold")
    line.append(f"  {inert(about['status'])}, {duration(about['seconds'])}\n")
    line.append(inert(data["source"]), "bold")
    facts = [_count(data, "users"), _count(data, "items"), _count(data, "ratings")]
    if data.get("sparsity") is not None:
        facts.append(f"{data['sparsity']:.2%} of all pairs unrated")
    if data.get("first") and data.get("last"):
        facts.append(f"{inert(data['first'])[:10]} to {inert(data['last'])[:10]}")
    line.append("  " + ", ".join(fact for fact in facts if fact))
    return line


def _moved(moved_from: str | None) -> RenderableType | None:
    if not moved_from:
        return None
    return Text(
        f"The folder was moved or copied from {inert(moved_from)}; the metadata store "
        "now has the artifacts where they are.",
        "yellow",
    )


def _count(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return "" if value is None else f"{value:,} {name}"


def _rows(rows: Mapping[str, Any] | None) -> RenderableType | None:
    if not rows or rows.get("read") is None:
        return None
    parts = " + ".join(
        f"{rows[name]:,} {name}"
        for name in ("kept", "quarantined", "duplicates", "truncated")
    )
    return Text.assemble(("Rows", "bold"), f"  {rows['read']:,} read = {parts}")


def _late_keys(data: Mapping[str, Any]) -> RenderableType | None:
    """Names keys of JSON lines that were not read, and not shown at the start."""
    found = data.get("late_keys")
    if not found:
        return None
    text = inert(describe_late_keys(found))
    return Text.assemble(("Late keys", "bold yellow"), f"  {text}")


def _one_label(data: Mapping[str, Any]) -> RenderableType | None:
    """Says that every rating is liked, or none, where that is so."""
    text = data.get("one_label")
    return (
        Text.assemble(("Labels", "bold yellow"), f"  {inert(text)}") if text else None
    )


def _duplicate_users(data: Mapping[str, Any]) -> RenderableType | None:
    """Reports users who are in the data under several ids, where there are any."""
    number = data.get("duplicate_users")
    if not number:
        return None
    return Text.assemble(
        ("Duplicates", "bold yellow"),
        f"  {counted(number, 'user')} {'has' if number == 1 else 'have'} exactly the "
        "ratings of another user, times included. Each counts as a user of its own "
        "when models are judged. After a random split, a model learns from one what "
        "the other is tested on.",
    )


def _spans(spans: Mapping[str, Any] | None) -> RenderableType | None:
    """What was taken in, and what is odd about it."""
    if not spans:
        return None
    names = [inert(name) for name in spans["names"]]
    told = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    lines = [
        Text.assemble(
            ("Spans", "bold"), f"  {told}: {len(names)}, {len(spans['new'])} new"
        )
    ]
    drift = spans.get("drift") or {}
    warnings = [
        *(
            f"{what} {', '.join(map(inert, spans[key]))}"
            for key, what in _ODD_SPANS.items()
            if spans[key]
        ),
        *(
            f"{each['ratings']:,} ratings of {inert(each['spans'][0])} stand in "
            f"{inert(each['spans'][1])} again; one of each is kept"
            for each in spans.get("overlaps", [])
        ),
        *(
            f"drift since {inert(drift['live_span'])}: {each['feature']} "
            f"{each['value']:.3f}, allowed {each['threshold']:g}"
            for each in drift.get("measured", [])
            if each["is_drift"]
        ),
    ]
    if drift.get("not_compared"):
        warnings.append(f"drift not measured: {inert(drift['not_compared'])}")
    lines += [Text(f"  {warning}", "yellow") for warning in warnings]
    return Group(*lines)


def _failed_steps(steps: Sequence[Mapping[str, Any]]) -> RenderableType | None:
    lines: list[RenderableType] = []
    for step in steps:
        if step["state"] == "failed":
            lines.append(Text(f"✗ {inert(step['name'])} failed", "bold red"))
            error = str(step.get("error") or "see the log")
            lines.append(error_text(error))
            if os.strerror(errno.ENOSPC) in error:
                lines.append(Text(f"    {exit_codes.MAKE_ROOM}"))
    return Group(*lines) if lines else None


def _leaderboard(
    models: Sequence[Mapping[str, Any]], width: int
) -> RenderableType | None:
    """The models that have figures, the best first."""
    judged = [model for model in models if model.get("metrics")]
    if not judged:
        return None
    table = headed_table()
    table.add_column("model", no_wrap=True)
    # Model, auc, seconds and parameters are always there, each with a margin of 2.
    taken = max(len(inert(model["name"])) for model in judged) + 6 + 7 + 10 + 4 * 2
    first = LEADERBOARD_METRICS[0]
    has_intervals = any(first in (model.get("intervals") or {}) for model in judged)
    taken += (_INTERVAL_WIDTH + 2) * has_intervals
    metrics: list[str] = []
    for metric in LEADERBOARD_METRICS:
        taken += max(6, *map(len, metric.split("@"))) + 2
        if taken <= width and any(metric in model["metrics"] for model in judged):
            metrics.append(metric)
    for metric in (*metrics, names.AUC):
        table.add_column(metric.replace("@", "\n@"), justify="right", no_wrap=True)
        if metric == first and has_intervals:
            table.add_column("interval", justify="right", no_wrap=True)
    for name in ("train", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    for model in sorted(judged, key=_best_first):
        table.add_row(
            Text(inert(model["name"]), _VERDICT_STYLES.get(model["verdict"], "")),
            *_figures(model, (*metrics, names.AUC), first if has_intervals else None),
            Text(optional(model.get("train_seconds"), duration)),
            Text(optional(model.get("parameters"), "{:,}".format)),
        )
    return table


def _figures(
    model: Mapping[str, Any], metrics: Sequence[str], with_interval: str | None
) -> Iterator[Text]:
    """Cells of the metrics; one of them has its interval behind it."""
    for name in metrics:
        yield Text(figure(model["metrics"].get(name)))
        if name == with_interval:
            ends = (model.get("intervals") or {}).get(name, [])
            yield Text("–".join(figure(end) for end in ends), "dim")


def _sample_of_users(models: Sequence[Mapping[str, Any]]) -> RenderableType | None:
    """Says so where not all users were judged on."""
    sampled = [m for m in models if (m.get("share_of_users") or 1) < 1 and m["metrics"]]
    if not sampled:
        return None
    metric = LEADERBOARD_METRICS[0]
    errors = [m["metrics"].get(names.standard_error(metric)) for m in sampled]
    worst = max((error for error in errors if error is not None), default=None)
    users, share = sampled[0]["metrics"]["num_users"], sampled[0]["share_of_users"]
    return Text(
        f"Judged on a sample of {users:,.0f} users ({share:.0%}): the standard "
        f"error of {metric} is {figure(worst)} at most. "
        "evaluation.max_scored_pairs decides."
    )


def _best_first(model: Mapping[str, Any]) -> float:
    value = model["metrics"].get(LEADERBOARD_METRICS[0])
    return math.inf if value is None or math.isnan(value) else -value


def _verdicts(models: Sequence[Mapping[str, Any]]) -> RenderableType | None:
    """Each model's verdict, with the rule that decided it."""
    if not models:
        return None
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in ("verdict", "model"):
        table.add_column(name, no_wrap=True)
    table.add_column("rule", overflow="fold")
    for model in models:
        verdict = model.get("verdict") or model["state"]
        table.add_row(
            Text(inert(verdict), _VERDICT_STYLES.get(verdict, "")),
            Text(inert(model["name"])),
            Text(inert(model.get("rule") or "")),
        )
    return table


def _live(run: Mapping[str, Any]) -> RenderableType:
    live = run["live"]
    line = Text()
    if why := run.get("not_pushed"):
        line.append(f"The champion was not pushed: {inert(why)}.\n", "yellow")
    if live.get("version") is None:
        line.append("No model is live", "bold")
        return line.append(": none has passed in this folder yet.")
    line.append(f"{inert(live.get('model'))} is live", "bold green")
    line.append(
        ", " + ("new in this run" if run.get("changed") else "as before") + ": "
    )
    line.append(inert(Path(run["run"]["out"], "live", str(live["version"]))))
    serves = run.get("serves")
    if serves and "problem" in serves:
        line.append(
            f"\nIt has no data to serve from: {inert(serves['problem'])}", "red"
        )
    elif serves and serves["run"] != run["run"]["id"]:
        line.append(
            f"\nIt serves from the data of run {inert(serves['run'])} "
            f"({inert(serves['source'])}); those of this run were not accepted for it.",
            "yellow",
        )
    return line


def _no_report(report: Path | Exception | None) -> RenderableType | None:
    if not isinstance(report, Exception):
        return None
    return Text(
        f"The report could not be written: {type(report).__name__}: {inert(report)}. "
        "`marquee report` tries again.",
        "yellow",
    )


def _next_commands(
    run: Mapping[str, Any], report: Path | Exception | None
) -> RenderableType:
    """What a person may want to do now."""
    about = run["run"]
    where = "" if about["out"] == DEFAULT_OUT else f" --out {shlex.quote(about['out'])}"
    commands = [
        (f"marquee show{where}", "this again; with --json for programs"),
        (f"tensorboard --logdir {shlex.quote(about['out'])}", "the training curves"),
    ]
    if run["data"]["source"] == "sample":
        commands.insert(1, ("marquee run --data ml-1m", "the same with real ratings"))
        commands.insert(2, ("marquee data PATH", "look at ratings of your own"))
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(style="dim")
    for command, purpose in commands:
        grid.add_row(Text(f"  {inert(command)}"), Text(purpose))
    files = Text()
    if isinstance(report, Path):
        files.append("Report", "bold").append(f"  {inert(report)}\n")
    files.append("Log", "bold").append(f"  {inert(about['log'])}")
    return Group(Text("Next", "bold"), grid, Text(), files)
