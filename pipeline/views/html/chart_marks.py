"""Draws the marks of the charts: a point or a bar for each row of figures."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from pipeline.views.html.colours import Colours

ROW = 26  # pixels for each model
Row = dict[str, str | float | None]  # field → value, as Vega-Lite reads it
Rows = list[Row]


def dots(
    rows: Rows,
    across: str,
    models: Sequence[str],
    metric: str,
    colours: Colours,
    offset: str | None = None,
) -> alt.LayerChart:
    """Returns a point with its interval for each row."""
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
    base = chart_of(rows).encode(
        y=alt.Y(f"{across}:N", sort=None, title=None), color=colour, tooltip=tooltip
    )
    if offset:
        base = base.encode(yOffset=alt.YOffset(f"{offset}:N", sort=list(models)))
    interval = base.mark_rule(strokeWidth=2.5, opacity=0.55).encode(
        x=alt.X("lower:Q", title=None, axis=alt.Axis(tickCount=6)), x2="upper:Q"
    )
    point = base.mark_point(filled=True, size=90, opacity=1).encode(x="value:Q")
    return sized(alt.layer(interval, point))


def bars_of_models(rows: Rows, title: str, colours: Colours) -> alt.LayerChart:
    """Returns a bar in the model's colour for each row."""
    scale = colours.scale([str(row["model"]) for row in rows])
    colour = alt.Color("model:N", scale=scale, legend=None)
    return row_of_bars(rows, "model", title, colour)


def row_of_bars(
    rows: Rows, across: str, title: str, colour: alt.Color | alt.ColorValue
) -> alt.LayerChart:
    """Returns a bar for each row, with its figure beyond the end, right of zero.

    Args:
        rows: Rows with a ``value``, and a ``label`` that is its figure.
        across: The field that names a row.
        title: What the bars show.
        colour: Colour of the bars.
    """
    highest = max(
        (v for row in rows if isinstance(v := row["value"], float)), default=0
    )
    # Room for the figure beyond the longest bar.
    scale = alt.Scale(domainMax=1.15 * highest) if highest > 0 else alt.Scale()
    base = chart_of(rows).encode(
        y=alt.Y(f"{across}:N", sort=None, title=None),
        x=alt.X("value:Q", title=None, axis=alt.Axis(tickCount=4), scale=scale),
        color=colour,
        tooltip=[f"{across}:N", alt.Tooltip("label:N", title=title)],
    )
    bar = base.mark_bar(height=14, cornerRadiusEnd=2)
    text = (
        base.transform_calculate(end="max(0, datum.value)")
        .mark_text(align="left", dx=6)
        .encode(x="end:Q", text="label:N", color=alt.value("var(--ink-2)"))
    )
    return sized(alt.layer(bar, text)).properties(
        height=ROW * len(rows), description=in_words(title, rows, across)
    )


def chart_of(rows: Rows) -> alt.Chart:
    """Returns a chart that has rows and draws nothing yet."""
    values: Any = alt.InlineData  # has no types of its own
    return alt.Chart(values(values=rows))


def sized(chart: Any) -> Any:
    """Returns a chart that is as wide as the page allows."""
    return chart.properties(
        width="container",
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )


def in_words(
    what: str, rows: Rows, name: str | None = None, value: str = "value"
) -> str:
    """Returns a chart's description for those who cannot see it.

    Args:
        what: What the chart shows.
        rows: Rows of the chart.
        name: The field that names a row; without one, the description refers to the
            table below the chart, which has every number.
        value: The field that has a row's value.
    """
    if name is None:
        return f"{what}; the table has the numbers"
    values = ", ".join(
        f"{row[name]} {number:.4g}"
        for row in rows
        if isinstance(number := row[value], int | float)
    )
    return f"{what}: {values}"
