"""The charts, as Vega-Lite. Each has its numbers in a table of the page too.

Colours are the page's own (``var(--series-0)`` …), so that they follow light and dark.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from pipeline.console.figures import duration, figure
from pipeline.report.contents import LIVE_BEFORE, Contents, Part
from pipeline.report.curves import LOSS, Curve

NUM_COLOURS = 8  # in report.css
DASHES = ([1, 0], [6, 3], [2, 2])  # of lines, for more models than there are colours
BEYOND_ACCURACY = {
    "coverage@10": "Coverage: share of items somebody gets",
    "gini@10": "Gini: how unequally items are shown",
    "novelty@10": "Novelty, in bits",
    "diversity@10": "Diversity: how different the genres are",
    "popularity_lift@10": "Popularity lift over users' own histories",
}
_ROW = 26  # pixels for each model
Rows = list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Colours:
    """The same colour for a model in every chart.

    Attributes:
      of: model → CSS colour.
      dash: model → of its lines.
    """

    of: Mapping[str, str]
    dash: Mapping[str, Sequence[int]]

    @classmethod
    def for_models(cls, names: Iterable[str], reference: str | None) -> "Colours":
        """Gives grey to the bar, and colours to the others in their order."""
        grey = {name: "var(--reference)" for name in (reference, LIVE_BEFORE) if name}
        others = [name for name in names if name not in grey]
        return cls(
            {
                **{
                    name: f"var(--series-{place % NUM_COLOURS})"
                    for place, name in enumerate(others)
                },
                **grey,
            },
            {
                **{
                    name: DASHES[place // NUM_COLOURS % len(DASHES)]
                    for place, name in enumerate(others)
                },
                **dict.fromkeys(grey, DASHES[1]),
            },
        )

    def swatch(self, name: str) -> str:
        """A CSS class of that colour: the page's policy forbids styles of elements."""
        return self.of[name].removeprefix("var(--").removesuffix(")")

    def scale(self, names: Sequence[str]) -> alt.Scale:
        """For an encoding of the models."""
        return alt.Scale(domain=list(names), range=[self.of[name] for name in names])


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


def quantities(curves: Mapping[str, Sequence[Curve]]) -> list[str]:
    """What the curves are of: the loss, then the metrics of the eval split."""
    of_all = [curve for each in curves.values() for curve in each]
    metrics = {curve.metric for curve in of_all if curve.metric}
    return [LOSS, *sorted(metrics)] if of_all else []


