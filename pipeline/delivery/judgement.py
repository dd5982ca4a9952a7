"""The state of a trial: its arms, and what would be decided now."""

import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from components.live_models.version_ledger import Ledger, Trial
from pipeline.config.delivery_section import DeliveryConfig
from pipeline.config.online_section import OnlineConfig
from pipeline.delivery.confidence import Bounds
from pipeline.delivery.outcomes import outcomes
from pipeline.delivery.verdict import GUARDRAILS, Arm, Verdict, decide


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A trial at a moment.

    Attributes:
        arms: Name of an arm → its lists; the live version's first.
        verdict: The decision.
        damaged: Descriptions of files of lists that could not be read. Their lists are
            left out of both arms.
    """

    arms: Mapping[str, Arm]
    verdict: Verdict
    damaged: Sequence[str]


def settings_of(trial: Trial) -> DeliveryConfig:
    """Returns the settings with which a version was put on trial.

    Raises:
        msgspec.ValidationError: If another release has written them.
    """
    return msgspec.convert(trial.settings["delivery"], DeliveryConfig)


def started_at(trial: Trial) -> float:
    """Returns when a trial began, in seconds UTC."""
    return datetime.datetime.fromisoformat(trial.started).timestamp()


def judge(out: Path, trial: Trial, now: float) -> Judgement:
    """Judges the version on trial by all lists and events so far.

    Args:
        out: Folder of the runs, with the log of lists and the events.
        trial: The trial.
        now: The present time, in seconds UTC.
    """
    settings, started = settings_of(trial), started_at(trial)
    window = msgspec.convert(trial.settings["online"], OnlineConfig).window
    versions, damaged = (trial.against, trial.version), list[str]()
    arms = outcomes(out, versions, (started, now), settings, window, damaged)
    champion, challenger = arms.values()
    verdict = decide(settings, champion, challenger, now - started)
    return Judgement(arms, verdict, damaged)


def described(ledger: Ledger, judgement: Judgement | None) -> dict[str, Any]:
    """Returns a trial and the earlier ones as JSON values.

    Args:
        ledger: The ledger of the live folder.
        judgement: The trial in progress, judged; None if there is none.
    """
    trial: dict[str, Any] | None = None
    if ledger.trial and judgement:
        verdict = judgement.verdict
        harm = {name: _finite(bounds) for name, bounds in verdict.harm.items()}
        trial = {
            **dataclasses.asdict(ledger.trial),
            "arms": {name: _shares(arm) for name, arm in judgement.arms.items()},
            "effect": _finite(verdict.effect),
            "harm": harm,
            "action": verdict.action,
            "reason": verdict.reason,
            "damaged": list(judgement.damaged),
        }
    steps = [dataclasses.asdict(step) for step in ledger.transitions]
    return {"trial": trial, "transitions": steps}


def _shares(arm: Arm) -> dict[str, float]:
    return {
        "users": arm.failed.num_users,
        "lists": int(arm.failed.lists.sum()),
        "lists_over": int(arm.followed.lists.sum()),
        "followed": arm.followed.share,
        **{name: getattr(arm, name).share for name in GUARDRAILS},
    }


def _finite(bounds: Bounds) -> dict[str, float | None]:
    """Returns bounds without infinities, which JSON does not have."""
    return {
        name: value if math.isfinite(value) else None
        for name, value in dataclasses.asdict(bounds).items()
    }
