"""Item catalogues, as CatalogueGen writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trainer_modules import features as f


def write_catalogue(
    folder: Path,
    item_ids: Sequence[str],
    kinds: Mapping[str, f.Kind] | None = None,
    **lists: Sequence[Sequence[str | float]],
) -> str:
    """Writes items and the values of their features; returns the folder's path."""
    numeric = kinds or {}
    fields = [
        pa.field(name, pa.list_(pa.float32()), metadata=numeric[name].as_texts())
        if name in numeric
        else pa.field(name, pa.list_(pa.string()))
        for name in lists
    ]
    schema = pa.schema([pa.field(f.ITEM_ID, pa.string()), *fields])
    table = pa.table([list(item_ids), *lists.values()], schema)
    pq.write_table(table, folder / f.CATALOGUE_FILE)
    return str(folder)