def series(model: str, curve: Curve) -> str:
    """What a curve is called."""
    return f"{model} ({curve.part})" if curve.part else model


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
    return _dots(rows, "model", names, metric, colours).properties(
        height=_ROW * len(rows),
        description=_in_words(metric, rows, "model"),
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
    chart = _dots(rows, "slice", names, metric, colours, offset="model")
    height = len({part.slice for part in parts}) * (18 * len(names) + 14)
    return chart.properties(
        height=height, description=_in_words(f"{metric} on slices of users", rows)
    )


def _dots(
    rows: Rows,
    across: str,
    models: Sequence[str],
    metric: str,
    colours: Colours,
    offset: str | None = None,
) -> alt.LayerChart:
    """A point with its interval for each row."""
    tooltip = [
        *(alt.Tooltip(f"{name}:N") for name in dict.fromkeys(["model", across])),
        alt.Tooltip("value:Q", title=metric, format=".4f"),
        alt.Tooltip("lower:Q", title="from", format=".4f"),
        alt.Tooltip("upper:Q", title="to", format=".4f"),
        *([alt.Tooltip("users:Q", format=",d")] if offset else []),
    ]
    colour = alt.Color(
        "model:N",
        scale=colours.scale(models),
        legend=alt.Legend(title=None, orient="top", symbolOpacity=1)
        if offset
        else None,
    )
    base = _chart(rows).encode(
        y=alt.Y(f"{across}:N", sort=None, title=None), color=colour, tooltip=tooltip
    )
    if offset:
        base = base.encode(yOffset=alt.YOffset(f"{offset}:N", sort=list(models)))
    interval = base.mark_rule(strokeWidth=2.5, opacity=0.55).encode(
        x=alt.X("lower:Q", title=None, axis=alt.Axis(tickCount=6)), x2="upper:Q"
    )
    point = base.mark_point(filled=True, size=90, opacity=1).encode(x="value:Q")
    return _sized(alt.layer(interval, point))


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
    return _row_of_bars(rows, title, colours)


def _trade_off(
    models: Sequence[Mapping[str, Any]], metric: str, colours: Colours
) -> alt.Chart:
    """Accuracy over coverage: a model may buy one with the other."""
    rows = [
        {
            "model": model["name"],
            "coverage": model["metrics"].get("coverage@10"),
            "value": model["metrics"].get(metric),
        }
        for model in models
    ]
    names = [row["model"] for row in rows]
    base = _chart(rows).mark_point(filled=True, size=90, opacity=1)
    base = base.encode(
        x=alt.X("coverage:Q", title="coverage@10", axis=alt.Axis(tickCount=4)),
        y=alt.Y("value:Q", title=metric, axis=alt.Axis(tickCount=4)),
        color=alt.Color(
            "model:N",
            scale=colours.scale(names),
            legend=alt.Legend(title=None, orient="top"),
        ),
        tooltip=[
            "model:N",
            alt.Tooltip("coverage:Q", title="coverage@10", format=".4f"),
            alt.Tooltip("value:Q", title=metric, format=".4f"),
        ],
    )
    # Names beside the points would lie over each other where models are alike.
    return _sized(base).properties(
        height=150, description=_in_words(f"{metric} over coverage@10", rows, "model")
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
    return _row_of_bars(rows, "seconds", colours)


def _row_of_bars(rows: Rows, title: str, colours: Colours) -> alt.LayerChart:
    """A bar for each row, with its figure beyond the end, right of zero."""
    names = [row["model"] for row in rows]
    base = _chart(rows).encode(
        y=alt.Y("model:N", sort=None, title=None),
        x=alt.X("value:Q", title=None, axis=alt.Axis(tickCount=4)),
        color=alt.Color("model:N", scale=colours.scale(names), legend=None),
        tooltip=["model:N", alt.Tooltip("label:N", title=title)],
    )
    bar = base.mark_bar(height=14, cornerRadiusEnd=2)
    text = (
        base.transform_calculate(end="max(0, datum.value)")
        .mark_text(align="left", dx=6)
        .encode(x="end:Q", text="label:N", color=alt.value("var(--ink-2)"))
    )
    return _sized(alt.layer(bar, text)).properties(
        height=_ROW * len(rows), description=_in_words(title, rows, "model")
    )


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
    base = _chart(rows).encode(
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
    return _sized(alt.layer(line, hover, best)).properties(
        height=260, description=f"{quantity} after each epoch of {names}"
    )


def _ratings(rows: Rows) -> alt.Chart:
    names = list(dict.fromkeys(row["run"] for row in rows))
    shown = [{**row, "stars": f"{row['low']:g} – {row['high']:g}"} for row in rows]
    chart = _chart(shown).mark_bar(cornerRadiusEnd=2)
    return _sized(
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
        height=220, description=_in_words("share of ratings", shown, "stars", "share")
    )


def _chart(rows: Rows) -> alt.Chart:
    values: Any = alt.InlineData  # has no types of its own
    return alt.Chart(values(values=rows))


def _sized(chart: Any) -> Any:
    """As wide as the page lets it be."""
    return chart.properties(
        width="container",
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )


def _in_words(
    what: str, rows: Rows, name: str | None = None, value: str = "value"
) -> str:
    """For who cannot see the chart; the table below it has every number."""
    if name is None:
        return f"{what}; the table has the numbers"
    told = ", ".join(
        f"{row[name]} {row[value]:.4g}" for row in rows if row[value] is not None
    )
    return f"{what}: {told}"
