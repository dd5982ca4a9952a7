"""What events must have, as an ingestion of real files recorded it."""

import json
from pathlib import Path

import msgspec

from components.ratings_example_gen import Settings, inspect
from pipeline.event_log.expected import Expected


def expected_of(data: Path, settings: Settings, folder: Path) -> Expected:
    """Reads files, and returns what events must have to be read like them.

    Args:
        data: The files.
        settings: How they are read.
        folder: Folder for what is recorded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reading = msgspec.to_builtins(inspect(data, settings).reading)
    (folder / "counts.json").write_text(json.dumps({"reading": reading}))
    return Expected.of(folder, json.loads(settings.to_json()))
