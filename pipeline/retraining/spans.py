"""Which spans a retraining takes in, and what is odd about those that are there.

Nothing here reads ratings: it compares what lies in the folder of the spans with what
earlier retrainings took in, which ``spans.json`` in the output folder tells.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median_low
from typing import Any

from components import durable_files
from components.ratings_example_gen.spans import (
    Span,
    SpansError,
    find_spans,
    fingerprint,
    in_window,
    number_of,
    whole,
)
from pipeline.config.errors import ConfigError
from pipeline.runs.span_record import Window

TAKEN_IN_FILE = "spans.json"


class ChangedSpanError(ValueError):
    """A span is not what an earlier retraining took in."""


@dataclasses.dataclass(frozen=True)
class LastVerdict:
    """The newest retraining that reached a verdict.

    Attributes:
        fingerprints: Name → hash of the bytes, of every span that it learned from.
        settings: Hash of the settings.
        run: ID of the run.
        status: The run's status.
    """

    fingerprints: dict[str, str]
    settings: str
    run: str
    status: str


@dataclasses.dataclass
class TakenIn:
    """What earlier retrainings took in.

    Attributes:
        spans: Name → hash of the bytes.
        last: The newest retraining that reached a verdict; None before the first.
        reading: How its ratings were read; None where the file names say it, or before
            the first. Later files may not be guessed to be written in another way.
    """

    spans: dict[str, str]
    last: LastVerdict | None = None
    reading: dict[str, Any] | None = None

    @classmethod
    def read(cls, out: Path) -> "TakenIn":
        """Reads ``spans.json``; nothing was taken in where there is none.

        Raises:
            SpansError: It is not what ``write`` wrote.
        """
        path = out / TAKEN_IN_FILE
        try:
            told = json.loads(path.read_text())
            last = LastVerdict(**told["last"]) if told["last"] else None
            return cls(dict(told["spans"]), last, told.get("reading"))
        except FileNotFoundError:
            return cls({})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SpansError(
                f"{path} cannot be read ({error!r}). It says which spans were taken "
                "in; without it every span is new: move it away to start so."
            ) from error

    def add(
        self,
        window: Window,
        settings: str,
        run_id: str,
        status: str,
        reading: dict[str, Any] | None = None,
    ) -> None:
        """Records a retraining that came to a verdict."""
        self.spans |= window.fingerprints
        self.reading = reading
        self.last = LastVerdict(window.fingerprints, settings, run_id, status)

    def write(self, out: Path) -> None:
        """Writes ``spans.json``, whole or not at all."""
        told = json.dumps(dataclasses.asdict(self), indent=1)
        durable_files.write(out / TAKEN_IN_FILE, told)


def plan(
    folder: Path, wanted: str, taken_in: TakenIn, accepted: Sequence[str] = ()
) -> Window:
    """Chooses the spans.

    Args:
        folder: Of the spans.
        wanted: ``all``, ``N spans`` or ``N days``.
        taken_in: By earlier retrainings.
        accepted: Names of spans that may have changed since.

    Raises:
        SpansError: No span is whole, or the folder's spans have no order.
        ChangedSpanError: A span of the window is not what was taken in.
        ConfigError: ``N days`` of numbered spans.
    """
    spans = find_spans(str(folder))
    for name in accepted:
        if name not in {span.name for span in spans}:
            raise SpansError(f"{folder} has no span {name!r} that could be accepted")
    with_ratings = whole(str(folder))
    try:
        chosen = in_window(with_ratings, wanted)
    except SpansError as error:
        raise ConfigError(None, None, "retrain.window", str(error)) from error
    first = chosen[0].number
    fingerprints = {span.name: fingerprint(span) for span in chosen}
    changed = [
        name
        for name, found in fingerprints.items()
        if taken_in.spans.get(name, found) != found and name not in accepted
    ]
    if changed:
        raise ChangedSpanError(_changed(folder, changed))
    known = sorted(number_of(name) for name in taken_in.spans)
    new = [span for span in chosen if span.name not in taken_in.spans]
    there = {span.name for span in spans}
    return Window(
        names=tuple(span.name for span in chosen),
        new=tuple(span.name for span in new),
        late=tuple(s.name for s in new if known and s.number < known[-1]),
        too_late=tuple(
            s.name
            for s in with_ratings
            if s.name not in taken_in.spans and known and known[0] < s.number < first
        ),
        unfinished=tuple(span.name for span in spans if not span.is_whole),
        empty=tuple(
            s.name for s in spans if s.is_whole and not s.files and s.number >= first
        ),
        missing=tuple(_gaps([s for s in spans if s.number >= first])),
        gone=tuple(
            name
            for name in sorted(taken_in.last.fingerprints if taken_in.last else ())
            if name not in there and number_of(name) >= first
        ),
        fingerprints=fingerprints,
    )


def _gaps(spans: list[Span]) -> list[str]:
    """Where spans are further from each other than is usual, half as far again."""
    steps = [after.number - before.number for before, after in _pairs(spans)]
    if len(steps) < 2:
        return []
    usual = median_low(steps)
    unit = "days" if spans[0].is_dated else "numbers"
    return [
        f"between {before.name} and {after.name} ({step} {unit}, usual is {usual})"
        for (before, after), step in zip(_pairs(spans), steps, strict=True)
        if step > 1.5 * usual
    ]


def _pairs(spans: list[Span]) -> list[tuple[Span, Span]]:
    return list(zip(spans, spans[1:], strict=False))


def _changed(folder: Path, names: list[str]) -> str:
    accept = " ".join(f"--accept {name}" for name in names)
    return (
        f"{', '.join(names)} in {folder} is not what an earlier retraining took in: "
        "spans are not changed, newer ratings come in a newer span. Put the old files "
        f"back, or if the new ones are right: marquee retrain {accept}"
    )
