"""Item catalogues, as CatalogueGen writes them."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trainer_modules import features as f


def write_catalogue(
    folder: Path, item_ids: Sequence[str], **lists: Sequence[Sequence[str]]
) -> str:
    """Writes items and the values of their features; returns the folder's path."""
    columns = {f.ITEM_ID: pa.array(item_ids, pa.string())} | {
        name: pa.array(values, pa.list_(pa.string())) for name, values in lists.items()
    }
    pq.write_table(pa.table(columns), folder / f.CATALOGUE_FILE)
    return str(folder)
