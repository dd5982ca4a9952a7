"""Converts rows of side features to strings; the first column holds the ids."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen.input_errors import BadInputError, Problem
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.bad_rows import (
    Faults,
    name_faults,
    naming_type,
)
from components.ratings_example_gen.read.ids import to_ids, to_strings
from components.ratings_example_gen.read.rows import Rows


def to_text(part: Part, rows: Rows) -> dict[str, pa.Array]:
    """Returns columns of side features as strings or lists of strings, null as "".

    Raises:
        BadInputError: If a row has the wrong number of fields, no id, or bytes that are
            not text.
    """
    faults = Faults(len(next(iter(rows.columns.values()))))
    id_column = part.columns[0][0]
    columns = {}
    for name, values in rows.columns.items():
        convert = to_ids if name == id_column else to_strings
        if pa.types.is_list(values.type) and name != id_column:
            convert = _to_lists
        with naming_type(part, name, values):
            columns[name] = convert(values, name, part, faults)
    bad = name_faults(rows, faults)
    if bad:
        raise BadInputError(
            [Problem(part.name, *problem) for problem in bad],
            advice="Correct these rows: side features are never left out silently.",
        )
    return columns


def _to_lists(values: pa.Array, name: str, part: Part, faults: Faults) -> pa.Array:
    """Returns lists of strings [N]; null becomes an empty list."""
    flat = Faults(len(values.flatten()))
    strings = to_strings(values.flatten(), name, part, flat)
    if flat.any:
        rows = pc.list_parent_indices(values).to_numpy()[flat.rows]
        [(kind, reason), *_] = flat.kinds_and_reasons()
        faults.add(np.isin(np.arange(len(values)), rows), kind, reason)
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(False)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(ends, strings)
