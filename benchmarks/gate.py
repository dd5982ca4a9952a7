"""``make bench-gate``: how often the gate promotes, by the challenger's true gain.

``benchmarks.seasons`` has the simulation. Its users are MovieLens 1M's test users.
"""

import concurrent.futures
import datetime
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import matplotlib.pyplot as plt
from rich.console import Console

from benchmarks.processes import marquee
from benchmarks.seasons import METRIC, Outcome, Pool, Setting, play
from components.champion.gate import Gate
from components.champion.judged import OVERALL
from components.champion.judgements import read_slices
from components.ranking_metrics.users import Users
from pipeline.runs.step_outputs import newest_output

DOCS = Path(__file__).parents[1] / "docs"
CHART = DOCS / "gate.svg"
PAGE = DOCS / "gate.md"
# Two variants of one model, whose lists differ.
RECIPES = {
    "a": ("models.mf_als.embedding_dim=64",),
    "b": ("models.mf_als.embedding_dim=8",),
}
USERS = (1000, 3000, 6000)
GAINS = (-0.2, -0.1, 0.0, 0.02, 0.05, 0.1, 0.2)
POWER_NIGHTS, POWER_SEASONS = 14, 100
# For equal challengers: test users per night, challengers, seasons.
SIZES = ((1000, 1, 1000), (6000, 1, 100), (1000, 5, 100), (300, 1, 200))
NIGHTS = 100

console = Console(width=120)


def evaluated(data: str, folder: Path) -> Pool:
    """Trains and evaluates both recipes with ``marquee run``; returns their users."""
    models = {}
    for recipe, settings in RECIPES.items():
        marquee(folder, data, "mf_als", *settings)
        models[recipe] = _users(folder, "mf_als")
    models["popularity"] = _users(folder, "popularity")
    return Pool.of(models)


def _users(out: Path, model: str) -> Users:
    evaluation = newest_output(out, f"Evaluator_{model}", "evaluation")
    return read_slices(evaluation)[OVERALL].users


def plan(share: float) -> Iterator[tuple[Setting, int]]:
    """Yields settings with their numbers of seasons, ``share`` of the full number."""
    for users, challengers, seasons in SIZES:
        yield Setting(users, challengers, 0.0, NIGHTS), max(1, int(share * seasons))
    for users, gain in itertools.product(USERS, GAINS):
        setting = Setting(users, 1, gain, POWER_NIGHTS)
        yield setting, max(1, int(share * POWER_SEASONS))


def draw(outcomes: dict[Setting, Outcome]) -> None:
    """Draws promotions by night with 6,000 users, and within 14 nights by users."""
    plt.rcParams["svg.hashsalt"] = "marquee"
    figure, (by_night, by_users) = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    nights = range(1, POWER_NIGHTS + 1)
    for gain in [gain for gain in GAINS if gain >= 0]:
        label = f"{gain:+.0%}" if gain else "equal"
        outcome = outcomes[Setting(6000, 1, gain, POWER_NIGHTS)]
        by_night.plot(nights, [outcome.by(night) for night in nights], label=label)
        values = [
            outcomes[Setting(users, 1, gain, POWER_NIGHTS)].by(POWER_NIGHTS)
            for users in USERS
        ]
        by_users.plot(USERS, values, marker="o", markersize=3, label=label)
    by_night.set_xlabel("nights, of 6,000 test users each")
    by_night.set_ylabel("share of challengers promoted")
    by_users.set_xlabel(f"test users a night; within {POWER_NIGHTS} nights")
    by_users.set_xscale("log")
    by_users.set_xticks(USERS, [f"{users:,}" for users in USERS], minor=False)
    by_users.minorticks_off()
    by_users.legend(title=f"gain in {METRIC}", frameon=False)
    for axes in (by_night, by_users):
        axes.axhline(0.8, color="grey", linewidth=0.5)
        axes.grid(alpha=0.3)
        axes.set_ylim(-0.02, 1.02)
    figure.tight_layout()
    figure.savefig(CHART, metadata={"Date": None})
    plt.close(figure)


def section(pool: Pool, outcomes: dict[Setting, Outcome], data: str) -> str:
    """Returns the Markdown of the operating characteristics."""
    lines = [
        f"`make bench-gate` on {data}, {datetime.date.today()}; the pool is of "
        f"{len(pool.num_candidates):,} test users with a liked target "
        f"({pool.share:.0%}). {METRIC} of the two recipes is {pool.mean('a'):.4f} and "
        f"{pool.mean('b'):.4f}, that of popularity {pool.mean('popularity'):.4f}.",
        "",
        "Equal challengers, retrained every night against one live model:",
        "",
        "| test users a night | challengers | seasons of 100 nights | with a false "
        "promotion | refused in a night |",
        "|---|---|---|---|---|",
    ]
    for users, challengers, _ in SIZES:
        outcome = outcomes[Setting(users, challengers, 0.0, NIGHTS)]
        lines.append(
            f"| {users:,} | {challengers} | {outcome.seasons:,} | "
            f"{outcome.by(NIGHTS):.1%} | {outcome.refused:.1%} |"
        )
    counts = [
        outcome.seasons
        for setting, outcome in outcomes.items()
        if setting.nights == POWER_NIGHTS
    ]
    lines += [
        "",
        f"One challenger, {min(counts)} seasons each: promoted in the first night / "
        f"within {POWER_NIGHTS} nights (refused in the first night):",
        "",
        "| test users a night | " + " | ".join(_gain(gain) for gain in GAINS) + " |",
        "|" + "---|" * (len(GAINS) + 1),
    ]
    for users in USERS:
        cells = []
        for gain in GAINS:
            outcome = outcomes[Setting(users, 1, gain, POWER_NIGHTS)]
            cells.append(
                f"{outcome.by(1):.0%} / {outcome.by(POWER_NIGHTS):.0%} "
                f"({outcome.refused:.0%})"
            )
        lines.append(f"| {users:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _gain(gain: float) -> str:
    return f"{gain:+.0%}" if gain else "equal"


@click.command()
@click.option("--data", default="ml-1m", help="A data set of MovieLens.")
@click.option("--out", type=click.Path(path_type=Path), help="Keep the runs here.")
@click.option("--share", default=1.0, help="Share of the seasons, for a quick run.")
@click.option("--write", is_flag=True, help="Write docs/gate.md and its chart.")
def main(data: str, out: Path | None, share: float, write: bool) -> None:
    """Measure how often the gate promotes."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        pool = evaluated(data, out or Path(folder))
    settings = list(plan(share))
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as workers:
        played = workers.map(
            play,
            itertools.repeat(pool),
            [setting for setting, _ in settings],
            itertools.repeat(Gate(metric=METRIC)),
            [seasons for _, seasons in settings],
        )
        outcomes = {}
        for (setting, _), outcome in zip(settings, played, strict=True):
            outcomes[setting] = outcome
            promoted, refused = outcome.by(setting.nights), outcome.refused
            console.print(f"{setting}: promoted {promoted:.3f}, refused {refused:.3f}")
    text = section(pool, outcomes, data)
    console.print(text)
    if write:
        draw(outcomes)
        page = PAGE.read_text()
        before, start, rest = page.partition("<!-- measured -->\n")
        _, end, after = rest.partition("<!-- end of measured -->")
        PAGE.write_text(before + start + text + "\n" + end + after)


if __name__ == "__main__":
    main()
