"""Adds the content of the schema to ImportSchemaGen's cache key."""

import hashlib
from pathlib import Path

from components.cache_driver import CacheDriver
from components.exec_properties import ExecProperties


class Driver(CacheDriver):
    """Makes ImportSchemaGen run again for an edited file: TFX compares the path."""

    def added_properties(self, exec_properties: ExecProperties) -> dict[str, str]:
        """Returns ``schema_fingerprint``."""
        content = Path(exec_properties["schema_file"]).read_bytes()
        return {"schema_fingerprint": hashlib.sha256(content).hexdigest()}
