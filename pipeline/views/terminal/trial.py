"""Prints the version on trial and the steps of all trials."""

import math
from collections.abc import Sequence

from components.live_models.version_ledger import Ledger, Transition
from pipeline.delivery.confidence import Bounds
from pipeline.delivery.judgement import Judgement, settings_of
from pipeline.views.formatting import inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal


def print_trial(console: Terminal, ledger: Ledger, judgement: Judgement | None) -> None:
    """Prints a trial, its arms, its bounds, and the earlier trials.

    Args:
        console: Where to print.
        ledger: The ledger of the live folder.
        judgement: The trial in progress, judged; None if there is none.
    """
    if ledger.trial and judgement:
        trial, verdict = ledger.trial, judgement.verdict
        settings = settings_of(trial)
        console.print(
            f"Version {trial.version} is on trial against version {trial.against} "
            f"since {inert(trial.started)} (delivery.mode: {settings.mode})."
        )
        _print_arms(console, judgement)
        console.print(
            f"\nEvents compared with {inert(settings.arms[0])}: "
            f"{_shown(verdict.effect)}. Bounds hold at every moment."
        )
        console.print(f"Decision: {verdict.action}, {inert(verdict.reason)}.")
        for line in judgement.damaged:
            console.print(inert(line), soft_wrap=True)
    else:
        console.print("No version is on trial.")
    _print_steps(console, ledger.transitions)


def _print_arms(console: Terminal, judgement: Judgement) -> None:
    table = headed_table(
        *("arm", "users", "lists", "over", "with an event", "failed", "empty", "slow")
    )
    for name, arm in judgement.arms.items():
        table.add_row(
            inert(name),
            f"{arm.failed.num_users:,}",
            f"{arm.failed.lists.sum():,.0f}",
            f"{arm.followed.lists.sum():,.0f}",
            *(
                f"{sums.share:.2%}"
                for sums in (arm.followed, arm.failed, arm.empty, arm.slow)
            ),
        )
    console.print(table)


def _print_steps(console: Terminal, steps: Sequence[Transition]) -> None:
    if not steps:
        return
    table = headed_table("time", "version", "is", "reason")
    for step in reversed(steps):
        to = {"trial": "on trial"}.get(step.to, step.to)
        table.add_row(inert(step.time), str(step.version), to, inert(step.reason))
    console.print()
    console.print(table)


def _shown(bounds: Bounds) -> str:
    if math.isinf(bounds.low):
        return "too few to compare"
    return f"{bounds.estimate:+.1%} ({bounds.low:+.1%} to {bounds.high:+.1%})"
