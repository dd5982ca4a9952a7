"""Draws the training curves."""

from collections.abc import Mapping, Sequence

import altair as alt

from pipeline.views.html.chart_marks import Rows, chart_of, sized
from pipeline.views.html.colours import DASHES, Colours
from pipeline.views.html.training_curves import Curve, series


def draw_curves(
    curves: Mapping[str, Sequence[Curve]], quantity: str, colours: Colours
) -> alt.LayerChart:
    """Returns a chart of one quantity after each epoch of every training.

    Args:
        curves: Model → its trainings.
        quantity: The loss, or a metric of the eval split.
        colours: The models' colours.
    """
    rows: Rows = []
    colour_of: dict[str, str] = {}
    dash_of: dict[str, Sequence[float]] = {}
    for model, trainings in curves.items():
        for place, curve in enumerate(trainings):
            name = series(model, curve)
            if points := _points(name, curve, quantity):
                rows += points
                colour_of[name] = colours.of[model]
                dash_of[name] = DASHES[place % 3] if place else colours.dash[model]
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
            scale=_scale(colour_of),
            legend=alt.Legend(title=None, orient="top"),
        ),
        strokeDash=alt.StrokeDash("training:N", scale=_scale(dash_of)),
        tooltip=[
            "training:N",
            "epoch:Q",
            alt.Tooltip("value:Q", title=quantity, format=".4f"),
        ],
    )
    names = ", ".join(colour_of)
    return sized(_layers(base)).properties(
        height=260, description=f"{quantity} after each epoch of {names}"
    )


def _points(name: str, curve: Curve, quantity: str) -> Rows:
    return [
        {
            "training": name,
            "epoch": epoch.number,
            "value": epoch.values[quantity],
            "best": epoch.number == curve.best,
        }
        for epoch in curve.epochs
        if quantity in epoch.values
    ]


def _scale(values: Mapping[str, str] | Mapping[str, Sequence[float]]) -> alt.Scale:
    return alt.Scale(domain=list(values), range=list(values.values()))


def _layers(base: alt.Chart) -> alt.LayerChart | alt.FacetChart:
    line = base.mark_line(strokeWidth=2)
    # Small targets are hard to hit: every epoch has one that is larger than it looks.
    hover = base.mark_point(size=160, filled=True, opacity=0)
    best = (
        base.transform_filter(alt.datum.best)
        .mark_point(size=110, filled=True, opacity=1)
        .encode(strokeDash=alt.value([1, 0]))
    )
    return alt.layer(line, hover, best)
