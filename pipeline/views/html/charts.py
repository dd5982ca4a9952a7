"""The charts, as Vega-Lite. Each has its numbers in a table of the page too."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from components.metric_names import (
    COVERAGE,
    DIVERSITY,
    GINI,
    NOVELTY,
    POPULARITY_LIFT,
)
from pipeline.views.html.chart_marks import (
    ROW,
    Rows,
    chart_of,
    dots,
    in_words,
    row_of_bars,
    sized,
)
from pipeline.views.html.colours import DASHES, Colours
from pipeline.views.html.report_contents import Contents, Part
from pipeline.views.html.training_curves import Curve, quantities, series
from pipeline.views.terminal.numbers import duration, figure

BEYOND_ACCURACY = {
    COVERAGE: "Coverage: share of items somebody gets",
    GINI: "Gini: how unequally items are shown",
    NOVELTY: "Novelty, in bits",
    DIVERSITY: "Diversity: how different the genres are",
    POPULARITY_LIFT: "Popularity lift over users' own histories",
}


def charts(contents: Contents, colours: Colours) -> dict[str, dict[str, Any]]:
    """Every chart that there is something to draw in, by its name in the page."""
    judged = [model for model in contents.models if model["metrics"]]
    drawn: dict[str, alt.Chart | alt.LayerChart] = {}
    if judged:
        shown = [*judged, *([contents.live_before] if contents.live_before else [])]
        drawn["leaderboard"] = _leaderboard(shown, contents.metric, colours)
        for metric, title in BEYOND_ACCURACY.items():
            if any(model["metrics"].get(metric) is not None for model in judged):
                drawn[metric] = _bars(judged, metric, title, colours)
        drawn["trade-off"] = _trade_off(judged, contents.metric, colours)
    if contents.slices:
        drawn["slices"] = _slices(contents.slices, contents.metric, colours)
    for quantity in quantities(contents.curves):
        drawn[f"curve-{quantity}"] = _curves(contents.curves, quantity, colours)
    timed = [model for model in contents.models if model["train_seconds"] is not None]
    if timed:
        drawn["time"] = _time(timed, colours)
    if buckets(contents):
        drawn["ratings"] = _ratings(buckets(contents))
    return {name: chart.to_dict() for name, chart in drawn.items()}


def buckets(contents: Contents) -> Rows:
    """The distribution of ratings, now and in the run before, in TFDV's buckets."""
    runs = {
        "this run": next((x for x in contents.features if x.name == "rating"), None)
    }
    if contents.changes and not contents.changes.is_same:
        runs[f"run {contents.changes.run}"] = contents.changes.ratings
    rows = []
    for name, feature in runs.items():
        total = sum(count for _, _, count in feature.buckets) if feature else 0
        if feature and total:
            rows += [
                {"run": name, "low": low, "high": high, "share": count / total}
                for low, high, count in feature.buckets
                if count
            ]
    return rows


def _leaderboard(
    models: Sequence[Mapping[str, Any]], metric: str, colours: Colours
) -> alt.LayerChart:
    rows = [
        {
            "model": model["name"],
            "value": model["metrics"].get(metric),
            "lower": ends[0],
            "upper": ends[1],
        }
        for model in models
        for ends in [model["intervals"].get(metric) or (None, None)]
    ]
    names = [row["model"] for row in rows]
    return dots(rows, "model", names, metric, colours).properties(
        height=ROW * len(rows),
        description=in_words(metric, rows, "model"),
    )


def _slices(parts: Sequence[Part], metric: str, colours: Colours) -> alt.LayerChart:
    rows = [
        {
            "model": part.model,
            "slice": part.slice,
            "users": part.users,
            "value": part.metrics.get(metric),
            "lower": part.interval[0] if part.interval else None,
            "upper": part.interval[1] if part.interval else None,
        }
        for part in parts
    ]
    names = list(dict.fromkeys(part.model for part in parts))
    chart = dots(rows, "slice", names, metric, colours, offset="model")
    height = len({part.slice for part in parts}) * (18 * len(names) + 14)
    return chart.properties(
        height=height, description=in_words(f"{metric} on slices of users", rows)
    )


def _bars(
    models: Sequence[Mapping[str, Any]], metric: str, title: str, colours: Colours
) -> alt.LayerChart:
    rows = [
        {
            "model": model["name"],
            "value": model["metrics"].get(metric),
            "label": figure(model["metrics"].get(metric)),
        }
        for model in models
    ]
    return row_of_bars(rows, title, colours)


