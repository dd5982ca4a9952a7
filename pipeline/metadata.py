"""The ML Metadata store of a folder of runs, for whoever only asks it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # not everybody who names the file opens it
    from ml_metadata import MetadataStore

METADATA_FILE = "metadata.sqlite"


def open_metadata(path: Path) -> "MetadataStore":
    """Opens a store to read: it is neither made nor brought up to date.

    Raises:
      RuntimeError: there is none, or it is not one.
    """
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
    return MetadataStore(config)
