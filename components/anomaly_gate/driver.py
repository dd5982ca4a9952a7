"""Adds the content of the schema to ImportSchemaGen's cache key."""

from components import content_hash
from components.cache_driver import CacheDriver
from components.exec_properties import ExecProperties


class Driver(CacheDriver):
    """Makes ImportSchemaGen run again for an edited file: TFX compares the path."""

    def added_properties(self, exec_properties: ExecProperties) -> dict[str, str]:
        """Returns ``schema_fingerprint``."""
        path = exec_properties["schema_file"]
        return {"schema_fingerprint": content_hash.of_file(path)}
