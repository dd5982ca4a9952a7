"""Prints the result of a run."""

import errno
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from components.wording import counted
from pipeline import DEFAULT_OUT, exit_codes
from pipeline.runs.record import DataRecord, Rows, RunRecord, StepRecord
from pipeline.views.formatting import duration, inert, sum_of_rows
from pipeline.views.terminal.leaderboard import leaderboard, sample_of_users, verdicts
from pipeline.views.terminal.reading import describe_late_keys
from pipeline.views.terminal.side_files import matched_files
from pipeline.views.terminal.spans import spans_of
from pipeline.views.terminal.terminal import Terminal, error_text


def print_run(
    console: Terminal, record: RunRecord, report: Path | Exception | None = None
) -> None:
    """Prints the result of a run.

    Args:
        console: The terminal.
        record: The run's record.
        report: Path of the report, or why it could not be written; None if there is
            none.
    """
    for part in (
        _headline(record),
        _moved(record.run.moved_from),
        _rows(record.rows),
        _events(record.data),
        _late_keys(record.data),
        matched_files(record.data),
        _one_label(record.data),
        _duplicate_users(record.data),
        spans_of(record.spans),
        _failed_steps(record.steps),
        leaderboard(record.models, console.width),
        sample_of_users(record.models),
        verdicts(record.models),
        _live(record),
        _no_report(report),
        _next_commands(record, report),
    ):
        if part is not None:
            console.print()
            console.print(part)
    console.print()


def _headline(record: RunRecord) -> RenderableType:
    run, data = record.run, record.data
    line = Text()
    line.append(f"Run {inert(run.id)}", "bold")
    line.append(f"  {run.status}, {duration(run.seconds)}\n")
    line.append(inert(data.source), "bold")
    counts = {"users": data.users, "items": data.items, "ratings": data.ratings}
    facts = [f"{n:,} {name}" for name, n in counts.items() if n is not None]
    if data.items_first_rated_in_test:
        facts.append(f"{data.items_first_rated_in_test:,} items only in the test")
    if data.sparsity is not None:
        facts.append(f"{data.sparsity:.2%} of all pairs unrated")
    if data.first and data.last:
        facts.append(f"{inert(data.first)[:10]} to {inert(data.last)[:10]}")
    return line.append("  " + ", ".join(facts))


def _moved(moved_from: str | None) -> RenderableType | None:
    if not moved_from:
        return None
    return Text(
        f"The folder was moved or copied from {inert(moved_from)}; the paths in the "
        "metadata store were updated.",
        "yellow",
    )


def _rows(rows: Rows) -> RenderableType | None:
    if rows.read is None:
        return None
    parts = sum_of_rows(msgspec.to_builtins(rows))
    return Text.assemble(("Rows", "bold"), f"  {rows.read:,} read = {parts}")


def _events(data: DataRecord) -> RenderableType | None:
    """Counts the kept rows by the type of their events."""
    if not data.event_types:
        return None
    counts = ", ".join(f"{n:,} {kind!r}" for kind, n in data.event_types.items())
    return Text.assemble(("Events", "bold"), f"  {inert(counts)} kept")


def _late_keys(data: DataRecord) -> RenderableType | None:
    """Names unread keys of JSON lines that were not shown at the start."""
    return _warning("Late keys", data.late_keys and describe_late_keys(data.late_keys))


def _one_label(data: DataRecord) -> RenderableType | None:
    return _warning("Labels", data.one_label)


def _duplicate_users(data: DataRecord) -> RenderableType | None:
    number = data.duplicate_users
    if not number:
        return None
    return _warning(
        "Duplicates",
        f"{counted(number, 'user')} {'has' if number == 1 else 'have'} exactly the "
        "ratings of another user, times included. Each counts as a separate user when "
        "models are judged. After a random split, a model learns from one what the "
        "other is tested on.",
    )


def _warning(heading: str, text: object) -> RenderableType | None:
    if not text:
        return None
    return Text.assemble((heading, "bold yellow"), f"  {inert(text)}")


def _failed_steps(steps: Sequence[StepRecord]) -> RenderableType | None:
    lines: list[RenderableType] = []
    for step in steps:
        if step.state == "failed":
            lines.append(Text(f"✗ {inert(step.name)} failed", "bold red"))
            error = step.error or "see the log"
            lines.append(error_text(error))
            if os.strerror(errno.ENOSPC) in error:
                lines.append(Text(f"    {exit_codes.MAKE_ROOM}"))
    return Group(*lines) if lines else None


def _live(record: RunRecord) -> RenderableType:
    live, serves = record.live, record.serves
    line = Text()
    if record.not_pushed:
        why = inert(record.not_pushed)
        line.append(f"The champion was not pushed: {why}.\n", "yellow")
    if record.on_trial:
        line.append(f"Version {record.on_trial} is on trial", "bold green")
        line.append(": `marquee trial` shows what its users do.\n")
    if live.version is None:
        line.append("No model is live", "bold")
        return line.append(": none has passed in this folder yet.")
    line.append(f"{inert(live.model)} is live", "bold green")
    line.append(", new in this run: " if record.changed else ", as before: ")
    line.append(inert(Path(record.run.out, "live", live.version)))
    if serves and serves.problem:
        line.append(f"\nIt has no data to serve from: {inert(serves.problem)}", "red")
    elif serves and serves.run != record.run.id:
        line.append(
            f"\nIt serves from the data of run {inert(serves.run)} "
            f"({inert(serves.source)}); the data of this run was not accepted for it.",
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
    record: RunRecord, report: Path | Exception | None
) -> RenderableType:
    out = shlex.quote(record.run.out)
    where = "" if record.run.out == DEFAULT_OUT else f" --out {out}"
    commands = [
        (f"marquee show{where}", "show this again; add --json for programs"),
        (f"tensorboard --logdir {out}", "plot the training curves"),
    ]
    if record.data.source == "sample":
        commands.insert(1, ("marquee run --data ml-1m", "run on real ratings"))
        commands.insert(2, ("marquee data PATH", "inspect your own ratings"))
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(style="dim")
    for command, purpose in commands:
        grid.add_row(Text(f"  {inert(command)}"), Text(purpose))
    files = Text()
    if isinstance(report, Path):
        files.append("Report", "bold").append(f"  {inert(report)}\n")
    files.append("Log", "bold").append(f"  {inert(record.run.log)}")
    return Group(Text("Next", "bold"), grid, Text(), files)
