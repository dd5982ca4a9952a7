"""Recognises folders of Delta and Iceberg tables, which must not be read as files.

Such a folder also has the files of rows that were deleted or replaced.
"""

from pathlib import Path

from pipeline.datasets.errors import DatasetError

DELTA_LOG = "_delta_log"


def check_folder(folder: Path) -> None:
    """Checks that a folder of this machine is not that of a table.

    Raises:
        DatasetError: If it is.
    """
    if (folder / DELTA_LOG).is_dir():
        raise delta_as_files(str(folder))
    if any(folder.glob("metadata/*.metadata.json")):
        raise DatasetError(
            f"{folder}: this is an Iceberg table, which Marquee does not read. Export "
            "its rows to Parquet, and name the folder of these files."
        )


def delta_as_files(place: str) -> DatasetError:
    """Returns the error for the folder of a Delta table, named as one of files."""
    address = f"delta+{place}" if "://" in place else f"delta://{place}"
    return DatasetError(
        f"{place}: this is a Delta table, whose files also have rows that were deleted "
        f"or replaced. Name it as a table: {address}"
    )
