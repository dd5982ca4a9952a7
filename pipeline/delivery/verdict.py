"""The decision about a version on trial, from the lists of its arm and of the other."""

import dataclasses
import enum
from collections.abc import Iterator

from pipeline.config.delivery_section import SHADOW, DeliveryConfig
from pipeline.delivery.confidence import (
    NOTHING_KNOWN,
    Bounds,
    Sums,
    difference,
    relative_difference,
)
from pipeline.kept_days import DAY_SECONDS

GUARDRAILS = ("failed", "empty", "slow")


class Action(enum.StrEnum):
    """What is done with the version."""

    WAIT = "wait"
    PROMOTE = "promote"
    WITHDRAW = "withdraw"


@dataclasses.dataclass(frozen=True)
class Arm:
    """The lists of an arm.

    Attributes:
        followed: Lists whose window is over, and those with an event in it.
        failed: All lists, and those that could not be made.
        empty: The lists that could be made, and those without an item.
        slow: The same lists, and those that took longer than ``slow_ms``.
    """

    followed: Sums
    failed: Sums
    empty: Sums
    slow: Sums


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A decision.

    Attributes:
        action: What is done.
        reason: Why.
        effect: By how much the share of lists with an event exceeds that of the live
            version, relative to it.
        harm: Guardrail → by how much its share of lists exceeds that of the live
            version.
    """

    action: Action
    reason: str
    effect: Bounds
    harm: dict[str, Bounds]


def decide(
    settings: DeliveryConfig, champion: Arm, challenger: Arm, seconds: float
) -> Verdict:
    """Decides about a version on trial.

    Args:
        settings: How it is delivered.
        champion: Lists of the live version.
        challenger: Lists of the version on trial.
        seconds: Since the trial began.
    """
    # One for each sequence of bounds, so that all of them hold together.
    alpha = settings.alpha / (1 + len(GUARDRAILS))
    harm = {
        name: difference(getattr(challenger, name), getattr(champion, name), alpha)
        for name in GUARDRAILS
    }
    effect = NOTHING_KNOWN
    if settings.mode != SHADOW:
        effect = relative_difference(challenger.followed, champion.followed, alpha)
    action, reason = next(
        _decisions(settings, effect, harm, challenger, seconds),
        (Action.WAIT, "undecided"),
    )
    return Verdict(action, reason, effect, harm)


def _decisions(
    settings: DeliveryConfig,
    effect: Bounds,
    harm: dict[str, Bounds],
    challenger: Arm,
    seconds: float,
) -> Iterator[tuple[Action, str]]:
    """Yields what has to be done and why, the most urgent first."""
    for name, bounds in harm.items():
        if bounds.low > settings.max_harm:
            yield Action.WITHDRAW, f"at least {bounds.low:.1%} more lists are {name}"
    if effect.high < 0:
        yield Action.WITHDRAW, f"at least {-effect.high:.1%} fewer lists have an event"
    num_lists = int(challenger.failed.lists.sum())
    if settings.mode == SHADOW and num_lists >= settings.shadow_lists:
        yield Action.PROMOTE, f"{num_lists} lists were made without harm"
    if settings.mode == "canary" and effect.low > -settings.max_loss:
        loss = max(0.0, -effect.low)
        yield Action.PROMOTE, f"at most {loss:.1%} fewer lists have an event"
    if settings.mode == "ab" and effect.low > 0:
        yield Action.PROMOTE, f"at least {effect.low:.1%} more lists have an event"
    if seconds >= settings.max_days * DAY_SECONDS:
        if not num_lists:
            yield Action.WITHDRAW, f"no list was logged in {settings.max_days:g} days"
        reason = f"undecided after {settings.max_days:g} days"
        yield Action(settings.when_undecided), reason
