"""``make bench-run``: what commands cost, at an earlier commit and in this tree.

The earlier commit has its own copy of the sources and its own environment, in build/.
Each command runs in both, in turn. ``--quick`` runs this tree alone, and compares with
``run.json``, which was recorded for the last release; machines differ, so both are in
units of the CPU seconds of ``import tensorflow``.
"""

import json
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from benchmarks.figures import Figure, console, machine, print_figures, write_docs
from benchmarks.processes import adopt_orphans
from benchmarks.run_commands import (
    MOVIELENS,
    ROOT,
    SAMPLE,
    Cost,
    Row,
    Tree,
    earlier_tree,
)

BASE = "0376103"
RECORDED = Path(__file__).with_name("run.json")
NOISE = 1.25  # CPU seconds of the same command differ by up to a fifth under load


def measured_in_turn(
    trees: Sequence[Tree], rows: Sequence[Row], rounds: int
) -> dict[str, dict[str, list[Cost]]]:
    """Returns the costs by the row and by the tree, one for each round."""
    costs: dict[str, dict[str, list[Cost]]] = {
        row.what: {tree.name: [] for tree in trees} for row in rows
    }
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for row in rows:
                for tree in trees:
                    cost = row.measure(tree, Path(folder, tree.name))
                    costs[row.what][tree.name].append(cost)
                    console.print(
                        f"{row.what}, {tree.name}: {cost.seconds:.2f} s, CPU seconds "
                        f"{cost.cpu}, load {os.getloadavg()[0]:.1f}"
                    )
    return costs


def compared(
    rows: Sequence[Row], costs: Mapping[str, Mapping[str, Sequence[Cost]]]
) -> list[Figure]:
    """Returns both medians of each row, and their ratios."""
    figures = []
    for row in rows:
        (earlier, before), (_, now) = costs[row.what].items()
        old, new = (
            statistics.median(c.seconds for c in found) for found in (before, now)
        )
        figures += [
            Figure(f"{row.what}, {earlier}", old, "s"),
            Figure(f"{row.what}, now", new, "s", at_most=row.seconds),
            Figure(f"{row.what}, ratio", new / old, "×", at_most=row.ratio),
        ]
        cpu = [_cpu_seconds(found) for found in (before, now)]
        if cpu[0] and cpu[1]:
            ratio = cpu[1] / cpu[0]
            figures.append(Figure(f"{row.what}, ratio of CPU seconds", ratio, "×"))
    return figures


def in_units_of_an_import(tree: Tree, rounds: int) -> dict[str, float]:
    """Returns each row's CPU seconds, divided by those of ``import tensorflow``."""

    def importing(tree: Tree, _: Path) -> Cost:
        return tree.timed("python", "-c", "import tensorflow")

    unit = Row("import tensorflow", importing)
    costs = measured_in_turn([tree], [unit, *SAMPLE], rounds)
    cpu = {what: _cpu_seconds(found[tree.name]) for what, found in costs.items()}
    of_unit = cpu.pop(unit.what) or 1.0
    return {what: seconds / of_unit for what, seconds in cpu.items() if seconds}


def _cpu_seconds(costs: Sequence[Cost]) -> float | None:
    """Returns the median of the CPU seconds; None for a part of a command."""
    found = [cost.cpu for cost in costs if cost.cpu is not None]
    return statistics.median(found) if found else None


def against_the_last_release(
    found: Mapping[str, float], recorded: Mapping[str, float]
) -> list[Figure]:
    """Returns each row's cost beside the recorded one, with noise as its bound."""
    return [
        Figure(
            f"{what}, to the last release",
            found[what] / before,
            "×",
            at_most=NOISE,
        )
        for what, before in recorded.items()
    ]


@click.command()
@click.option("--base", default=BASE, show_default=True, help="The earlier commit.")
@click.option("--rounds", default=3, show_default=True, help="Medians count.")
@click.option("--movielens", "has_movielens", is_flag=True, help="Measure it too.")
@click.option("--write", is_flag=True, help="Replace the table in docs/benchmarks.md.")
@click.option("--quick", is_flag=True, help="Compare with the last release's record.")
@click.option("--record", is_flag=True, help="Write that record: for a release.")
def main(
    base: str, rounds: int, has_movielens: bool, write: bool, quick: bool, record: bool
) -> None:
    """Measure the commands, and fail if one missed its bound."""
    now, before = Tree("now", ROOT), machine()
    adopt_orphans()
    console.print(before)
    if quick and not RECORDED.exists():
        raise click.ClickException(
            f"{RECORDED} does not exist. Write it at a release, on a machine with no "
            "other work: make bench-run ARGUMENTS=--record"
        )
    if quick or record:
        found = in_units_of_an_import(now, rounds)
        if record:
            RECORDED.write_text(json.dumps(found, indent=1) + "\n")
            return
        figures = against_the_last_release(found, json.loads(RECORDED.read_text()))
    else:
        rows = SAMPLE + (MOVIELENS if has_movielens else ())
        costs = measured_in_turn([earlier_tree(base), now], rows, rounds)
        figures = compared(rows, costs)
    print_figures(figures)
    if write:
        write_docs("run", figures, before, "make bench-run")
    if missed := [figure.what for figure in figures if not figure.reached]:
        raise click.ClickException(f"not reached: {', '.join(missed)}")


if __name__ == "__main__":
    main()
