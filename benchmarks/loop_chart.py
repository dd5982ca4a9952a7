"""The chart of the loop: satisfaction with each policy over the days."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from benchmarks.loop import Day


def draw(days: "Sequence[Day]", marks: Mapping[str, int], path: Path) -> None:
    """Draws the satisfaction with each policy.

    Args:
        days: The days; the first policy is the retrained one.
        marks: What happened on some days → number of the day.
        path: SVG file to write.
    """
    plt.rcParams["svg.hashsalt"] = "loop"
    figure, axes = plt.subplots(figsize=(8, 4.5))
    numbers = [day.number for day in days]
    for name in days[0].satisfaction:
        axes.plot(numbers, [day.satisfaction[name].mean() for day in days], label=name)
    heights = [next(iter(day.satisfaction.values())).mean() for day in days]
    for kind, mark in (("live", "^"), ("withdrawn", "x")):
        there = [
            place
            for place, day in enumerate(days)
            if any(f" {kind}: " in step for step in day.steps)
        ]
        axes.plot(
            [numbers[place] for place in there],
            [heights[place] for place in there],
            mark,
            color="black",
            markersize=4,
            linestyle="none",
            label=f"a trial ends: {kind}",
        )
    for words, number in marks.items():
        axes.axvline(number, color="grey", linestyle=":")
        axes.text(number, 0, f" {words}", fontsize=8, color="grey")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("day")
    axes.set_ylabel("items of a list that are followed, expected")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
