"""The rules of the gate, and what each one finds on a judged model.

A number that is missing or NaN never passes a rule.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from components import metric_names as names
from components.champion.chosen_targets import NEW_ITEM, on_new_items, on_targets_of
from components.champion.comparison import Interval, difference, interval
from components.champion.gate import Gate
from components.champion.judged import OVERALL, Judged, Slice
from components.metric_names import AUC, PROBABILITY_METRICS
from components.ranking_metrics.users import Users

Kind = Literal[
    "users",
    "floor",
    "live",
    "reference",
    "finite",
    "spread",
    "calibration",
    "coverage",
    "index",
]


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one rule on one slice.

    Attributes:
        rule: Kind of the rule.
        slice: Name of the slice of users.
        metric: Name of the metric that was measured.
        interval: Interval of the metric, or of its difference from another model's.
        passed: None if the rule does not apply, as on a slice with few users.
        words: The finding as a sentence.
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
    """Returns the findings of every rule on a candidate.

    Args:
        candidate: The candidate.
        reference: The model that it must beat, judged on the same users; None if it
            could not be judged, which refuses every candidate.
        live: The live model, judged on the same users; None if nothing is live.
        gate: The bounds of the rules.
    """
    findings = [
        _users(candidate, gate),
        *_of_the_scores(candidate, gate),
        *_index(candidate, gate),
    ]
    if live:
        findings.append(_coverage(candidate, live, gate))
    for name in candidate.slices:
        findings += _on_slice(name, candidate, reference, live, gate)
    findings += [
        _on_new_items(candidate, metric, floor, gate)
        for metric, floor in gate.new_item_floors.items()
    ]
    if live:
        findings += [
            _event(candidate, live, event_type, max_loss, gate)
            for event_type, max_loss in gate.max_loss_by_event.items()
        ]
    if not reference:
        nothing = Interval(math.nan, math.nan, math.nan, 0)
        words = "popularity was not judged, and every model must beat it"
        findings.append(
            Finding("reference", OVERALL, gate.metric, nothing, False, words)
        )
    return findings


def _on_slice(
    name: str,
    candidate: Judged,
    reference: Judged | None,
    live: Judged | None,
    gate: Gate,
) -> Iterator[Finding]:
    part = candidate.slices[name]
    for metric, floor in gate.floors.items():
        if metric in PROBABILITY_METRICS and not candidate.tells_probabilities:
            if name == OVERALL:
                yield _no_probabilities(metric)
        elif name == OVERALL or part.users.has(metric):
            found = _floor(name, part, metric, floor, gate)
            yield _if_many(found, [candidate], gate)
    if reference:
        found = _reference(name, part, reference, gate)
        yield _if_many(found, [candidate, reference], gate)
    if live:
        yield _if_many(_live(name, part, live, gate), [candidate, live], gate)


def _if_many(finding: Finding, models: list[Judged], gate: Gate) -> Finding:
    """Returns the finding, which does not apply to a slice of few users.

    What counts is the users that the test data allow to be measured, not those for whom
    a model has a measurement: a model without any does not pass.
    """
    name = finding.slice
    if name == OVERALL:
        return finding
    measurable = [
        model.slices[name].users.measurable(gate.metric)
        for model in models
        if name in model.slices
    ]
    # Samples differ in size if settings or data changed since a model was exported.
    if np.count_nonzero(np.logical_and.reduce(measurable)) < gate.min_slice_users:
        return dataclasses.replace(finding, passed=None)
    return finding


def _users(candidate: Judged, gate: Gate) -> Finding:
    count = count_users(candidate.slices[OVERALL].users, gate.metric)
    return Finding(
        "users",
        OVERALL,
        names.NUM_USERS,
        Interval(count, count, count, count),
        count >= gate.min_users,
        f"{gate.metric} could be measured for {count} test users; at least "
        f"{gate.min_users} are required (gate.min_users)",
    )


def _of_the_scores(candidate: Judged, gate: Gate) -> Iterator[Finding]:
    metrics = candidate.slices[OVERALL].metrics
    finite = metrics.get(names.FINITE_SCORES, math.nan)
    yield _plain(
        "finite",
        names.FINITE_SCORES,
        candidate,
        finite == 1,
        f"{1 - finite:.2%} of the scores are not finite",
    )
    spread = metrics.get(names.SCORE_STD, math.nan)
    yield _plain(
        "spread",
        names.SCORE_STD,
        candidate,
        spread > gate.min_score_std,
        f"the standard deviation of the scores is {spread:.4g}; more than "
        f"{gate.min_score_std:g} is required",
    )
    if candidate.tells_probabilities:
        low, high = gate.min_calibration, gate.max_calibration
        ratio = metrics.get(names.CALIBRATION, math.nan)
        yield _plain(
            "calibration",
            names.CALIBRATION,
            candidate,
            low <= ratio <= high,
            f"predicted likes are {ratio:.3f} times the observed likes; {low:g} to "
            f"{high:g} times is allowed",
        )


def _index(candidate: Judged, gate: Gate) -> Iterator[Finding]:
    """Requires that an index finds the best items, for a model that has one."""
    recall = candidate.slices[OVERALL].metrics.get(names.INDEX_RECALL, math.nan)
    if not math.isnan(recall):
        yield _plain(
            "index",
            names.INDEX_RECALL,
            candidate,
            recall >= gate.min_index_recall,
            f"its index finds {recall:.1%} of the ten best items; at least "
            f"{gate.min_index_recall:.1%} is required (lists.index_probes)",
        )


def _coverage(candidate: Judged, live: Judged, gate: Gate) -> Finding:
    """Compares the lists of the users that both models ranked.

    A model ranks a sample of the users, whose size is chosen when it is exported; more
    users are recommended more items.
    """
    users, others = (model.slices[OVERALL].users for model in (candidate, live))
    in_both = users.is_ranked() & others.is_ranked()
    own, live_share = (_coverage_of(model, in_both) for model in (candidate, live))
    required = gate.min_coverage_of_live * live_share
    return _plain(
        "coverage",
        names.COVERAGE,
        candidate,
        own >= required,
        f"it recommends {own:.1%} of the catalogue to the {in_both.sum()} users that "
        f"it and the live model ranked, the live model {live_share:.1%}; at least "
        f"{required:.1%} is required",
    )


def _coverage_of(model: Judged, chosen: npt.NDArray[np.bool_]) -> float:
    """Returns the share of the catalogue that is recommended to the chosen users."""
    overall = model.slices[OVERALL]
    coverage = overall.metrics.get(names.COVERAGE, math.nan)
    if overall.users.top_item is None:
        return coverage
    ranked = overall.users.num_listed_items(overall.users.is_ranked())
    share = overall.users.num_listed_items(chosen) / ranked if ranked else 1.0
    return coverage * share


def _plain(
    rule: Kind, metric: str, candidate: Judged, passed: bool, words: str
) -> Finding:
    overall = candidate.slices[OVERALL]
    value = overall.metrics.get(metric, math.nan)
    found = Interval(value, value, value, len(overall.users.user))
    return Finding(rule, OVERALL, metric, found, passed, words)


def _floor(name: str, part: Slice, metric: str, floor: float, gate: Gate) -> Finding:
    """Requires the floor of all users; a slice must not be significantly below it."""
    value = part.metrics.get(metric, math.nan)
    if not part.users.has(metric):
        found = Interval(value, value, value, len(part.users.user))
        reached = value
    else:
        found = interval(part.users, metric, gate.confidence)
        found = dataclasses.replace(found, value=value)
        reached = value if name == OVERALL else found.upper
    if metric == AUC and part.users.has_one_label():
        which = "liked" if part.users.label.any() else "disliked"
        words = (
            f"auc is not defined{_on(name)}, as every test rating is {which}; its "
            "floor does not apply"
        )
        return Finding("floor", name, metric, found, None, words)
    passed = bool(reached >= floor and not math.isnan(value))
    rule = (
        f"at least {floor:g} is required"
        if name == OVERALL
        else f"a slice that is significantly below {floor:g} is refused"
    )
    words = f"{metric} is {value:.4f}{_on(name)}; {rule}"
    return Finding("floor", name, metric, found, passed, words)


def _no_probabilities(metric: str) -> Finding:
    nothing = Interval(math.nan, math.nan, math.nan, 0)
    words = (
        f"{metric} is not defined, as the scores are not probabilities; its floor does "
        "not apply"
    )
    return Finding("floor", OVERALL, metric, nothing, None, words)


def _reference(name: str, part: Slice, reference: Judged, gate: Gate) -> Finding:
    """Requires a significant gain; a slice must not have a significant loss."""
    least = gate.min_gain_over_popularity
    found = _difference(name, part, reference, gate)
    if name == OVERALL:
        passed = found.lower > least
        rule = f"a significant gain of more than {least:g} is required"
    else:
        least = min(least, 0.0)  # to be as good as the reference is enough
        passed = found.upper >= least
        rule = _no_significant_loss(-least)
    words = _compared(name, reference.name, reference, found, gate.metric, rule)
    passed = bool(passed and _is_measured(part, gate))
    return Finding("reference", name, gate.metric, found, passed, words)


def _live(name: str, part: Slice, live: Judged, gate: Gate) -> Finding:
    """Forbids a significant loss on any slice; ``decision`` requires a gain."""
    found = _difference(name, part, live, gate)
    passed = found.upper >= -gate.max_loss
    rule = _no_significant_loss(gate.max_loss)
    words = _compared(name, "the live model", live, found, gate.metric, rule)
    passed = bool(passed and _is_measured(part, gate))
    return Finding("live", name, gate.metric, found, passed, words)


def _event(
    candidate: Judged, live: Judged, event_type: str, max_loss: float, gate: Gate
) -> Finding:
    """Forbids a significant loss on the targets of one type of events."""
    name = f"event_type={event_type}"
    users, others = (
        on_targets_of(model.slices[OVERALL].users, event_type)
        for model in (candidate, live)
    )
    if users is None or others is None:
        nothing = Interval(math.nan, math.nan, math.nan, 0)
        words = "the types of the targets are not known, so no loss can be ruled out"
        return Finding("live", name, gate.metric, nothing, False, words)
    found = difference(users, others, gate.metric, gate.confidence)
    words = _compared(
        "", "the live model", live, found, gate.metric, _no_significant_loss(max_loss)
    ).replace(";", f" on targets of type {event_type};", 1)
    passed = None
    if found.num_users >= gate.min_slice_users:
        passed = bool(found.upper >= -max_loss)
    return Finding("live", name, gate.metric, found, passed, words)


def _on_new_items(candidate: Judged, metric: str, floor: float, gate: Gate) -> Finding:
    """Requires a floor on the targets whose items have no row of their own."""
    users = on_new_items(candidate.slices[OVERALL].users)
    if users is None:
        nothing = Interval(math.nan, math.nan, math.nan, 0)
        words = "it is not known which targets are new items, so no floor is reached"
        return Finding("floor", NEW_ITEM, metric, nothing, False, words)
    found = interval(users, metric, gate.confidence)
    words = (
        f"{metric} is {found.value:.4f} on targets that are new items; at least "
        f"{floor:g} is required"
    )
    passed = None
    if found.num_users >= gate.min_slice_users:
        passed = bool(found.value >= floor)
    return Finding("floor", NEW_ITEM, metric, found, passed, words)


def _no_significant_loss(margin: float) -> str:
    more = f" of more than {margin:g}" if margin else ""
    return f"a significant loss{more} is refused"


def _difference(name: str, part: Slice, other: Judged, gate: Gate) -> Interval:
    if name not in other.slices:
        return Interval(math.nan, math.nan, math.nan, 0)
    others = other.slices[name].users
    return difference(part.users, others, gate.metric, gate.confidence)


def _compared(
    name: str, label: str, other: Judged, found: Interval, metric: str, rule: str
) -> str:
    if name not in other.slices:
        return f"{label} was not judged{_on(name)}"
    return f"{metric} is {signed(found)} from {label}'s{_on(name)}; {rule}"


def _is_measured(part: Slice, gate: Gate) -> bool:
    """Returns whether TFMA's own figure exists, by which candidates are ordered."""
    return not math.isnan(part.metrics.get(gate.metric, math.nan))


def signed(found: Interval) -> str:
    """Returns a difference with its interval as text."""
    return f"{found.value:+.4f} [{found.lower:+.4f}, {found.upper:+.4f}]"


def count_users(users: Users, metric: str) -> int:
    """Returns the number of users for whom a metric could be measured."""
    return int(np.count_nonzero(~np.isnan(users.values_of(metric))))


def _on(name: str) -> str:
    return f" on {name}" if name != OVERALL else ""
