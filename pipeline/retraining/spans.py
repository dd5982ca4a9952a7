"""Chooses the spans of a retraining and reports irregularities.

Nothing here reads ratings. The folder of the spans is compared with the spans of
earlier retrainings, which are recorded in ``spans.json`` in the output folder.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median_low

import msgspec

from components import durable_files
from components.ratings_example_gen.recognise.reading import Reading
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
from pipeline.retraining.tuning import LastTuning
from pipeline.runs.span_record import Window

TAKEN_IN_FILE = "spans.json"


class ChangedSpanError(ValueError):
    """A span has changed since an earlier retraining."""


@dataclasses.dataclass(frozen=True)
class LastVerdict:
    """The newest retraining that reached a verdict.

    Attributes:
        fingerprints: Hash of the bytes of every span that was trained on, by name.
        settings: Hash of the settings.
        run: ID of the run.
        status: Status of the run.
    """

    fingerprints: dict[str, str]
    settings: str
    run: str
    status: str


@dataclasses.dataclass
class TakenIn:
    """The spans of earlier retrainings.

    Attributes:
        spans: Hash of the bytes of each span, by name.
        last: The last retraining that reached a verdict; None before the first.
        reading: How its ratings were read; None if the file names determine it, or
            before the first. A guess for later files must not differ from it.
        tuning: The last tuning by a retraining; None before the first.
        held: Hash of the bytes of each span that drift has stopped, by name.
    """

    spans: dict[str, str]
    last: LastVerdict | None = None
    reading: Reading | None = None
    tuning: LastTuning | None = None
    held: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, out: Path) -> "TakenIn":
        """Reads ``spans.json``; without the file, no span has been used.

        Raises:
            SpansError: If ``write`` did not write the file.
        """
        path = out / TAKEN_IN_FILE
        try:
            content = json.loads(path.read_text())
            last = LastVerdict(**content["last"]) if content["last"] else None
            reading, tuning = content.get("reading"), content.get("tuning")
            return cls(
                dict(content["spans"]),
                last,
                msgspec.convert(reading, Reading) if reading else None,
                LastTuning(**tuning) if tuning else None,
                dict(content.get("held", {})),
            )
        except FileNotFoundError:
            return cls({})
        except (
            *(ValueError, KeyError, TypeError, RecursionError),
            msgspec.ValidationError,
        ) as error:
            raise SpansError(
                f"Cannot read {path} ({error!r}). It records which spans have been "
                "used. Restore it, or move it away to treat every span as new."
            ) from error

    def changed(self, fingerprints: Mapping[str, str]) -> set[str]:
        """Returns the names of used spans whose fingerprint differs."""
        return {
            name
            for name, found in fingerprints.items()
            if self.spans.get(name, found) != found
        }

    def add(
        self,
        window: Window,
        settings: str,
        run_id: str,
        status: str,
        reading: Reading | None = None,
    ) -> None:
        """Records a retraining that reached a verdict."""
        self.spans |= window.fingerprints
        for name in window.names:
            self.held.pop(name, None)
        self.reading = reading
        self.last = LastVerdict(window.fingerprints, settings, run_id, status)

    def write(self, out: Path) -> None:
        """Writes ``spans.json`` atomically."""
        content = json.dumps(dataclasses.asdict(self), indent=1)
        durable_files.write(out / TAKEN_IN_FILE, content)


def plan(
    folder: Path | str, wanted: str, taken_in: TakenIn, accepted: Sequence[str] = ()
) -> Window:
    """Chooses the spans.

    Args:
        folder: Folder of the spans; text in an object store.
        wanted: ``all``, ``N spans`` or ``N days``.
        taken_in: Spans of earlier retrainings.
        accepted: Names of spans that may have changed since then, or have drifted.

    Raises:
        SpansError: If no span is complete, or all are held back, or the spans cannot
            be ordered.
        ChangedSpanError: If a span of the window has changed since it was used.
        ConfigError: If the window is ``N days`` and the spans are numbered.
    """
    spans = find_spans(str(folder))
    for name in accepted:
        if name not in {span.name for span in spans}:
            raise SpansError(f"no span {name!r} in {folder} to accept")
    with_ratings = whole(str(folder))
    held = {
        span.name
        for span in with_ratings
        if span.name in taken_in.held.keys() - set(accepted)
        and fingerprint(span) == taken_in.held[span.name]
    }
    with_ratings = [span for span in with_ratings if span.name not in held]
    if not with_ratings:
        names = sorted(held, key=number_of)
        raise SpansError(
            f"all complete spans in {folder} are held back because of drift. Look at "
            f"them and, if they are right, use: {_accept(names)}"
        )
    try:
        chosen = in_window(with_ratings, wanted)
    except SpansError as error:
        raise ConfigError(None, None, "retrain.window", str(error)) from error
    fingerprints = {span.name: fingerprint(span) for span in chosen}
    changed = taken_in.changed(fingerprints) - set(accepted)
    if changed:
        raise ChangedSpanError(_changed(folder, sorted(changed, key=number_of)))
    window = _window(spans, with_ratings, chosen, taken_in, fingerprints)
    return dataclasses.replace(window, held=tuple(sorted(held, key=number_of)))


def _window(
    spans: list[Span],
    with_ratings: list[Span],
    chosen: list[Span],
    taken_in: TakenIn,
    fingerprints: dict[str, str],
) -> Window:
    """Returns the chosen spans and all irregularities.

    Args:
        spans: All spans.
        with_ratings: Complete spans that have files.
        chosen: Spans of the window.
        taken_in: Spans of earlier retrainings.
        fingerprints: Hashes of the chosen spans.
    """
    first = chosen[0].number
    known = sorted(number_of(name) for name in taken_in.spans)
    new = [span for span in chosen if span.name not in taken_in.spans]
    present = {span.name for span in spans}
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
            if name not in present and number_of(name) >= first
        ),
        fingerprints=fingerprints,
    )


def _gaps(spans: list[Span]) -> list[str]:
    """Returns the gaps that are more than 1.5 times the usual distance of spans."""
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


def _changed(folder: Path | str, names: list[str]) -> str:
    return (
        f"{', '.join(names)} in {folder} changed after an earlier retraining. Spans "
        "must not change; newer ratings belong in a newer span. Restore the old files "
        f"or, if the new ones are correct, run: marquee retrain {_accept(names)}"
    )


def _accept(names: list[str]) -> str:
    return " ".join(f"--accept {name}" for name in names)
