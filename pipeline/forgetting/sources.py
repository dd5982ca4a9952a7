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
class Found:
    """What was found in all sources.

    Attributes:
        files: The files with rows to remove, each once.
        unsearched: Folders of spans that are not complete, which are not read.
    """

    files: tuple[SourceFile, ...]
    unsearched: tuple[str, ...]


def find_in_sources(out: Path, ids: Ids) -> Found:
    """Finds the rows of some users or items in all files that runs have read.

    Sources that no longer exist are left out.

    Raises:
        BadInputError: If a source cannot be read.
    """
    by_path: dict[str, SourceFile] = {}
    unsearched: list[str] = []
    for source, reading in _sources(open_metadata(out / METADATA_FILE)):
        if not files.is_remote(source) and not os.path.exists(source):
            continue
        is_span = bool(reading.spans or reading.window)
        if is_span:
            known = spans.find_spans(source)
            whole = tuple(span.name for span in known if span.is_whole and span.files)
            reading = dataclasses.replace(reading, window="", spans=whole)
            unsearched += [
                spans.folder_of(source, span.name)
                for span in known
                if not span.is_whole
            ]
        for path, places in _search(source, reading, ids).items():
            # A file may belong to spans and have been read on its own, too.
            if is_span or path not in by_path:
                rows = sum(map(len, places.values()))
                by_path[path] = SourceFile(
                    Path(path), rows, source, is_span, _problem(path), places
                )
    return Found(tuple(by_path.values()), tuple(sorted(set(unsearched))))


def _sources(store: MetadataStore) -> Iterator[tuple[str, Settings]]:
    """Yields each source that a run has read, and how the newest run read it."""
    seen = set()
    for kind in store.get_execution_types():
        if not kind.name.endswith(".RatingsExampleGen"):
            continue
        query = ListOptions(filter_query=f"type = '{kind.name}'")
        for execution in reversed(store.get_executions(query)):
            read = parameters(execution)
            [split] = json.loads(read["input_config"])["splits"]
            path = read["input_base"]
            if split["pattern"] != "*":
                path = f"{path}/{split['pattern']}"
            if path not in seen:
                seen.add(path)
                yield path, Settings.from_json(json.dumps(settings(execution)))


def _search(
    source: str, reading: Settings, ids: Ids
) -> dict[str, dict[Part, set[int]]]:
    """Returns the rows to remove, by the path of the file and its part."""
    layout = recognise_ratings(Path(source), reading)
    tables = side_tables_of(source, reading, layout)
    beside = [table.part for table in (tables.items, tables.users) if table]
    places: dict[str, dict[Part, set[int]]] = {}
    for part in (*layout.ratings, *beside):
        rows, _ = find_rows(part, ids.by_column, ids.are_in)
        if rows:
            places.setdefault(part.path, {})[part] = rows
    return places


def _problem(path: str) -> str:
    """Returns why a file cannot be rewritten; empty if it can."""
    if files.is_remote(path):
        return "it is in an object store: remove the rows there"
    with contextlib.suppress(FileNotFoundError):
        if Path(path).is_relative_to(datasets.cache_folder()):
            return "it belongs to a data set that Marquee generates or downloads"
    if not os.access(os.path.realpath(path), os.W_OK):
        return "permission denied"
    return ""


def rewrite(out: Path, found: Sequence[SourceFile]) -> None:
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
        _record(out, found, copies)
        for path, copy in copies.items():
            durable_files.move(copy, path)
    finally:
        for copy in copies.values():
            copy.unlink(missing_ok=True)


def _record(
    out: Path, found: Sequence[SourceFile], copies: Mapping[Path, Path]
) -> None:
    """Records the new fingerprints of spans, and that they were not learned from."""
    taken_in = TakenIn.read(out)
    if not taken_in.spans:
        return  # there has been no retraining
    by_path = {str(f.path): copies[Path(os.path.realpath(f.path))] for f in found}
    for source in {file.source for file in found if file.is_span}:
        for span in spans.find_spans(source):
            is_rewritten = any(path in by_path for path, _ in span.files)
            # A span that somebody else changed stays one that is refused.
            for recorded in (taken_in.spans, taken_in.held):
                if is_rewritten and recorded.get(span.name) in (
                    spans.fingerprint(span),
                    spans.fingerprint(span, by_path),
                ):
                    recorded[span.name] = spans.fingerprint(span, by_path)
    taken_in.last = None
    taken_in.write(out)
