"""Draws the charts as Vega-Lite; the page also shows the numbers of each in a table."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import altair as alt

from components.metric_names import (
    COVERAGE,
    DIVERSITY,
    GINI,
    NOVELTY,
    POPULARITY_LIFT,
)
from pipeline.online.figures import ALL
from pipeline.online.rates import MIN_USERS
from pipeline.runs.model_record import ModelRecord
from pipeline.views.formatting import duration, figure
from pipeline.views.html.chart_marks import (
    ROW,
    Row,
    Rows,
    bars_of_models,
    chart_of,
    dots,
    in_words,
    sized,
)
from pipeline.views.html.colours import LIVE_BEFORE, Colours
from pipeline.views.html.curve_chart import draw_curves
from pipeline.views.html.online_chart import draw_positions
from pipeline.views.html.report_contents import Contents, Part
from pipeline.views.html.training_curves import quantities

BEYOND_ACCURACY = {
    COVERAGE: "Coverage: share of items that anyone is recommended",
    GINI: "Gini: how unequally items are recommended",
    NOVELTY: "Novelty, in bits",
    DIVERSITY: "Diversity: how different the genres in a list are",
    POPULARITY_LIFT: "Popularity lift over the users' own histories",
}


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A bucket of the ratings' histogram.

    Attributes:
        run: The run that the ratings are from.
        low: The lowest rating.
        high: The highest rating.
        share: Share of the run's ratings, in (0, 1].
    """

    run: str
    low: float
    high: float
    share: float


def charts(contents: Contents, colours: Colours) -> dict[str, dict[str, object]]:
    """Returns every chart that has something to draw, by its name in the page."""
    # Valid by construction (test_page.py): comparing each with the schema of Vega-Lite
    # would take half the time of the report.
    return {
        name: chart.to_dict(validate=False) for name, chart in _drawn(contents, colours)
    }


def _drawn(
    contents: Contents, colours: Colours
) -> Iterator[tuple[str, alt.Chart | alt.LayerChart]]:
    judged = [model for model in contents.models if model.metrics]
    if judged:
        yield "leaderboard", _leaderboard(contents, colours)
        for metric, title in BEYOND_ACCURACY.items():
            if any(model.metrics.get(metric) is not None for model in judged):
                yield metric, _bars(judged, metric, title, colours)
        yield "trade-off", _trade_off(judged, contents.metric, colours)
    if contents.slices:
        yield "slices", _slices(contents.slices, contents.metric, colours)
    for quantity in quantities(contents.curves):
        yield f"curve-{quantity}", draw_curves(contents.curves, quantity, colours)
    timed = {
        model.name: model.train_seconds
        for model in contents.models
        if model.train_seconds is not None
    }
    if timed:
        yield "time", _time(timed, colours)
    if buckets(contents):
        yield "ratings", _ratings(buckets(contents))
    # The points of a few users would hide those of all others.
    shown = contents.online.versions if contents.online else []
    if measured := [each for each in shown if each.slices[ALL].users >= MIN_USERS]:
        yield "online", draw_positions(measured)


def buckets(contents: Contents) -> list[Bucket]:
    """Returns the distribution of ratings, now and in the run before."""
    now = {feature.name: feature for feature in contents.features}
    runs = {"this run": now.get("rating")}
    if contents.changes and not contents.changes.is_same:
        runs[f"run {contents.changes.run}"] = contents.changes.ratings
    return [
        Bucket(name, low, high, count / total)
        for name, feature in runs.items()
        if feature and (total := sum(count for _, _, count in feature.buckets))
        for low, high, count in feature.buckets
        if count
    ]


def _leaderboard(contents: Contents, colours: Colours) -> alt.LayerChart:
    metric = contents.metric
    rows = [
        _point(model.name, model.metrics.get(metric), model.intervals.get(metric))
        for model in contents.models
        if model.metrics
    ]
    if contents.live_before:
        rows.append(_point(LIVE_BEFORE, contents.live_before.metrics.get(metric), None))
    names = [str(row["model"]) for row in rows]
    return dots(rows, "model", names, metric, colours).properties(
        height=ROW * len(rows),
        description=in_words(metric, rows, "model"),
    )


def _point(
    model: str,
    value: float | None,
    ends: tuple[float | None, float | None] | None,
    **more: str | float,
) -> Row:
    lower, upper = ends or (None, None)
    return {"model": model, "value": value, "lower": lower, "upper": upper, **more}


def _slices(parts: Sequence[Part], metric: str, colours: Colours) -> alt.LayerChart:
    rows = [
        _point(
            part.model,
            part.metrics.get(metric),
            part.interval,
            slice=part.slice,
            users=part.users,
        )
        for part in parts
    ]
    names = list(dict.fromkeys(part.model for part in parts))
    chart = dots(rows, "slice", names, metric, colours, offset="model")
    height = len({part.slice for part in parts}) * (18 * len(names) + 14)
    return chart.properties(
        height=height, description=in_words(f"{metric} on slices of the test", rows)
    )


def _bars(
    models: Sequence[ModelRecord], metric: str, title: str, colours: Colours
) -> alt.LayerChart:
    values = {model.name: model.metrics.get(metric) for model in models}
    rows: Rows = [
        {"model": name, "value": value, "label": figure(value)}
        for name, value in values.items()
    ]
    return bars_of_models(rows, title, colours)


def _trade_off(
    models: Sequence[ModelRecord], metric: str, colours: Colours
) -> alt.Chart:
    """Plots accuracy over coverage, of which a model may trade one for the other."""
    rows: Rows = [
        {
            "model": model.name,
            "coverage": model.metrics.get(COVERAGE),
            "value": model.metrics.get(metric),
        }
        for model in models
    ]
    names = [model.name for model in models]
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


def _time(seconds: Mapping[str, float], colours: Colours) -> alt.LayerChart:
    rows: Rows = [
        {"model": name, "value": value, "label": duration(value)}
        for name, value in seconds.items()
    ]
    return bars_of_models(rows, "seconds", colours)


def _ratings(ratings: Sequence[Bucket]) -> alt.Chart:
    names = list(dict.fromkeys(bucket.run for bucket in ratings))
    rows: Rows = [
        {
            "run": bucket.run,
            "stars": f"{bucket.low:g} – {bucket.high:g}",
            "low": bucket.low,
            "share": bucket.share,
        }
        for bucket in ratings
    ]
    chart = chart_of(rows).mark_bar(cornerRadiusEnd=2)
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
        height=220, description=in_words("share of ratings", rows, "stars", "share")
    )
