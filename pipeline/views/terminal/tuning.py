"""Prints the result of `marquee tune`."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline import DEFAULT_OUT
from pipeline.config.sections import PipelineConfig
from pipeline.runs.step_result import StepResult
from pipeline.runs.tuned import TunedModel, data_option
from pipeline.views.formatting import duration, figure, inert, short
from pipeline.views.terminal.tables import fact_grid, headed_table
from pipeline.views.terminal.terminal import Terminal, error_text


def print_tuned(
    console: Terminal,
    config: PipelineConfig,
    models: Sequence[TunedModel],
    steps: Sequence[StepResult],
    written: Path | None,
    report: Path | Exception | None,
) -> None:
    """Prints the studies.

    Args:
        console: The terminal.
        config: The configuration that the studies began with.
        models: The studies.
        steps: The steps, of which the failed ones are named.
        written: File with the best settings; None if every study failed.
        report: Path of the report, or why it could not be written; None if every study
            failed.
    """
    for step in steps:
        if step.error:
            console.print()
            console.print(Text(f"{step.name} failed", "bold red"))
            console.print(error_text(str(step.error)))
    if written is None:
        return
    found = [model for model in models if model.trials]
    console.print()
    console.print(Text(f"{config.gate.metric} on the eval split", "bold"))
    console.print(_table(found))
    print_settings(console, {model.name: model.trials[0].values for model in found})
    console.print()
    command = f"marquee run --config {inert(shlex.quote(str(written)))}"
    data = inert(data_option(config.data.source))
    where = "" if config.out == DEFAULT_OUT else f" --out {shlex.quote(config.out)}"
    console.print(Text(f"{command} {data}{inert(where)}", "bold"))
    console.print("trains with the best settings.")
    console.print()
    console.print(_report(report))


def _report(report: Path | Exception | None) -> RenderableType:
    if isinstance(report, Exception):
        return Text(
            "The report could not be written: "
            f"{type(report).__name__}: {inert(report)}.",
            "yellow",
        )
    return Text.assemble(("Report", "bold"), f"  {inert(report)}")


def print_settings(
    console: Terminal, found: Mapping[str, Mapping[str, object]]
) -> None:
    """Prints the settings that were found, by the model's name."""
    for name, values in found.items():
        console.print()
        console.print(Text(name, "bold"))
        console.print(fact_grid((key, short(value)) for key, value in values.items()))


def _table(models: Sequence[TunedModel]) -> RenderableType:
    table: Table = headed_table("model")
    for name in ("before", "best", "trials", "stopped early", "failed", "time"):
        table.add_column(name, justify="right")
    for model in models:
        states = [trial.state for trial in model.trials]
        table.add_row(
            model.name,
            figure(model.before),
            figure(model.trials[0].metric),
            str(len(states)),
            str(states.count("stopped")),
            str(states.count("failed")),
            duration(sum(trial.seconds for trial in model.trials)),
        )
    return table
