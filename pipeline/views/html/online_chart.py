"""Draws how often users click at each position of their lists."""

from collections.abc import Sequence

import altair as alt

from pipeline.online.figures import VersionFigures
from pipeline.views.html.chart_marks import Rows, chart_of, in_words, sized
from pipeline.views.html.colours import NUM_COLOURS


def draw_positions(versions: Sequence[VersionFigures]) -> alt.LayerChart:
    """Returns a chart of the CTR at each position, with intervals.

    Args:
        versions: The versions, the newest last. Only the newest have a colour each.
    """
    newest = versions[-NUM_COLOURS:]
    rows: Rows = [
        {
            "version": f"{each.version} {each.model}",
            "position": position,
            "value": rate.value,
            "lower": rate.interval[0] if rate.interval else None,
            "upper": rate.interval[1] if rate.interval else None,
        }
        for each in newest
        for position, rate in enumerate(each.positions, 1)
    ]
    names = list(dict.fromkeys(str(row["version"]) for row in rows))
    colours = [f"var(--series-{place})" for place in range(len(names))]
    base = chart_of(rows).encode(
        x=alt.X("position:O", title="position", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("version:N", sort=names),
        color=alt.Color(
            "version:N",
            scale=alt.Scale(domain=names, range=colours),
            legend=alt.Legend(title=None, orient="top", symbolOpacity=1),
        ),
        tooltip=[
            "version:N",
            "position:O",
            alt.Tooltip("value:Q", title="CTR", format=".2%"),
            alt.Tooltip("lower:Q", title="from", format=".2%"),
            alt.Tooltip("upper:Q", title="to", format=".2%"),
        ],
    )
    axis = alt.Axis(format="%", tickCount=5)
    interval = base.mark_rule(strokeWidth=2.5, opacity=0.55).encode(
        y=alt.Y("lower:Q", title=None, axis=axis), y2="upper:Q"
    )
    point = base.mark_point(filled=True, size=60, opacity=1).encode(y="value:Q")
    return sized(alt.layer(interval, point)).properties(
        height=220, description=in_words("CTR at each position", rows)
    )
