"""The artifact type that CatalogueGen outputs."""

from tfx.types import artifact


class Catalogue(artifact.Artifact):
    """A folder with ``catalogue.parquet``, one row per item, sorted by ``item_id``.

    Custom properties: ``items``, ``items_without_features`` (rated, but not in the file
    of items), ``items_never_rated`` and ``items_first_rated_in_test``; training must
    not use the latter, not even their number. Read it with ``read_catalogue``.
    """

    TYPE_NAME = "marquee.Catalogue"  # the form of a title that Vertex AI requires
