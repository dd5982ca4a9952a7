"""Decides which model goes live: a verdict with its reason for every candidate."""

import dataclasses
from collections.abc import Sequence

from components.champion.comparison import Interval, difference
from components.champion.rules import OVERALL, Finding, Gate, Judged, judge, signed

LIVE = "live"
PASSED = "passed"
REFUSED = "refused"
REFERENCE = "reference"


@dataclasses.dataclass(frozen=True)
class Bar:
    """What the candidates are compared with.

    Attributes:
      reference: The model that they have to beat; None where it was not judged.
      live: The model that serves; None where none does, or it could not be judged.
      live_problem: Why the live model could not be judged; "" where it could, or
        nothing is live.
      needs_live: Whether nothing may pass while the live model cannot be judged.
      withdrawn: URIs of the candidates that a person has rolled back from.
    """

    reference: Judged | None
    live: Judged | None
    live_problem: str
    needs_live: bool
    withdrawn: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The verdict on a candidate.

    Attributes:
      name: Its name in the registry.
      verdict: ``LIVE``, ``PASSED``, ``REFUSED`` or ``REFERENCE``.
      rule: What decided it, in a line.
      findings: Of every rule, on every slice.
    """

    name: str
    verdict: str
    rule: str
    findings: tuple[Finding, ...]


def decide(
    candidates: Sequence[Judged], bar: Bar, gate: Gate, reference: str
) -> list[Verdict]:
    """Judges candidates by the rules, against the live model and each other.

    The best of those that passed goes live where its gain over the live model is
    significant. The confidence of that one interval is Bonferroni's for all candidates
    that were judged, refused ones included: how many of them the other rules refuse
    depends on the same data. Of equals the live model wins, then the one with fewer
    parameters.

    Args:
      candidates: All that were judged in this run.
      bar: The reference and the live model, judged on the same users.
      gate: The bounds of the rules.
      reference: The name of the model that is the bar, and no candidate.

    Returns:
      A verdict for each, in the same order; at most one is ``LIVE``.
    """
    challengers = [
        c for c in candidates if c.name != reference and not _is(c, bar.live)
    ]
    findings = {
        c.uri: tuple(judge(c, bar.reference, _other_than(c, bar.live), gate))
        for c in candidates
    }
    refusals = {c.uri: _refusal(c, findings[c.uri], bar) for c in candidates}
    fit = [c for c in candidates if c.name != reference and not refusals[c.uri]]
    fit.sort(key=lambda c: (-_value(c, gate), not _is(c, bar.live), c.parameters))
    gains = {c.uri: _gain(c, bar.live, gate, len(challengers)) for c in fit}
    chosen = next((c for c in fit if _may_replace(c, bar.live, gains[c.uri])), None)
    verdicts = []
    for c in candidates:
        if c.name == reference:
            verdict, rule = REFERENCE, "the bar for the others"
        elif refusals[c.uri]:
            verdict, rule = REFUSED, refusals[c.uri]
        elif c is chosen:
            verdict, rule = LIVE, _why(c, fit, bar, gate, gains[c.uri])
        else:
            verdict, rule = PASSED, _why_not(c, chosen, gate, gains[c.uri])
        verdicts.append(Verdict(c.name, verdict, rule, findings[c.uri]))
    return verdicts


def _refusal(candidate: Judged, findings: Sequence[Finding], bar: Bar) -> str:
    if candidate.uri in bar.withdrawn:
        return (
            "it was live and was rolled back from; 'marquee rollback VERSION' makes "
            "it live again"
        )
    if bar.live_problem and bar.needs_live:
        return f"the live model could not be judged: {bar.live_problem}"
    return "; ".join(each.words for each in findings if each.passed is False)


def _is(candidate: Judged, live: Judged | None) -> bool:
    return live is not None and candidate.uri == live.uri


def _other_than(candidate: Judged, live: Judged | None) -> Judged | None:
    return None if _is(candidate, live) else live


def _value(candidate: Judged, gate: Gate) -> float:
    return candidate.slices[OVERALL].metrics[gate.metric]


def _gain(
    candidate: Judged, live: Judged | None, gate: Gate, num_judged: int
) -> Interval | None:
    if live is None or _is(candidate, live):
        return None
    own, others = (each.slices[OVERALL].users for each in (candidate, live))
    confidence = 1 - (1 - gate.confidence) / num_judged
    return difference(own, others, gate.metric, confidence)


def _may_replace(candidate: Judged, live: Judged | None, gain: Interval | None) -> bool:
    return live is None or gain is None or gain.lower > 0


def _why(
    chosen: Judged,
    fit: Sequence[Judged],
    bar: Bar,
    gate: Gate,
    gain: Interval | None,
) -> str:
    others = "the only one that passed" if len(fit) == 1 else f"best of {len(fit)}"
    words = f"{others}: {gate.metric} {_value(chosen, gate):.4f}"
    if bar.reference:
        name, value = bar.reference.name, _value(bar.reference, gate)
        words += f", {name} has {value:.4f}"
    if gain:
        words += f"; {signed(gain)} over the model that was live"
    elif _is(chosen, bar.live):
        words += "; it was live already"
    elif bar.live_problem:
        words += f"; the live model could not be judged: {bar.live_problem}"
    return words


def _why_not(
    candidate: Judged, chosen: Judged | None, gate: Gate, gain: Interval | None
) -> str:
    if gain and not gain.lower > 0:
        return (
            f"{gate.metric} is {signed(gain)} from the live model's; the gain over the "
            "live model is not significant"
        )
    assert chosen is not None  # or no candidate that is fit has such a gain
    own, best = _value(candidate, gate), _value(chosen, gate)
    if own == best:
        return f"{gate.metric} {own:.4f} ties with {chosen.name}, which is preferred"
    return f"{gate.metric} {own:.4f} is not above {chosen.name}'s {best:.4f}"
