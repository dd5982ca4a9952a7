"""Prints the origin of a model."""

import json
from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from components.wording import counted
from pipeline.lineage import Data, Lineage
from pipeline.views.formatting import day, duration, figure, inert, sum_of_rows
from pipeline.views.terminal.tables import fact_grid, headed_table
from pipeline.views.terminal.terminal import Terminal

_HASH_SHOWN = 12
_FILES_SHOWN = 20


def print_lineage(console: Terminal, lineage: Lineage) -> None:
    """Prints a model's lineage, back to the source files (``marquee lineage``)."""
    for part in (
        _headline(lineage),
        fact_grid(_judgement(lineage)),
        fact_grid(_data(lineage.data)),
        _files(lineage.data),
        _steps(lineage),
        _configuration(lineage),
    ):
        if part is not None:
            console.print(part)
            console.print()


def _headline(lineage: Lineage) -> RenderableType:
    line = Text.assemble(
        (f"{inert(lineage.model)}, version {lineage.version}", "bold"),
        f"  {'live since' if lineage.is_live else 'went live'} {inert(lineage.since)}",
    )
    if lineage.restored is not None:
        line.append(
            f"\nA rollback restored it from version {lineage.restored}, whose lineage "
            "follows.",
            "yellow",
        )
    return line


def _judgement(lineage: Lineage) -> Iterator[tuple[str, str]]:
    yield "Run", lineage.run
    yield "Origin", lineage.origin
    if lineage.warm_start:
        yield "Started", f"from the weights of {lineage.warm_start['from']}"
    for step in lineage.trial:
        yield "Trial", f"{step.time}: {step.to}, {step.reason}"
    judged = lineage.judgement
    if judged is None:
        yield "Gate", "passed; the details were removed with the files of that run"
        return
    yield "Gate", judged.rule
    value = figure(judged.metrics.get(judged.metric))
    ends = "–".join(map(figure, judged.intervals.get(judged.metric, [])))
    yield "Metric", f"{judged.metric} {value}{f' ({ends})' if ends else ''}"
    yield "Replaced", judged.instead_of or "no model was live"


def _data(data: Data) -> Iterator[tuple[str, str]]:
    yield "Data", data.source
    yield "Fingerprint", f"{data.fingerprint[:_HASH_SHOWN]} of names and contents"
    counts = data.counts
    if counts["read"] is not None:
        yield "Rows", f"{counts['read']:,} read = {sum_of_rows(counts)}"
        users = counted(counts["users"] or 0, "user")
        yield "Counts", f"{users}, {counted(counts['items'] or 0, 'item')}"
    if counts["first"] is not None and counts["last"] is not None:
        yield "Dates", f"{day(counts['first'])} to {day(counts['last'])}"
    if data.items:
        yield "Items", f"{data.items} ({data.items_fingerprint[:_HASH_SHOWN]})"
    yield "Schema", data.schema
    if data.spans:
        yield (
            "Spans",
            ", ".join(
                name + (f" ({sha256[:_HASH_SHOWN]})" if sha256 else "")
                for name, sha256 in data.spans.items()
            ),
        )


def _files(data: Data) -> RenderableType | None:
    if not data.files:
        return None
    table = headed_table("file")
    for name in ("bytes", "rows"):
        table.add_column(name, justify="right", no_wrap=True)
    for file in data.files[:_FILES_SHOWN]:
        table.add_row(
            *map(Text, (inert(file.name), f"{file.bytes:,}", f"{file.rows:,}"))
        )
    if more := data.files[_FILES_SHOWN:]:
        size, rows = sum(x.bytes for x in more), sum(x.rows for x in more)
        table.add_row(f"and {len(more):,} more (--json)", f"{size:,}", f"{rows:,}")
    return table


def _steps(lineage: Lineage) -> RenderableType:
    table = headed_table("step")
    table.add_column("code", no_wrap=True)
    for name in ("run", "started"):
        table.add_column(name, overflow="fold")
    table.add_column("took", justify="right", no_wrap=True)
    for step in lineage.steps:
        started = step.started[:16].replace("T", " ")
        cells = (step.name, step.code or "-", step.run, started)
        table.add_row(*(Text(inert(cell)) for cell in cells), duration(step.seconds))
    return table


def _configuration(lineage: Lineage) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(
        Text("Configuration", "bold"), Text(lineage.configuration_hash[:_HASH_SHOWN])
    )
    for step, settings in lineage.configuration.items():
        grid.add_row(Text(f"  {inert(step)}"))
        for key, value in settings.items():
            grid.add_row(
                Text(f"    {inert(key)}", "dim"), Text(inert(json.dumps(value)))
            )
    return grid
