"""Writes each day that is over to a span, which ``retrain`` reads."""

import json
from pathlib import Path

from components import durable_files
from components.ratings_example_gen.spans import MARKER
from pipeline.event_log.expected import Expected
from pipeline.event_log.store import CLOSED, WRITTEN, EventStore, date_of
from pipeline.kept_days import oldest_kept

SPAN_FILE = "events.jsonl"


def write_days(
    store: EventStore, folder: Path, expected: Expected, now: float
) -> list[str]:
    """Writes the days that are over, each to a span, and removes old events.

    If it is killed, the next call writes the same bytes again.

    Args:
        store: The events.
        folder: Folder of the spans.
        expected: How the rows are written.
        now: The present time, in seconds UTC.

    Returns:
        The names of the spans that were written.

    Raises:
        OSError: If a span cannot be written; the store keeps its events.
    """
    store.bring_back(now)
    days = store.unwritten_days(now)
    for day in days:
        store.mark_day(day, CLOSED)  # first: the clock may go back while it is written
        span = folder / date_of(day)
        span.mkdir(parents=True, exist_ok=True)
        with (
            durable_files.replacing(span / SPAN_FILE) as unfinished,
            unfinished.open("w", encoding="utf-8") as file,
        ):
            for row in store.of_day(day):
                line = json.dumps(expected.written(row), ensure_ascii=False)
                file.write(f"{line}\n")
        durable_files.write(span / MARKER, "")
        store.mark_day(day, WRITTEN)
    if days:
        # Until then, an event is recognised if it is sent again, and a history has it
        # if no run has accepted its span.
        store.remove_before(oldest_kept(store.days(), days[-1]))
    return [date_of(day) for day in days]
