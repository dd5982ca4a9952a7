"""Renders the page: the template with its styles, scripts and charts."""

import base64
import dataclasses
import hashlib
import json
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import vl_convert

from components import durable_files
from components.drift_gate.drift import DISTANCES
from components.ratings_example_gen.input_errors import OF_ROWS
from pipeline import datasets
from pipeline.runs.model_record import Ends, Finding, Interval, Metrics
from pipeline.runs.status import Status
from pipeline.views.formatting import (
    count,
    day,
    duration,
    figure,
    inert,
    optional,
    thousands,
)
from pipeline.views.html import charts
from pipeline.views.html.colours import LIVE_BEFORE, Colours
from pipeline.views.html.report_contents import Contents
from pipeline.views.html.training_curves import fastest, quantities, series

_HERE = Path(__file__).parent
_SNIPPET = "window.vegaEmbed = vegaEmbed;"  # all that report.js needs
_MOST = 30  # characters of a value in the table of statistics
RULES = {
    "users": "The metric can be measured for enough test users.",
    "finite": "Every score is finite.",
    "spread": "The standard deviation of the scores is above a bound.",
    "calibration": "The ratio of predicted to observed likes is within bounds.",
    "coverage": "Recommends enough of the catalogue, compared with the live model.",
    "floor": "Reaches the floor; on a slice, is not significantly below it.",
    "reference": "Significantly better than popularity; on a slice, not significantly "
    "worse.",
    "live": "Not significantly worse than the live model by more than gate.max_loss.",
}
# Status → the headline, and its tone.
_HEADLINES = {
    Status.CHANGED: ("{live} is live, new in this run", "good"),
    Status.UNCHANGED: ("Nothing changed: {live} stays live", "good"),
    Status.REFUSED: ("Every model was refused; {live} stays live", "warning"),
    Status.BAD_INPUT: ("The input is bad; {live} stays live", "bad"),
    Status.ANOMALIES: ("The data has anomalies; {live} stays live", "bad"),
    Status.FAILED: ("A step failed; {live} stays live", "bad"),
}
_FILTERS: dict[str, Callable[..., object]] = {
    "duration": duration,
    "figure": figure,
    "optional": optional,
    "thousands": thousands,
    "bad_rows": OF_ROWS.get,
    "count": count,
    "percent": lambda value: optional(value, "{:.2%}".format),
    "day": day,
    "pretty": lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    "signed": "{:+.4f}".format,
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
    style = (_HERE / "report.css").read_text()
    scripts = [_vega(), (_HERE / "report.js").read_text()]
    headline, tone = _HEADLINES[contents.run.run.status]
    live = contents.run.live.model
    return _template().render(
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
        charts=charts.charts(contents, colours),
        quantities=quantities(contents.curves),
        series=series,
        fastest=fastest,
        buckets=charts.buckets(contents),
        beyond_accuracy=charts.BEYOND_ACCURACY,
        colours=colours,
        thousands=thousands,
        shorten=_shorten,
        quoted=shlex.quote,
        style=markupsafe.Markup(style),  # our own, as the scripts are
        scripts=[markupsafe.Markup(script) for script in scripts],
        policy=_policy(scripts, style),
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_inert,
    )
    environment.filters |= _FILTERS
    return environment.get_template("report.html.j2")


def _policy(scripts: Sequence[str], style: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _inert(value: Any) -> Any:
    """Escapes texts that could reorder or hide what is around them."""
    if isinstance(value, str) and not isinstance(value, markupsafe.Markup):
        return inert(value)
    return value


def _shorten(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def _vega() -> str:
    """Returns Vega, Vega-Lite and vega-embed as one script.

    It is kept in the cache folder, as it takes seconds to make. The report is written
    even if that folder cannot be read or written to.
    """
    name = f"vega-{metadata.version('vl-convert-python')}.js"
    try:
        return (datasets.cache_folder() / name).read_text(encoding="utf-8")
    except OSError:
        # It would end the page's script; in a string, `<\/` is `</`.
        script: str = vl_convert.javascript_bundle(_SNIPPET).replace(
            "</script", r"<\/script"
        )
    try:
        folder = datasets.cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        durable_files.write(folder / name, script)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "%s cannot be kept for the next report (%s). Set MARQUEE_CACHE_DIR to a "
            "folder that is writable.",
            name,
            error,
        )
    return script


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _live_now(contents: Contents) -> LiveNow | None:
    """Returns what this run measured of the model that is live now, if anything."""
    for model in contents.models:
        if model.verdict == "live":
            gains = {
                finding.rule: finding.interval
                for finding in model.findings
                if finding.rule in ("reference", "live") and not finding.slice
                if finding.interval.value is not None
            }
            return LiveNow(model.metrics, model.intervals, gains, model.name)
    before = contents.live_before
    return LiveNow(before.metrics, {}, {}, None) if before else None


def _tally(findings: Sequence[Finding], rule: str) -> Tally | None:
    """Returns how often a model met a rule; None if the rule was not applied to it."""
    verdicts = [finding.passed for finding in findings if finding.rule == rule]
    if not verdicts:
        return None
    return Tally(verdicts.count(True), verdicts.count(False))
