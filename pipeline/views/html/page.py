"""The page: the template filled, with its styles, scripts and charts inside."""

import base64
import hashlib
import json
import logging
import shlex
from collections.abc import Mapping, Sequence
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
from pipeline.runs import execute
from pipeline.views.html import charts
from pipeline.views.html.colours import Colours
from pipeline.views.html.report_contents import Contents
from pipeline.views.html.training_curves import fastest, quantities, series
from pipeline.views.terminal.numbers import day, duration, figure, optional, thousands
from pipeline.views.terminal.terminal import inert

_HERE = Path(__file__).parent
_SNIPPET = "window.vegaEmbed = vegaEmbed;"  # the one thing that report.js asks for
_MOST = 30  # characters of a value in the table of statistics
RULES = {
    "users": "Enough test users have a target by which the metric is measured.",
    "finite": "Every score is finite.",
    "spread": "Scores differ between items: their standard deviation is above a bound.",
    "calibration": "Predicted likes over observed likes is within bounds.",
    "coverage": "Recommends enough of what the live model does of the catalogue.",
    "floor": "Reaches the floor; on a slice, is not surely below it.",
    "reference": "Surely better than popularity; on a slice, not surely worse.",
    "live": "Not surely worse than the live model by more than gate.max_loss.",
}
# A run's status → the first words, and their tone.
_HEADLINES = {
    execute.CHANGED: ("{live} is live, new in this run", "good"),
    execute.UNCHANGED: ("Nothing changed: {live} stays live", "good"),
    execute.REFUSED: ("Every model was refused; {live} stays live", "warning"),
    execute.BAD_INPUT: ("The input is bad; {live} stays live", "bad"),
    execute.ANOMALIES: ("The data has anomalies; {live} stays live", "bad"),
    execute.FAILED: ("A step failed; {live} stays live", "bad"),
}


def render(contents: Contents) -> str:
    """The page as HTML that asks nobody for anything."""
    reference = next(
        (m["name"] for m in contents.models if m["verdict"] == "reference"), None
    )
    colours = Colours.for_models([m["name"] for m in contents.models], reference)
    specs = charts.charts(contents, colours)
    style = (_HERE / "report.css").read_text()
    scripts = [_vega(), (_HERE / "report.js").read_text()]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_inert,
    )
    environment.filters |= {
        "duration": duration,
        "figure": figure,
        "optional": optional,
        "thousands": thousands,
        "bad_rows": OF_ROWS.get,
        "count": lambda value: optional(value, "{:,}".format),
        "percent": lambda value: optional(value, "{:.2%}".format),
        "day": day,
        "pretty": lambda value: json.dumps(value, indent=1, ensure_ascii=False),
        "signed": "{:+.4f}".format,
    }
    headline, tone = _HEADLINES[contents.run["run"]["status"]]
    live = contents.run["live"]["model"]
    return environment.get_template("report.html.j2").render(
        contents=contents,
        run=contents.run,
        metric=contents.metric,
        reference=reference,
        headline=headline.format(live=live or "no model").replace(
            "no model stays live", "no model is live"
        ),
        tone=tone,
        live_model=_live_model(contents),
        against=_against(contents),
        rules=RULES,
        distances=DISTANCES,
        tally=_tally,
        charts=specs,
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
        policy="; ".join(
            (
                "default-src 'none'",
                f"script-src {' '.join(map(_hash, scripts))}",
                f"style-src {_hash(style)}",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
    )


def _inert(value: Any) -> Any:
    """Texts from data cannot reorder or hide what is around them."""
    if isinstance(value, str) and not isinstance(value, markupsafe.Markup):
        return inert(value)
    return value


def _shorten(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def _vega() -> str:
    """Vega, Vega-Lite and vega-embed in one script.

    It is kept in the cache folder, as it takes seconds to make. Where that folder
    cannot be read or written to, the report is written all the same.
    """
    name = f"vega-{metadata.version('vl-convert-python')}.js"
    try:
        return (datasets.cache_folder() / name).read_text(encoding="utf-8")
    except OSError:
        # The page's script would end at it; in a string, `<\/` is `</`.
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
            "folder that can be written to.",
            name,
            error,
        )
    return script


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _live_model(contents: Contents) -> Mapping[str, Any] | None:
    """What this run measured of the model that is live now."""
    for model in contents.models:
        if model["verdict"] == "live":
            return model
    return contents.live_before


def _against(contents: Contents) -> list[tuple[str, Mapping[str, Any]]]:
    """How much better the model that is live now is than others, with intervals."""
    live = _live_model(contents)
    return [
        (finding["rule"], finding["interval"])
        for finding in (live or {}).get("findings", [])
        if finding["rule"] in ("reference", "live") and not finding["slice"]
        if finding["interval"]["value"] is not None
    ]


def _tally(findings: Sequence[Mapping[str, Any]], rule: str) -> dict[str, int] | None:
    """How a model did by a rule: passed, refused and told; None if it was not asked."""
    of_rule = [f["passed"] for f in findings if f["rule"] == rule]
    if not of_rule:
        return None
    return {
        "passed": sum(each is True for each in of_rule),
        "refused": sum(each is False for each in of_rule),
        "told": sum(each is None for each in of_rule),
    }
