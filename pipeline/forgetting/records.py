"""The records and logs of the runs, in which IDs occur as examples or in messages.

So do the counts of RatingsExampleGen and the rows that it quarantined, which no model
learns from. A changed output is not taken from the cache, so that its step runs anew.
"""

import dataclasses
import json
from collections.abc import Collection, Iterator
from pathlib import Path

from components import durable_files
from pipeline.forgetting.ids import Ids

_READER = "artifacts/RatingsExampleGen/examples/*"
_JSON = ("spans.json", "runs/*/*.json", f"{_READER}/counts.json")
_JSON_LINES = ("schedule.jsonl", f"{_READER}/quarantine.jsonl")
_TEXTS = ("schedule.log*", "runs/*/*.log", "runs/*/*.yaml")
_PAGES = ("runs/*/*.html",)


@dataclasses.dataclass(frozen=True)
class Record:
    """A file that mentions an ID.

    Attributes:
        path: The file.
        is_removed: Whether it is removed as a whole: in a report, an ID of digits
            cannot be distinguished from a figure. In other files, the ID is replaced.
    """

    path: Path
    is_removed: bool


def find_records(out: Path, ids: Ids, removed: Collection[Path]) -> list[Record]:
    """Finds the records and logs that mention some users or items.

    Args:
        out: Folder of the runs.
        ids: The users and items.
        removed: Folders of artifacts that are removed anyway.
    """
    found = [Record(path, True) for path, _ in _mentioning(out, _PAGES, ids)]
    for path, text in _mentioning(out, (*_JSON, *_JSON_LINES, *_TEXTS), ids):
        if _replaced(path, text, ids) != text:
            found.append(Record(path, False))
    found = [record for record in found if record.path.parent not in removed]
    return sorted(found, key=lambda record: record.path)


def remove_from(record: Record, ids: Ids) -> None:
    """Removes the IDs from a record, or the record."""
    if record.is_removed:
        durable_files.remove(record.path)
    else:
        text = _replaced(record.path, _read(record.path), ids)
        durable_files.write(record.path, text.encode(errors="surrogateescape"))


def _mentioning(
    out: Path, patterns: tuple[str, ...], ids: Ids
) -> Iterator[tuple[Path, str]]:
    """Yields the files whose text contains an ID, and their texts."""
    for pattern in patterns:
        for path in out.glob(pattern):
            text = _read(path)
            if ids.are_in(text):
                yield path, text


def _read(path: Path) -> str:
    return path.read_bytes().decode(errors="surrogateescape")


def _replaced(path: Path, text: str, ids: Ids) -> str:
    """Returns the text of a file without the IDs; numbers in JSON stay as they are."""
    if path.suffix == ".json":
        return _replaced_in_json(text, ids, indent=1)
    if path.suffix == ".jsonl":
        return "\n".join(_replaced_in_json(line, ids) for line in text.split("\n"))
    return ids.replaced(text)


def _replaced_in_json(text: str, ids: Ids, indent: int | None = None) -> str:
    if not ids.are_in(text):
        return text
    try:
        value = json.loads(text)
    except ValueError:  # cut off by a power failure
        return ids.replaced(text)
    replaced = ids.replaced_in(value)
    return text if replaced == value else json.dumps(replaced, indent=indent)
