"""Finds out whether there is data in an object store."""

from components.ratings_example_gen import files
from pipeline.datasets import lake_tables
from pipeline.datasets.errors import DatasetError


def existing(source: str) -> str:
    """Returns the address of an object or a folder, without a slash at its end.

    Raises:
        BadInputError: If the store cannot be read.
        DatasetError: If there is no such object, or this is the folder of a Delta
            table.
    """
    place = source.rstrip("/")
    if not files.has_objects(place):
        raise DatasetError(
            f"{place}: no such object, and no objects below it. Check the address."
        )
    if files.has_objects(f"{place}/{lake_tables.DELTA_LOG}"):
        raise lake_tables.delta_as_files(place)
    return place
