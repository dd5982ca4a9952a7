"""The artifact type that CatalogueGen makes."""

from tfx.types import artifact


class Catalogue(artifact.Artifact):
    """A folder with ``catalogue.parquet``, one row per item, sorted by ``item_id``.

    Custom properties: ``items``, ``items_without_features`` (rated, but not in the
    items file) and ``items_never_rated``. Read it with ``read_catalogue``.
    """

    TYPE_NAME = "marquee.Catalogue"  # as Vertex AI wants titles
