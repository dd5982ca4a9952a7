"""The files that the runs read: finds rows in them, and rewrites them without."""

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ml_metadata import ListOptions, MetadataStore

from components import durable_files
from components.ratings_example_gen import Settings, files, recognise_ratings, spans
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.side_files.tables import side_tables_of
from components.ratings_example_gen.without_rows import copy_without, find_rows
from pipeline import datasets
from pipeline.forgetting.ids import Ids
from pipeline.lineage.store import parameters, settings
from pipeline.retraining.spans import TakenIn
from pipeline.runs.metadata_store import METADATA_FILE, open_metadata


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file with rows of what is to be forgotten.

    Attributes:
        path: The file.
        rows: Number of the rows.
        source: The source of the runs that it belongs to.
        is_span: Whether the source is a folder of spans.
        problem: Why the rows cannot be removed; empty if they can.
        places: The parts of the file, and which of their rows they are.
    """

    path: Path
    rows: int
    source: str
    is_span: bool
    problem: str
    places: Mapping[Part, set[int]]


@dataclasses.dataclass(frozen=True)
class _Source:
    path: str
    settings: Settings


def find_in_sources(out: Path, ids: Ids) -> list[SourceFile]:
    """Finds the rows of some users or items in all files that runs have read.

    Sources that no longer exist are left out.

    Raises:
        BadInputError: If a source cannot be read.
    """
    found = []
    for source in _sources(open_metadata(out / METADATA_FILE)):
        if files.is_remote(source.path) or os.path.exists(source.path):
            found += _find_in(source, ids)
    return found


def _sources(store: MetadataStore) -> Iterator[_Source]:
    """Yields each source that a run has read, as the newest run read it."""
    seen = set()
    readers = [
        kind.name
        for kind in store.get_execution_types()
        if kind.name.endswith(".RatingsExampleGen")
    ]
    for kind in readers:
        query = ListOptions(filter_query=f"type = '{kind}'")
        for execution in reversed(store.get_executions(query)):
            read = parameters(execution)
            [split] = json.loads(read["input_config"])["splits"]
            path = read["input_base"]
            if split["pattern"] != "*":
                path = f"{path}/{split['pattern']}"
            if path not in seen:
                seen.add(path)
                text = json.dumps(settings(execution))
                yield _Source(path, Settings.from_json(text))


def _find_in(source: _Source, ids: Ids) -> list[SourceFile]:
    is_span = bool(source.settings.spans or source.settings.window)
    unfinished: dict[str, str] = {}
    reading = dataclasses.replace(source.settings, window="")
    if is_span:
        known = [span for span in spans.find_spans(source.path) if span.files]
        names = tuple(span.name for span in known)
        reading = dataclasses.replace(reading, spans=names)
        unfinished = {
            path: span.name
            for span in known
            if not span.is_whole
            for path, _ in span.files
        }
    layout = recognise_ratings(Path(source.path), reading)
    tables = side_tables_of(source.path, reading, layout)
    parts = [*layout.ratings]
    parts += [table.part for table in (tables.items, tables.users) if table]
    places: dict[str, dict[Part, set[int]]] = {}
    for part in parts:
        rows, _ = find_rows(part, ids.by_column, ids.are_in)
        if rows:
            places.setdefault(part.path, {})[part] = rows
    return [
        SourceFile(
            path=Path(path),
            rows=sum(map(len, by_part.values())),
            source=source.path,
            is_span=is_span,
            problem=_problem(path, unfinished.get(path)),
            places=by_part,
        )
        for path, by_part in places.items()
    ]


def _problem(path: str, unfinished: str | None) -> str:
    """Returns why a file cannot be rewritten; empty if it can."""
    if files.is_remote(path):
        return "it is in an object store: remove the rows there"
    if unfinished:
        return f"span {unfinished} is not complete: wait for its writer"
    with contextlib.suppress(FileNotFoundError):
        if Path(path).is_relative_to(datasets.cache_folder()):
            return "it belongs to a data set that Marquee generates or downloads"
    if not os.access(os.path.realpath(path), os.W_OK):
        return "permission denied"
    return ""


def rewrite(out: Path, found: Sequence[SourceFile], ids: Ids) -> None:
    """Rewrites files without the rows that were found in them.

    All copies are complete before any file is replaced, and ``spans.json`` has the new
    fingerprints before: if the process is killed in between, a repetition makes the
    same copies again.

    Raises:
        NotRewrittenError: If a copy is not as expected; nothing was changed.
        OSError: If a file cannot be written; nothing was changed.
    """
    copies: dict[Path, Path] = {}
    try:
        for file in found:
            path = Path(os.path.realpath(file.path))
            for left in path.parent.glob(f"{durable_files.UNFINISHED}*-{path.name}"):
                durable_files.remove(left)  # of a killed process
            unfinished = durable_files.unfinished_beside(path)
            copies[path] = unfinished.with_name(f"{unfinished.name}-{path.name}")
            copy_without(path, file.places, copies[path])
            shutil.copymode(path, copies[path])
            durable_files.sync(copies[path])
        _record(out, found, copies, ids)
        for path, copy in copies.items():
            durable_files.move(copy, path)
    finally:
        for copy in copies.values():
            copy.unlink(missing_ok=True)


def _record(
    out: Path, found: Sequence[SourceFile], copies: Mapping[Path, Path], ids: Ids
) -> None:
    """Records the new fingerprints of spans, and that they were not learned from."""
    taken_in = TakenIn.read(out)
    if not taken_in.spans:
        return
    by_path = {str(f.path): copies[Path(os.path.realpath(f.path))] for f in found}
    for source in {file.source for file in found if file.is_span}:
        for span in spans.find_spans(source):
            is_rewritten = any(path in by_path for path, _ in span.files)
            # A span that somebody else changed stays one that is refused.
            if is_rewritten and taken_in.spans.get(span.name) in (
                spans.fingerprint(span),
                spans.fingerprint(span, by_path),
            ):
                taken_in.spans[span.name] = spans.fingerprint(span, by_path)
    taken_in.last = None
    taken_in.write(out)