def _trade_off(
    models: Sequence[Mapping[str, Any]], metric: str, colours: Colours
) -> alt.Chart:
    """Accuracy over coverage: a model may buy one with the other."""
    rows = [
        {
            "model": model["name"],
            "coverage": model["metrics"].get(COVERAGE),
            "value": model["metrics"].get(metric),
        }
        for model in models
    ]
    names = [row["model"] for row in rows]
    base = chart_of(rows).mark_point(filled=True, size=90, opacity=1)
    base = base.encode(
        x=alt.X("coverage:Q", title=COVERAGE, axis=alt.Axis(tickCount=4)),
        y=alt.Y("value:Q", title=metric, axis=alt.Axis(tickCount=4)),
        color=alt.Color(
            "model:N",
            scale=colours.scale(names),
            legend=alt.Legend(title=None, orient="top"),
        ),
        tooltip=[
            "model:N",
            alt.Tooltip("coverage:Q", title=COVERAGE, format=".4f"),
            alt.Tooltip("value:Q", title=metric, format=".4f"),
        ],
    )
    # Names beside the points would lie over each other where models are alike.
    return sized(base).properties(
        height=150,
        description=in_words(f"{metric} over {COVERAGE}", rows, "model"),
    )


def _time(models: Sequence[Mapping[str, Any]], colours: Colours) -> alt.LayerChart:
    rows = [
        {
            "model": model["name"],
            "value": model["train_seconds"],
            "label": duration(model["train_seconds"]),
        }
        for model in models
    ]
    return row_of_bars(rows, "seconds", colours)


def _curves(
    curves: Mapping[str, Sequence[Curve]], quantity: str, colours: Colours
) -> alt.LayerChart:
    rows, of, dashes = [], {}, {}
    for model, trainings in curves.items():
        for place, curve in enumerate(trainings):
            name = series(model, curve)
            points = [
                {
                    "training": name,
                    "epoch": epoch.number,
                    "value": epoch.values[quantity],
                    "best": epoch.number == curve.best,
                }
                for epoch in curve.epochs
                if quantity in epoch.values
            ]
            if points:
                rows += points
                of[name] = colours.of[model]
                dashes[name] = DASHES[place % 3] if place else colours.dash[model]
    base = chart_of(rows).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y(
            "value:Q",
            title=None,
            scale=alt.Scale(zero=False),
            axis=alt.Axis(tickCount=5),
        ),
        color=alt.Color(
            "training:N",
            scale=alt.Scale(domain=list(of), range=list(of.values())),
            legend=alt.Legend(title=None, orient="top"),
        ),
        strokeDash=alt.StrokeDash(
            "training:N",
            scale=alt.Scale(domain=list(dashes), range=list(dashes.values())),
        ),
        tooltip=[
            "training:N",
            "epoch:Q",
            alt.Tooltip("value:Q", title=quantity, format=".4f"),
        ],
    )
    line = base.mark_line(strokeWidth=2)
    # Small targets are hard to hit: every epoch has one that is larger than it looks.
    hover = base.mark_point(size=160, filled=True, opacity=0)
    best = (
        base.transform_filter(alt.datum.best)
        .mark_point(size=110, filled=True, opacity=1)
        .encode(strokeDash=alt.value([1, 0]))
    )
    names = ", ".join(of)
    return sized(alt.layer(line, hover, best)).properties(
        height=260, description=f"{quantity} after each epoch of {names}"
    )


def _ratings(rows: Rows) -> alt.Chart:
    names = list(dict.fromkeys(row["run"] for row in rows))
    shown = [{**row, "stars": f"{row['low']:g} – {row['high']:g}"} for row in rows]
    chart = chart_of(shown).mark_bar(cornerRadiusEnd=2)
    return sized(
        chart.encode(
            x=alt.X(
                "stars:N",
                title="rating",
                sort=alt.EncodingSortField("low"),
                axis=alt.Axis(labelAngle=0, labelOverlap=True),
            ),
            xOffset=alt.XOffset("run:N", sort=names),
            y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%", tickCount=4)),
            color=alt.Color(
                "run:N",
                scale=alt.Scale(
                    domain=names, range=["var(--series-0)", "var(--reference)"]
                ),
                legend=alt.Legend(title=None, orient="top") if names[1:] else None,
            ),
            tooltip=[
                "run:N",
                alt.Tooltip("stars:N", title="rating"),
                alt.Tooltip("share:Q", format=".2%"),
            ],
        )
    ).properties(
        height=220, description=in_words("share of ratings", shown, "stars", "share")
    )
