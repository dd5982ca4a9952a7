"""The spans of a retraining, and what is unusual about them."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.retraining.spans import LastVerdict
from pipeline.runs.span_record import Drift, Spans, Window
from pipeline.views.formatting import inert
from pipeline.views.terminal.terminal import Terminal

# Field of ``Window`` → its description.
_UNUSUAL = {
    "late": "late, and included:",
    "too_late": "late, from before the window, and left out:",
    "unfinished": "not complete yet, and left out:",
    "empty": "empty:",
    "held": "held back because of drift, until --accept:",
    "missing": "a span may be missing",
    "gone": "included before, and gone:",
}


def print_nothing_new(console: Terminal, window: Window, last: LastVerdict) -> None:
    """Prints that a retraining has nothing new to learn from.

    Args:
        console: The terminal.
        window: The spans.
        last: The retraining that learned from the same spans.
    """
    console.print(spans_of(Spans(**vars(window))))
    console.print(
        Text(
            f"Nothing new since run {inert(last.run)} ({inert(last.status)}); "
            "nothing was done."
        )
    )


def spans_of(spans: Spans | None) -> RenderableType | None:
    """Returns which spans were included, and what is unusual about them."""
    if spans is None:
        return None
    names = [inert(name) for name in spans.names]
    shown = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    heading = Text.assemble(
        ("Spans", "bold"), f"  {shown}: {len(names)}, {len(spans.new)} new"
    )
    warnings = [Text(f"  {warning}", "yellow") for warning in _warnings(spans)]
    return Group(heading, *warnings)


def _warnings(spans: Spans) -> Iterator[str]:
    for field, description in _UNUSUAL.items():
        if names := getattr(spans, field):
            yield f"{description} {', '.join(map(inert, names))}"
    for overlap in spans.overlaps:
        older, newer = map(inert, overlap.spans)
        yield (
            f"{overlap.ratings:,} ratings of {older} occur in {newer} again; one of "
            "each is kept"
        )
    if spans.drift:
        yield from _drift(spans.drift)


def _drift(drift: Drift) -> Iterator[str]:
    for found in drift.measured:
        if found.is_drift:
            yield (
                f"drift since {inert(drift.live_span)}: {inert(found.feature)} "
                f"{found.value:.3f}, allowed {found.threshold:g}"
            )
    if drift.not_compared:
        yield f"drift not measured: {inert(drift.not_compared)}"
