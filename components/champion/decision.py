"""Which model goes live: verdicts with reasons out of what the rules found."""

import dataclasses
from collections.abc import Sequence

from components.champion.comparison import Interval
from components.champion.rules import OVERALL, Finding, Gate, Judged, judge

LIVE = "live"
PASSED = "passed"
REFUSED = "refused"
REFERENCE = "reference"


@dataclasses.dataclass(frozen=True)
class Bar:
    """What the candidates are held against.

    Attributes:
      reference: the model that they have to beat; None where it was not judged.
      live: the model that serves; None where none does, or it could not be judged.
      live_problem: why it could not; "" where it could, or nothing is live.
      needs_live: whether nothing may pass while the live model cannot be judged.
    """

    reference: Judged | None
    live: Judged | None
    live_problem: str
    needs_live: bool


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a candidate.

    Attributes:
      name: in the registry.
      verdict: ``LIVE``, ``PASSED``, ``REFUSED`` or ``REFERENCE``.
      rule: what decided it, in a line.
      findings: of every rule, on every slice.
    """

    name: str
    verdict: str
    rule: str
    findings: tuple[Finding, ...]


def decide(
    candidates: Sequence[Judged], bar: Bar, gate: Gate, reference: str
) -> list[Verdict]:
    """Judges candidates by the rules, against the live model and each other.

    The best of those that passed goes live where it is surely better than what is live:
    a difference that chance may have made promotes nobody. The more candidates there
    are, the wider the intervals for this one question (Bonferroni), as one of many may
    be lucky. Of equals the live model wins, then the one with fewer parameters.

    Args:
      candidates: all that were judged in this run.
      bar: the reference and the live model, judged on the same users.
      gate: the rules' bounds.
      reference: the name of the model that is the bar, and no candidate.

    Returns:
      A verdict for each, in the same order; at most one is ``LIVE``.
    """
    findings = {
        c.uri: tuple(judge(c, bar.reference, _other_than(c, bar.live), gate))
        for c in candidates
    }
    refusals = {c.uri: _refusal(findings[c.uri], bar) for c in candidates}
    fit = [c for c in candidates if c.name != reference and not refusals[c.uri]]
    fit.sort(key=lambda c: (-_value(c, gate), not _is(c, bar.live), c.parameters))
    gains = {c.uri: _gain(c, bar.live, gate, len(fit)) for c in fit}
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


def _refusal(findings: Sequence[Finding], bar: Bar) -> str:
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
    candidate: Judged, live: Judged | None, gate: Gate, num_fit: int
) -> Interval | None:
    if live is None or _is(candidate, live):
        return None
    own, others = (each.slices[OVERALL].users for each in (candidate, live))
    bootstrap = dataclasses.replace(
        gate.bootstrap, confidence=1 - (1 - gate.bootstrap.confidence) / num_fit
    )
    return bootstrap.difference(own, others, gate.metric)


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
    told = f"{others}: {gate.metric} {_value(chosen, gate):.4f}"
    if bar.reference:
        name, value = bar.reference.name, _value(bar.reference, gate)
        told += f", {name} has {value:.4f}"
    if gain:
        told += f"; {_interval(gain)} over what was live"
    elif _is(chosen, bar.live):
        told += "; it was live already"
    elif bar.live_problem:
        told += f"; what is live could not be judged: {bar.live_problem}"
    return told


def _why_not(
    candidate: Judged, chosen: Judged | None, gate: Gate, gain: Interval | None
) -> str:
    if gain and not gain.lower > 0:
        return (
            f"{gate.metric} is {_interval(gain)} over the live model's: that may be "
            "chance"
        )
    assert chosen is not None  # a fit candidate that is no chance gain has a better one
    own, best = _value(candidate, gate), _value(chosen, gate)
    if own == best:
        return f"{gate.metric} {own:.4f} is as {chosen.name}'s, which is preferred"
    return f"{gate.metric} {own:.4f} is not above {chosen.name}'s {best:.4f}"


def _interval(found: Interval) -> str:
    return f"{found.value:+.4f} [{found.lower:+.4f}, {found.upper:+.4f}]"
