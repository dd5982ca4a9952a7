"""Joins the items in the file of items with the rated items."""

from collections.abc import Set
from dataclasses import dataclass

import pyarrow as pa

from components.ratings_example_gen.side_files.summary import MAX_NAMED
from trainer_modules import features


@dataclass(frozen=True)
class Counts:
    """How the file of items and the ratings overlap.

    Attributes:
        items: Number of rows of the catalogue.
        items_without_features: Number of rated items that the file lacks.
        items_never_rated: Number of items in the file that were never rated.
        first_without: The first rated items that the file lacks.
    """

    items: int
    items_without_features: int
    items_never_rated: int
    first_without: tuple[str, ...] = ()


def join(items: pa.Table, rated: Set[str]) -> tuple[pa.Table, Counts]:
    """Returns every item once, sorted by ``item_id``, and the counts.

    Args:
        items: Items with distinct ids, as ``reader.read_items`` returns them.
        rated: Ids in the ratings. Those not in ``items`` get a null title and empty
            features.
    """
    known = set(items[features.ITEM_ID].to_pylist())
    unknown = sorted(rated - known)
    blank = {
        field.name: pa.nulls(len(unknown), field.type)
        if pa.types.is_string(field.type)
        else pa.array([[]] * len(unknown), field.type)
        for field in items.schema
    }
    blank[features.ITEM_ID] = pa.array(unknown, pa.string())
    table = pa.concat_tables([items, pa.table(blank, schema=items.schema)])
    counts = Counts(
        table.num_rows, len(unknown), len(known - rated), tuple(unknown[:MAX_NAMED])
    )
    return table.sort_by(features.ITEM_ID).combine_chunks(), counts
