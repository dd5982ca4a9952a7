"""Renders the report of a run: its headline, figures and charts."""

import dataclasses
from collections.abc import Mapping, Sequence

from components.drift_gate.drift import DISTANCES
from pipeline.runs.model_record import (
    Ends,
    Finding,
    Interval,
    Metrics,
    ModelRecord,
    live_now,
)
from pipeline.runs.status import Status
from pipeline.views.formatting import thousands
from pipeline.views.html import charts
from pipeline.views.html.colours import LIVE_BEFORE, Colours
from pipeline.views.html.one_file import render_page
from pipeline.views.html.report_contents import Contents
from pipeline.views.html.training_curves import fastest, quantities, series
from pipeline.views.online_notes import notes

_MOST = 30  # characters of a value in the table of statistics
RULES = {
    "users": "The metric can be measured for enough test users.",
    "finite": "Every score is finite.",
    "spread": "The standard deviation of the scores is above a bound.",
    "calibration": "The ratio of predicted to observed likes is within bounds.",
    "index": "The index of its lists finds enough of the best items.",
    "coverage": "Recommends enough of the catalogue, compared with the live model.",
    "floor": "Reaches the floor; on a slice, is not significantly below it.",
    "reference": "Significantly better than popularity; on a slice, not significantly "
    "worse.",
    "live": "Not significantly worse than the live model by more than gate.max_loss, "
    "and on targets of a type of event gate.max_loss_by_event.",
}
# Status → the headline, and its tone.
_HEADLINES = {
    Status.CHANGED: ("{live} is live, new in this run", "good"),
    Status.ON_TRIAL: ("A new model is on trial; {live} stays live", "good"),
    Status.UNCHANGED: ("Nothing changed: {live} stays live", "good"),
    Status.REFUSED: ("Every model was refused; {live} stays live", "warning"),
    Status.BAD_INPUT: ("The input is bad; {live} stays live", "bad"),
    Status.ANOMALIES: ("The data has anomalies; {live} stays live", "bad"),
    Status.FAILED: ("A step failed; {live} stays live", "bad"),
}


@dataclasses.dataclass(frozen=True)
class Tally:
    """How often a model met a rule over all slices.

    Attributes:
        passed: Number of slices on which it passed.
        refused: Number of slices on which it was refused.
    """

    passed: int
    refused: int


@dataclasses.dataclass(frozen=True)
class LiveNow:
    """The figures of the model that is live after the run.

    Attributes:
        metrics: Metrics by name.
        intervals: Ends of confidence intervals by metric.
        gains: Rule → how much better it is than the reference, or than what was live.
        name: Name of the model; None if it was not judged as a candidate.
    """

    metrics: Metrics
    intervals: Mapping[str, Ends]
    gains: Mapping[str, Interval]
    name: str | None


def render(contents: Contents) -> str:
    """Returns the page as HTML that makes no network request."""
    names = {model.verdict: model.name for model in contents.models}
    reference = names.get("reference")
    colours = Colours.for_models([m.name for m in contents.models], reference)
    headline, tone = _HEADLINES[contents.run.run.status]
    live = contents.run.live.model
    return render_page(
        "report.html.j2",
        charts.charts(contents, colours),
        contents=contents,
        run=contents.run,
        metric=contents.metric,
        reference=reference,
        headline=headline.format(live=live or "no model").replace(
            "no model stays live", "no model is live"
        ),
        tone=tone,
        live=_live_now(contents),
        live_before=LIVE_BEFORE,
        rules=RULES,
        distances=DISTANCES,
        tally=_tally,
        quantities=quantities(contents.curves),
        series=series,
        fastest=fastest,
        buckets=charts.buckets(contents),
        beyond_accuracy=charts.BEYOND_ACCURACY,
        colours=colours,
        thousands=thousands,
        notes=notes,
        shorten=_shorten,
    )


def _shorten(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def _live_now(contents: Contents) -> LiveNow | None:
    """Returns what this run measured of the model that is live now, if anything."""
    model = live_now(contents.models, contents.live_before)
    if not isinstance(model, ModelRecord):
        return LiveNow(model.metrics, {}, {}, None) if model else None
    gains = {
        finding.rule: finding.interval
        for finding in model.findings
        if finding.rule in ("reference", "live") and not finding.slice
        if finding.interval.value is not None
    }
    return LiveNow(model.metrics, model.intervals, gains, model.name)


def _tally(findings: Sequence[Finding], rule: str) -> Tally | None:
    """Returns how often a model met a rule; None if the rule was not applied to it."""
    verdicts = [finding.passed for finding in findings if finding.rule == rule]
    if not verdicts:
        return None
    return Tally(verdicts.count(True), verdicts.count(False))
