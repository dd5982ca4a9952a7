"""Decides which model goes live: a verdict with its reason for every candidate."""

import dataclasses
from collections.abc import Sequence

from components.champion.comparison import difference
from components.champion.evidence import Evidence
from components.champion.gate import Gate
from components.champion.judged import OVERALL, Judged
from components.champion.ledger import Ledger
from components.champion.rules import Finding, judge, signed

LIVE = "live"
PASSED = "passed"
REFUSED = "refused"
REFERENCE = "reference"


@dataclasses.dataclass(frozen=True)
class Bar:
    """What the candidates are compared with.

    Attributes:
        reference: The model that they have to beat; None if it was not judged.
        live: The live model; None if nothing is live, or if it could not be judged.
        live_problem: Why the live model could not be judged; "" if it could be, or if
            nothing is live.
        needs_live: Whether no candidate may pass while the live model cannot be judged.
        withdrawn: URIs of the candidates that a person has rolled back.
    """

    reference: Judged | None
    live: Judged | None
    live_problem: str
    needs_live: bool
    withdrawn: frozenset[str] = frozenset()

    @property
    def incumbent(self) -> Judged | None:
        """The model to replace: the live one, or the reference while nothing is live.

        None if the live model could not be judged.
        """
        return None if self.live_problem else self.live or self.reference


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The verdict on a candidate.

    Attributes:
        name: Name of the candidate in the registry.
        verdict: ``LIVE``, ``PASSED``, ``REFUSED`` or ``REFERENCE``.
        rule: What decided the verdict, in one line.
        findings: Findings of every rule on every slice.
        evidence: Evidence from all runs of this reign that the candidate is better than
            the incumbent; None for the reference and the live model, and if there is
            no incumbent.
    """

    name: str
    verdict: str
    rule: str
    findings: tuple[Finding, ...]
    evidence: Evidence | None


def decide(
    candidates: Sequence[Judged], bar: Bar, gate: Gate, reference: str, ledger: Ledger
) -> tuple[list[Verdict], Ledger]:
    """Judges candidates by the rules, against the live model and each other.

    The best candidate that passed goes live if it is ahead of the live model in this
    run and the evidence of all runs proves that its recipe is better, or without that
    if ``proven_gain`` is false. All judged
    candidates share the error probability, including refused ones: how many of them the
    other rules refuse depends on the same data. Among equals the live model wins, then
    the one with fewer parameters.

    Args:
        candidates: All models that were judged in this run.
        bar: The reference and the live model, judged on the same users.
        gate: The bounds of the rules.
        reference: Name of the model that is the bar, and so cannot go live.
        ledger: The ledger of earlier runs, opened for the live version.

    Returns:
        A verdict for each candidate, in the same order, at most one of them ``LIVE``;
        and the ledger with the evidence of this run.
    """
    contenders = [c for c in candidates if c.name != reference]
    contested: set[str] = set()
    if bar.incumbent:
        challengers = [c for c in contenders if not _is(c, bar.live)]
        contested = {c.uri for c in challengers}
        ledger = ledger.updated(challengers, bar.incumbent, gate.metric)
    contest = _Contest(bar, gate, ledger)
    findings = {
        c.uri: tuple(judge(c, bar.reference, _other_than(c, bar.live), gate))
        for c in candidates
    }
    refusals = {c.uri: _refusal(c, findings[c.uri], bar) for c in candidates}
    fit = [c for c in contenders if not refusals[c.uri]]
    fit.sort(key=lambda c: (-contest.value(c), not _is(c, bar.live), c.parameters))
    chosen = next((c for c in fit if not contest.objection(c)), None)
    verdicts = []
    for c in candidates:
        if c.name == reference:
            verdict, rule = REFERENCE, "the baseline that every model must beat"
        elif refusals[c.uri]:
            verdict, rule = REFUSED, refusals[c.uri]
        else:
            verdict, rule = contest.verdict(c, chosen, len(fit))
        evidence = ledger.evidence[c.recipe] if c.uri in contested else None
        verdicts.append(Verdict(c.name, verdict, rule, findings[c.uri], evidence))
    return verdicts, ledger


def _refusal(candidate: Judged, findings: Sequence[Finding], bar: Bar) -> str:
    if candidate.uri in bar.withdrawn:
        return (
            "it was live and was rolled back from; 'marquee rollback VERSION' makes "
            "it live again"
        )
    if bar.live_problem and bar.needs_live:
        return f"the live model could not be judged: {bar.live_problem}"
    return "; ".join(finding.words for finding in findings if finding.passed is False)


def _is(candidate: Judged, live: Judged | None) -> bool:
    return live is not None and candidate.uri == live.uri


def _other_than(candidate: Judged, live: Judged | None) -> Judged | None:
    return None if _is(candidate, live) else live


@dataclasses.dataclass(frozen=True)
class _Contest:
    """Decides who may replace the incumbent, and explains why."""

    bar: Bar
    gate: Gate
    ledger: Ledger

    def value(self, candidate: Judged) -> float:
        return candidate.slices[OVERALL].metrics[self.gate.metric]

    def verdict(
        self, candidate: Judged, chosen: Judged | None, num_fit: int
    ) -> tuple[str, str]:
        """Returns the verdict on a candidate that passed the rules, and its reason."""
        if candidate is chosen:
            return LIVE, self.why(candidate, num_fit)
        objection = self.objection(candidate)
        return PASSED, objection or self.behind(candidate, chosen)

    def objection(self, candidate: Judged) -> str:
        """Returns why a candidate that passed may not go live; "" if it may."""
        incumbent = self.bar.incumbent
        if incumbent is None or _is(candidate, self.bar.live):
            return ""
        if self.bar.live and not self.gate.proven_gain:
            return ""
        evidence = self.ledger.evidence[candidate.recipe]
        name = "the live model" if self.bar.live else incumbent.name
        if not evidence.proves(self.gate.alpha):
            return (
                f"{self.gate.metric} is {self.signed(candidate, incumbent)} from "
                f"{name}'s; not significant yet: {self.evidence_words(evidence)}"
            )
        own, others = self.value(candidate), self.value(incumbent)
        if not own > others:
            return (
                f"{self.gate.metric} {own:.4f} is not above {name}'s {others:.4f} in "
                f"this run, though earlier runs prove a gain"
            )
        return ""

    def why(self, chosen: Judged, num_fit: int) -> str:
        others = "the only one that passed" if num_fit == 1 else f"best of {num_fit}"
        words = f"{others}: {self.gate.metric} {self.value(chosen):.4f}"
        if self.bar.reference:
            reference = self.bar.reference
            words += f", {reference.name} has {self.value(reference):.4f}"
        if _is(chosen, self.bar.live):
            return f"{words}; it was live already"
        if self.bar.live_problem:
            words += f"; the live model could not be judged: {self.bar.live_problem}"
        if self.bar.live:
            gain = self.signed(chosen, self.bar.live)
            words += f"; {gain} over the model that was live; "
            evidence = self.ledger.evidence[chosen.recipe]
            if evidence.proves(self.gate.alpha):
                words += f"significant: {self.evidence_words(evidence)}"
            else:
                words += "no gain has to be proven (gate.proven_gain)"
        return words

    def signed(self, candidate: Judged, other: Judged) -> str:
        users, others = (model.slices[OVERALL].users for model in (candidate, other))
        gate = self.gate
        return signed(difference(users, others, gate.metric, gate.confidence))

    def evidence_words(self, evidence: Evidence) -> str:
        required = evidence.required(self.gate.alpha)
        return (
            f"evidence {evidence.value:.3g} of {required:.3g} required, from "
            f"{evidence.users} users"
        )

    def behind(self, candidate: Judged, chosen: Judged | None) -> str:
        assert chosen is not None  # or there would be an objection
        own, best = self.value(candidate), self.value(chosen)
        if own == best:
            name = self.gate.metric
            return f"{name} {own:.4f} ties with {chosen.name}, which is preferred"
        return f"{self.gate.metric} {own:.4f} is not above {chosen.name}'s {best:.4f}"
