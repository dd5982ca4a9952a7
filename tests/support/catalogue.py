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
    fields = []
    for name in lists:
        kind = (kinds or {}).get(name)
        is_numeric = kind and kind.has_numbers
        values = pa.list_(pa.float32() if is_numeric else pa.string())
        fields.append(pa.field(name, values, metadata=kind and kind.as_texts()))
    schema = pa.schema([pa.field(f.ITEM_ID, pa.string()), *fields])
    table = pa.table([list(item_ids), *map(list, lists.values())], schema)
    pq.write_table(table, folder / f.CATALOGUE_FILE)
    return str(folder)
