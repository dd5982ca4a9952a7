"""The artifact type that CatalogueGen makes."""

from tfx.types import artifact


class Catalogue(artifact.Artifact):
    """A folder with ``catalogue.parquet``, one row per item, sorted by ``item_id``.

    Custom properties: ``items``, ``items_without_features`` (rated, but not in the
    items file), ``items_never_rated`` and ``items_first_rated_in_test``, of which
    training must know nothing, not even how many they are. Read it with
    ``read_catalogue``.
    """

    TYPE_NAME = "marquee.Catalogue"  # as Vertex AI wants titles
