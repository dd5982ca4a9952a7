"""``make bench-trials``: how soon a trial is decided, and how often wrongly.

The users of the simulation come back for weeks. Their rates and their activity differ.
"""

import dataclasses
from collections.abc import Iterator

import click
import numpy as np

from benchmarks.figures import Figure, machine, print_figures, write_docs
from pipeline.config.delivery_section import DeliveryConfig
from pipeline.delivery.confidence import Sums
from pipeline.delivery.verdict import Action, Arm, decide

DAYS = LOOKS = 30
FAILURES = 0.002  # share of the lists of either arm that fail, are empty, or are slow


@dataclasses.dataclass(frozen=True)
class World:
    """The truth of a trial.

    Attributes:
        num_users: Number of users, who arrive over three weeks.
        rate: Share of the live version's lists with an event.
        effect: Relative difference of the other version's.
    """

    num_users: int
    rate: float
    effect: float


def trial(
    rng: np.random.Generator, world: World, share: float
) -> Iterator[tuple[Arm, Arm]]:
    """Yields the arms of the live version and of the other at every look.

    Args:
        rng: Generator of the users.
        world: The truth.
        share: Share of the users who get the other version's lists.
    """
    number, rate = world.num_users, world.rate
    rates = rng.beta(5 * rate, 5 * (1 - rate), number)
    lists_per_day = rng.gamma(1.0, 1.0, number)
    arrival = rng.uniform(0, 0.7 * DAYS, number)
    is_chosen = rng.random(number) < share
    rates = np.minimum(1, np.where(is_chosen, rates * (1 + world.effect), rates))
    lists, hits, failed = np.zeros((3, number))
    for day in np.linspace(0, DAYS, LOOKS + 1)[1:]:
        new = rng.poisson(lists_per_day * np.clip(day - arrival, 0, DAYS / LOOKS))
        lists += new
        hits += rng.binomial(new, rates)
        failed += rng.binomial(new, FAILURES)
        there = lists > 0
        live, other = (
            Arm(
                Sums(lists[rows], hits[rows]),
                *(Sums(lists[rows], failed[rows]) for _ in range(3)),
            )
            for rows in (there & ~is_chosen, there & is_chosen)
        )
        yield live, other


def first_decision(
    settings: DeliveryConfig, world: World, seed: int
) -> tuple[Action, float]:
    """Returns the first decision of a trial, and the number of lists until then."""
    rng = np.random.default_rng(seed)
    for live, other in trial(rng, world, settings.share):
        verdict = decide(settings, live, other, 0)
        if verdict.action != Action.WAIT:
            break
    return verdict.action, float(live.failed.lists.sum() + other.failed.lists.sum())


@click.command()
@click.option("--trials", default=100, show_default=True)
@click.option("--write", is_flag=True, help="Write docs/benchmarks.md.")
def main(trials: int, write: bool) -> None:
    """Simulate trials of versions that are as good, worse and better."""
    before = machine()
    figures = []
    plan = [
        (DeliveryConfig(mode="ab", share=0.5), World(1000, 0.3, 0), 10 * trials),
        *(
            (
                DeliveryConfig(mode=mode, share=share),
                World(20_000, rate, effect),
                trials,
            )
            for mode, share in (("canary", 0.1), ("ab", 0.5))
            for rate in (0.1, 0.3)
            for effect in (-0.3, -0.1)
        ),
    ]
    for settings, world, number in plan:
        ends = [first_decision(settings, world, seed) for seed in range(number)]
        name = f"{settings.mode} {settings.share:.0%}, {world.rate:.0%} with an event"
        if world.effect == 0:
            wrong = sum(action != Action.WAIT for action, _ in ends)
            figures.append(
                Figure(
                    f"{name}, equal: decided",
                    100 * wrong / number,
                    "%",
                    at_most=100 * settings.alpha,
                )
            )
            continue
        withdrawn = [n for action, n in ends if action == Action.WITHDRAW]
        name = f"{name}, {-world.effect:.0%} worse"
        share = 100 * len(withdrawn) / number
        figures.append(Figure(f"{name}: withdrawn", share, "%"))
        if withdrawn:
            lists = float(np.median(withdrawn))
            figures.append(Figure(f"{name}: lists until then", lists, "lists"))
    print_figures(figures)
    if write:
        write_docs("trials", figures, before, "make bench-trials")


if __name__ == "__main__":
    main()
