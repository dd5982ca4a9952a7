"""The rules by which a champion is chosen; numbers in, verdicts with reasons out."""

import dataclasses
from collections.abc import Sequence

LIVE = "live"
PASSED = "passed"
REFUSED = "refused"
REFERENCE = "reference"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A model that was judged.

    Attributes:
      name: in the registry.
      uri: of its Model artifact.
      metrics: all of them, by name.
      failures: what the Evaluator held against it, in words; empty if it was blessed.
    """

    name: str
    uri: str
    metrics: dict[str, float]
    failures: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a candidate, and the rule that decided it."""

    name: str
    verdict: str
    rule: str


def decide(
    candidates: Sequence[Candidate],
    reference: str,
    metric: str,
    min_gain: float,
    live_uri: str | None,
) -> list[Verdict]:
    """Judges candidates against the reference and each other.

    Args:
      candidates: all that were judged in this run, on the same users.
      reference: the name of the one that the others have to beat.
      metric: what they are compared by; more is better.
      min_gain: how much more than the reference is needed; not reached by equality.
      live_uri: the Model artifact that is live, which wins ties.

    Returns:
      A verdict for each, in the same order; at most one is ``LIVE``.
    """
    bar = next((c.metrics[metric] for c in candidates if c.name == reference), None)
    refusals = {
        c.uri: _refusal(c, reference, metric, bar, min_gain) for c in candidates
    }
    passed = [c for c in candidates if c.name != reference and not refusals[c.uri]]
    best = max(
        passed, key=lambda c: (c.metrics[metric], c.uri == live_uri), default=None
    )
    verdicts = []
    for c in candidates:
        if c.name == reference:
            verdict, rule = REFERENCE, "the bar for the others"
        elif refusals[c.uri]:
            verdict, rule = REFUSED, refusals[c.uri]
        elif c is best:
            verdict, rule = LIVE, _best_rule(c, len(passed), reference, metric, bar)
        else:
            assert best is not None  # c itself passed
            verdict = PASSED
            rule = (
                f"{metric} {c.metrics[metric]:.4f} is not above "
                f"{best.name}'s {best.metrics[metric]:.4f}"
            )
        verdicts.append(Verdict(c.name, verdict, rule))
    return verdicts


def _refusal(
    candidate: Candidate,
    reference: str,
    metric: str,
    bar: float | None,
    min_gain: float,
) -> str:
    if candidate.failures:
        return "; ".join(candidate.failures)
    if bar is None:
        return f"{reference} was not judged, so that there is no bar to pass"
    value = candidate.metrics[metric]
    if not value > bar + min_gain:
        needed = f" by more than {min_gain:g}" if min_gain else ""
        return f"{metric} {value:.4f} does not beat {reference}'s {bar:.4f}{needed}"
    return ""


def _best_rule(
    best: Candidate, num_passed: int, reference: str, metric: str, bar: float | None
) -> str:
    others = "the only one that passed" if num_passed == 1 else f"best of {num_passed}"
    return f"{others}: {metric} {best.metrics[metric]:.4f}, {reference} has {bar:.4f}"
