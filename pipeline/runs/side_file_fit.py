"""How well the files of items and users fitted a run's ratings, from its artifacts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def overlaps(
    outputs: Mapping[tuple[str, str], str], counts: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns ``items_file`` and ``users_file`` as ``run.json`` has them.

    Each is None where there is no such file, else ``file``, ``rated`` (rated items, or
    users), ``matched`` (those that the file describes), ``first_missing`` and
    ``repeated`` (rows that a later row for the same id overruled).

    Args:
        outputs: Folders of the run's artifacts by step and output.
        counts: What RatingsExampleGen counted.
    """
    return {"items_file": _items(outputs), "users_file": _users(counts)}


def _items(outputs: Mapping[tuple[str, str], str]) -> dict[str, Any] | None:
    folder = outputs.get(("CatalogueGen", "catalogue"))
    path = Path(folder or "", "counts.json")
    if not folder or not path.exists():  # a catalogue of an earlier release
        return None
    counts = json.loads(path.read_text())
    if not counts["file"]:
        return None
    rated = counts["items"] - counts["items_never_rated"]
    return {
        "file": counts["file"],
        "rated": rated,
        "matched": rated - counts["items_without_features"],
        "first_missing": counts["first_without"],
        "repeated": counts["repeated"],
    }


def _users(counts: Mapping[str, Any]) -> dict[str, Any] | None:
    if not counts.get("users_file"):
        return None
    return {
        "file": counts["users_file"],
        "rated": counts["users"],
        "matched": counts["users_with_features"],
        "first_missing": counts["first_users_without"],
        "repeated": counts["users_repeated"],
    }
