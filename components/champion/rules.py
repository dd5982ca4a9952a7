"""The rules of the gate: a judged model in, what speaks for and against it out.

A number that is missing or not a number never passes a rule.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Literal

from components.champion.comparison import Bootstrap, Interval
from components.ranking_metrics.users import Users

OVERALL = ""  # the slice of all users

Kind = Literal[
    "floor", "live", "reference", "finite", "spread", "calibration", "coverage"
]


@dataclasses.dataclass(frozen=True)
class Slice:
    """What was measured on some of the users.

    Attributes:
      metrics: by name.
      users: one by one.
    """

    metrics: Mapping[str, float]
    users: Users


@dataclasses.dataclass(frozen=True)
class Judged:
    """A model that was judged.

    Attributes:
      name: in the registry.
      uri: of its Model artifact.
      parameters: how many it has; fewer are cheaper.
      tells_probabilities: whether its scores are made to be probabilities.
      slices: by their name; ``OVERALL`` is all users.
    """

    name: str
    uri: str
    parameters: int
    tells_probabilities: bool
    slices: Mapping[str, Slice]


@dataclasses.dataclass(frozen=True)
class Gate:
    """The bar.

    Attributes:
      metric: by which models are compared.
      floors: metric → the least that passes.
      max_loss: in ``metric`` against the live model, absolute.
      min_gain: in ``metric`` over the reference, absolute.
      min_slice_users: smaller slices are told, and refuse nobody.
      min_score_std: of all scores; below it, the model says the same of everybody.
      calibration: bounds of the mean probability over the share of what was liked, for
        models whose scores are made to be probabilities.
      min_coverage_of_live: share of the live model's catalogue coverage.
      bootstrap: how intervals are drawn.
    """

    metric: str
    floors: Mapping[str, float]
    max_loss: float
    min_gain: float
    min_slice_users: int
    min_score_std: float
    calibration: tuple[float, float]
    min_coverage_of_live: float
    bootstrap: Bootstrap


@dataclasses.dataclass(frozen=True)
class Finding:
    """One rule on one slice.

    Attributes:
      rule: which.
      slice: of the users.
      metric: what was measured.
      interval: of the metric, or of its difference from another model's.
      passed: None where the slice is too small to refuse anybody.
      words: what was found, for a person.
    """

    rule: Kind
    slice: str
    metric: str
    interval: Interval
    passed: bool | None
    words: str


def judge(
    candidate: Judged, reference: Judged | None, live: Judged | None, gate: Gate
) -> list[Finding]:
    """Holds a candidate against every rule.

    Args:
      candidate: the model.
      reference: the one that it must beat, judged on the same users; None where it
        could not be judged, which refuses all others.
      live: the one that serves, judged on the same users; None where nothing does.
      gate: the bar.
    """
    findings = list(_of_the_scores(candidate, gate))
    if live:
        findings.append(_coverage(candidate, live, gate))
    for name, part in candidate.slices.items():
        for metric, floor in gate.floors.items():
            if name == OVERALL or part.users.has(metric):
                findings.append(_floor(name, part, metric, floor, gate))
        if reference:
            findings.append(
                _against("reference", name, part, reference, -gate.min_gain, gate)
            )
        if live:
            findings.append(_against("live", name, part, live, gate.max_loss, gate))
    if not reference:
        nothing = Interval(math.nan, math.nan, math.nan, 0)
        words = "the bar was not judged, so that it cannot be passed"
        findings.append(
            Finding("reference", OVERALL, gate.metric, nothing, False, words)
        )
    return findings


def _of_the_scores(candidate: Judged, gate: Gate) -> Iterator[Finding]:
    metrics = candidate.slices[OVERALL].metrics
    finite = metrics.get("finite_scores", math.nan)
    yield _plain(
        "finite",
        "finite_scores",
        candidate,
        finite == 1,
        f"{1 - finite:.2%} of the scores are no numbers",
    )
    spread = metrics.get("score_std", math.nan)
    yield _plain(
        "spread",
        "score_std",
        candidate,
        spread > gate.min_score_std,
        f"the scores' standard deviation is {spread:.4g}; {gate.min_score_std:g} is "
        "needed",
    )
    if candidate.tells_probabilities:
        low, high = gate.calibration
        ratio = metrics.get("calibration", math.nan)
        yield _plain(
            "calibration",
            "calibration",
            candidate,
            low <= ratio <= high,
            f"it expects {ratio:.3f} times the likes that there are; {low:g} to "
            f"{high:g} times is allowed",
        )


def _coverage(candidate: Judged, live: Judged, gate: Gate) -> Finding:
    name = "coverage@10"
    own, others = (
        each.slices[OVERALL].metrics.get(name, math.nan) for each in (candidate, live)
    )
    needed = gate.min_coverage_of_live * others
    return _plain(
        "coverage",
        name,
        candidate,
        own >= needed,
        f"it recommends {own:.1%} of the catalogue, the live model {others:.1%}; "
        f"{needed:.1%} is needed",
    )


def _plain(
    rule: Kind, metric: str, candidate: Judged, passed: bool, words: str
) -> Finding:
    overall = candidate.slices[OVERALL]
    value = overall.metrics.get(metric, math.nan)
    interval = Interval(value, value, value, len(overall.users.user))
    return Finding(rule, OVERALL, metric, interval, passed, words)


def _floor(name: str, part: Slice, metric: str, floor: float, gate: Gate) -> Finding:
    value = part.metrics.get(metric, math.nan)
    if part.users.has(metric):
        interval = gate.bootstrap.of(part.users, metric)
        interval = dataclasses.replace(interval, value=value)
    else:
        interval = Interval(value, value, value, len(part.users.user))
    # On a slice chance is large: only what is surely below the floor refuses.
    reached = value if name == OVERALL else interval.upper
    return Finding(
        "floor",
        name,
        metric,
        interval,
        _gated(name, part, gate, reached >= floor and not math.isnan(value)),
        f"{metric} is {value:.4f}{_on(name)}; {floor:g} is needed",
    )


def _against(
    rule: Kind, name: str, part: Slice, other: Judged, margin: float, gate: Gate
) -> Finding:
    """Overall it must be shown not to lose; on a slice, not be shown to lose."""
    if name not in other.slices:
        nothing = Interval(math.nan, math.nan, math.nan, len(part.users.user))
        passed = _gated(name, part, gate, False)
        words = f"{other.name} was not judged{_on(name)}"
        return Finding(rule, name, gate.metric, nothing, passed, words)
    found = gate.bootstrap.difference(part.users, other.slices[name].users, gate.metric)
    if name == OVERALL:
        passed = found.lower > -margin
    else:
        passed = found.upper >= min(-margin, 0.0)  # as good as the other is no loss
    # TFMA's own figure of it has to be there too: it is what is compared later.
    passed = passed and not math.isnan(part.metrics.get(gate.metric, math.nan))
    label = "the live model" if rule == "live" else other.name
    allowed = (
        f"a loss of {margin:g} is allowed"
        if margin > 0
        else (f"a gain of {-margin:g} is needed" if margin < 0 else "a gain is needed")
    )
    return Finding(
        rule,
        name,
        gate.metric,
        found,
        _gated(name, part, gate, passed),
        f"{gate.metric} is {found.value:+.4f} [{found.lower:+.4f}, {found.upper:+.4f}] "
        f"from {label}'s{_on(name)}; {allowed}",
    )


def _gated(name: str, part: Slice, gate: Gate, passed: bool) -> bool | None:
    is_small = name != OVERALL and len(part.users.user) < gate.min_slice_users
    return None if is_small else bool(passed)


def _on(name: str) -> str:
    return f" on {name}" if name != OVERALL else ""
