"""Adds the place and the content of the file of items to CatalogueGen's cache key."""

from components.cache_driver import CacheDriver
from components.catalogue_gen.reader import find_items, items_fingerprint
from components.exec_properties import ExecProperties


class Driver(CacheDriver):
    """Finds the file of items when the step runs; the data may not be here earlier."""

    def added_properties(self, exec_properties: ExecProperties) -> dict[str, str]:
        """Returns ``items``, empty if there are none, and ``items_fingerprint``."""
        items = find_items(exec_properties)
        return {
            "items": items.name if items else "",
            "items_fingerprint": items_fingerprint(items),
        }
