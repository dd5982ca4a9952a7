"""Prints what a run will cost."""

from rich.console import Group
from rich.text import Text

from components.wording import counted
from pipeline.plan.estimate import Estimate
from pipeline.plan.observed import reference
from pipeline.plan.planned import Plan
from pipeline.views.formatting import duration, gigabytes, inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal

_NEGLIGIBLE_SECONDS = 1.0


def print_plan(console: Terminal, source: str, plan: Plan) -> None:
    """Prints a plan.

    Args:
        console: The terminal.
        source: Name or path of the ratings.
        plan: The plan.
    """
    users, items, ratings = plan.size
    headline = Text.assemble(
        ("Plan", "bold"),
        f"  about {duration(plan.seconds)}, if nothing comes from the cache\n",
        (inert(source), "bold"),
        f"  {users:,} users, {items:,} items, {ratings:,} ratings",
    )
    table = headed_table("step")
    for name in ("time", "memory", "runs"):
        table.add_column(name, justify="right")
    short = 0
    for step, estimated in plan.steps.items():
        if estimated.cost and estimated.cost.seconds < _NEGLIGIBLE_SECONDS:
            short += 1
        else:
            table.add_row(step, *_figures(estimated))
    notes = [
        f"{counted(short, 'step')} below {duration(_NEGLIGIBLE_SECONDS)} not shown. "
        "Time: all epochs; a model that stops early takes less. Memory: the process of "
        "the step, imports included.",
        f"runs: number of runs in the folder that the step's estimate follows from; 0: "
        f"reference runs on {reference().machine}, scaled by the other steps.",
        str(plan.at_once),
    ]
    advice = [Text(f"Warning: {line}", "yellow") for line in plan.advice]
    console.print()
    console.print(Group(headline, "", table, "", *map(Text, notes), *advice))
    console.print()


def _figures(estimated: Estimate) -> tuple[str, str, str]:
    cost = estimated.cost
    if cost is None:
        return "-", "-", "0"
    memory = gigabytes(cost.peak_memory)
    return duration(cost.seconds), memory, str(estimated.num_runs)
