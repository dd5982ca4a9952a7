"""Draws the charts of a study as Vega-Lite."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt

from pipeline.runs.step_outputs import Trial
from pipeline.runs.tuned import TunedModel
from pipeline.views.formatting import figure
from pipeline.views.html.chart_marks import (
    Rows,
    chart_of,
    row_of_bars,
    sized,
)
from pipeline.views.html.tuning.axes import NOT_TRIED, DrawnAxis, axes_of, shown

BEST, BEFORE = "best", "before"
# Kind of a trial → its colour, from report.css.
COLOURS = {
    BEST: "var(--series-1)",
    BEFORE: "var(--ink)",
    "complete": "var(--series-0)",
    "stopped early": "var(--reference)",
    "failed": "var(--bad)",
}
_SHAPES = {
    **dict.fromkeys((BEST, BEFORE, "complete"), "circle"),
    **{"stopped early": "triangle-down", "failed": "cross"},
}
_AXIS = 56  # pixels from one axis of the parallel coordinates to the next
_ONLY_ENDS = 460  # pixels of width below which only the ends of axes have labels


def kind(trial: Trial, best: Trial) -> str:
    """Returns what a trial is drawn as: a key of ``COLOURS``."""
    if trial.number == best.number:
        return BEST
    if trial.is_first and trial.state == "complete":
        return BEFORE
    return "stopped early" if trial.state == "stopped" else trial.state


def by_result(trials: Sequence[Trial]) -> list[Trial]:
    """Returns the best trial first, and those without a metric last."""

    def order(trial: Trial) -> tuple[float, int]:
        return math.inf if trial.metric is None else -trial.metric, trial.number

    return sorted(trials, key=order)


def best_so_far(trials: Sequence[Trial]) -> list[tuple[Trial, float | None]]:
    """Returns the trials in their order, each with the best metric until then."""
    found, best = [], None
    for trial in sorted(trials, key=lambda trial: trial.number):
        if trial.metric is not None and (best is None or trial.metric > best):
            best = trial.metric
        found.append((trial, best))
    return found


def charts_of(
    model: TunedModel, metric: str, importances: dict[str, float]
) -> Iterator[tuple[str, dict[str, object]]]:
    """Returns every chart of a study that has something to draw, by its name."""
    drawn = {
        "best": _best(model, metric),
        "axes": _axes(model, metric),
        "importance": _importances(importances) if importances else None,
        "curves": _curves(model, metric),
    }
    for name, chart in drawn.items():
        if chart is not None:
            # Valid by construction, as those of the report of a run.
            yield f"{name}-{model.name}", chart.to_dict(validate=False)


def _best(model: TunedModel, metric: str) -> alt.LayerChart:
    best = model.trials[0]
    rows: Rows = [
        {
            "trial": trial.number,
            "kind": kind(trial, best),
            "value": trial.metric if trial.metric is not None else _highest(trial),
            "so_far": so_far,
            "seconds": round(trial.seconds, 1),
        }
        for trial, so_far in best_so_far(model.trials)
    ]
    base = chart_of(rows).encode(
        x=alt.X(
            "trial:Q",
            title="trial",
            axis=alt.Axis(tickMinStep=1, format="d"),
            scale=alt.Scale(nice=False, padding=8),
        ),
        tooltip=[
            "trial:Q",
            alt.Tooltip("kind:N", title="state"),
            alt.Tooltip("value:Q", title=metric, format=".4f"),
            alt.Tooltip("so_far:Q", title="best so far", format=".4f"),
            "seconds:Q",
        ],
    )
    y = alt.Y("so_far:Q", title=None, scale=alt.Scale(zero=False, padding=12))
    is_measured = "isValid(datum.value)"
    colour, shape = _colour_and_shape(rows)
    points = base.encode(color=colour, shape=shape).mark_point(
        filled=True, size=80, opacity=1
    )
    layers = [
        base.mark_line(
            interpolate="step-after", strokeWidth=2, color=COLOURS[BEST]
        ).encode(y=y),
        points.transform_filter(is_measured).encode(y=alt.Y("value:Q", title=None)),
    ]
    if any(row["value"] is None for row in rows):
        # A trial that failed at once has no metric: it is at the lower edge.
        edge = alt.value({"expr": "height - 6"})
        layers.append(points.transform_filter(f"!{is_measured}").encode(y=edge))
    if model.before is not None:
        before = chart_of([{"value": model.before}]).encode(y="value:Q")
        layers.insert(
            0, before.mark_rule(strokeDash=[4, 4], color=COLOURS[BEFORE], opacity=0.6)
        )
    words = f"Best {metric} so far: {figure(best.metric)} after {len(rows)} trials"
    if model.before is not None:
        words += f", {figure(model.before)} before"
    return sized(alt.layer(*layers)).properties(height=240, description=words)


def _highest(trial: Trial) -> float | None:
    """Returns the best metric of a trial that did not end; None without an epoch."""
    values = (value for _, value in trial.curve if math.isfinite(value))
    return max(values, default=None)


def _colour_and_shape(rows: Rows) -> tuple[alt.Color, alt.Shape]:
    """Returns the encodings of the kinds that occur, which share a legend."""
    kinds = [name for name in COLOURS if any(row["kind"] == name for row in rows)]
    legend = alt.Legend(title=None, orient="top", symbolOpacity=1)

    def scale(of: Mapping[str, str]) -> alt.Scale:
        return alt.Scale(domain=kinds, range=[of[name] for name in kinds])

    return (
        alt.Color("kind:N", scale=scale(COLOURS), legend=legend),
        alt.Shape("kind:N", scale=scale(_SHAPES), legend=legend),
    )


def _axes(model: TunedModel, metric: str) -> alt.LayerChart:
    """Draws the axes below each other, so that they fit into a narrow window."""
    axes, best = axes_of(model, metric), model.trials[0]
    complete = [trial for trial in model.trials if trial.state == "complete"]
    rows = [
        row
        for trial in reversed(by_result(complete))  # the best ones over the others
        for row in _line(trial, axes, kind(trial, best))
    ]
    has_gaps = any(row["at"] == NOT_TRIED for row in rows)
    left = NOT_TRIED if has_gaps else 0
    y = alt.Y(
        "axis:N",
        sort=[axis.name for axis in axes],
        title=None,
        axis=alt.Axis(grid=False, domain=False, ticks=False),
    )
    x = alt.X(
        "at:Q", axis=None, scale=alt.Scale(domain=[left - 0.03, 1.03], nice=False)
    )
    line = (
        chart_of(rows)
        .mark_line()
        .encode(
            y=y,
            x=x,
            order="place:Q",
            detail="trial:N",
            color=alt.Color("colour:N", scale=None),
            strokeWidth=alt.StrokeWidth("width:Q", scale=None),
            strokeDash=alt.condition(
                f"datum.kind == '{BEFORE}'", alt.value([5, 3]), alt.value([1, 0])
            ),
        )
    )
    hover = (
        chart_of(rows)
        .mark_point(size=140, filled=True, opacity=0)
        .encode(
            y=y,
            x=x,
            tooltip=[
                "trial:Q",
                alt.Tooltip("kind:N", title="state"),
                alt.Tooltip("axis:N", title="setting"),
                alt.Tooltip("shown:N", title="value"),
                alt.Tooltip("metric:Q", title=metric, format=".4f"),
            ],
        )
    )
    lines = chart_of([{"axis": axis.name, "at": 0, "end": 1} for axis in axes])
    rule = lines.mark_rule(color="var(--ink-2)", opacity=0.5).encode(y=y, x=x, x2="end")
    return sized(alt.layer(rule, line, *_labels(axes, rows, x, y), hover)).properties(
        height=_AXIS * len(axes),
        description=f"{len(complete)} complete trials of {model.name}, a line each, "
        f"over {', '.join(axis.name for axis in axes)}; the table has the numbers",
    )


def _line(trial: Trial, axes: Sequence[DrawnAxis], drawn_as: str) -> Rows:
    """Returns where the line of a trial crosses each axis, the metric's last.

    The fainter the colour, the lower the metric.
    """
    values = [trial.values.get(axis.name) for axis in axes[:-1]]
    share = round(25 + 75 * axes[-1].position(trial.metric))
    is_marked = drawn_as in (BEST, BEFORE)
    faint = f"color-mix(in oklab, var(--series-0) {share}%, var(--line))"
    return [
        {
            "trial": trial.number,
            "kind": drawn_as,
            "axis": axis.name,
            "place": place,
            "at": axis.position(value),
            "shown": shown(value),
            "metric": trial.metric,
            "colour": COLOURS[drawn_as] if is_marked else faint,
            "width": 3 if drawn_as == BEST else 1.6,
        }
        for place, (axis, value) in enumerate(
            zip(axes, [*values, trial.metric], strict=True)
        )
    ]


def _labels(
    axes: Sequence[DrawnAxis], rows: Rows, x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    labels: Rows = [
        {"axis": axis.name, "at": tick.at, "label": tick.label, "end": tick.is_end}
        for axis in axes
        for tick in axis.ticks()
    ]
    gaps = {str(row["axis"]) for row in rows if row["at"] == NOT_TRIED}
    labels += [
        {"axis": name, "at": NOT_TRIED, "label": "-", "end": True}
        for name in sorted(gaps)
    ]
    text = (
        chart_of(labels)
        .transform_filter(f"datum.end || width > {_ONLY_ENDS}")
        .encode(y=y, x=x, text="label:N")
    )
    at = "datum.at"
    place: dict[str, Any] = {
        "dy": 14,
        "fontSize": 11,
        "align": {"expr": f"{at} <= 0 ? 'left' : {at} >= 1 ? 'right' : 'center'"},
    }
    # With an outline in the colour of the page, since lines cross the labels.
    return [
        text.mark_text(
            **place, stroke="var(--card)", strokeWidth=4, fill="var(--card)"
        ),
        text.mark_text(**place, fill="var(--ink-2)"),
    ]


def _importances(importances: dict[str, float]) -> alt.LayerChart:
    rows: Rows = [
        {"setting": name, "value": share, "label": f"{share:.0%}"}
        for name, share in importances.items()
    ]
    return row_of_bars(
        rows, "setting", "importance", alt.ColorValue(COLOURS["complete"])
    )


def _curves(model: TunedModel, metric: str) -> alt.LayerChart | None:
    """Returns the metric by epoch; None for a closed form, which has none."""
    best = model.trials[0]
    rows: Rows = [
        {
            "trial": trial.number,
            "kind": kind(trial, best),
            "epoch": epoch,
            "value": value if math.isfinite(value) else None,
            "is_last": epoch == trial.curve[-1][0],
        }
        for trial in reversed(by_result(model.trials))
        for epoch, value in trial.curve
    ]
    if not rows:
        return None
    colour, shape = _colour_and_shape(rows)
    base = chart_of(rows).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
        tooltip=[
            "trial:Q",
            alt.Tooltip("kind:N", title="state"),
            "epoch:Q",
            alt.Tooltip("value:Q", title=metric, format=".4f"),
        ],
        color=colour,
    )
    line = base.mark_line().encode(
        detail="trial:N",
        strokeWidth=alt.condition(
            f"datum.kind == '{BEST}'", alt.value(3), alt.value(1.4)
        ),
    )
    end = (
        base.transform_filter("datum.is_last")
        .mark_point(filled=True, size=70, opacity=1)
        .encode(shape=shape)
    )
    hover = base.mark_point(size=120, filled=True, opacity=0)
    return sized(alt.layer(line, end, hover)).properties(
        height=280,
        description=f"{metric} after each epoch of {len(model.trials)} trials",
    )
