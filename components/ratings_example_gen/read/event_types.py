"""Converts a column to types of events."""

import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.events import Events
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.bad_rows import Faults
from components.ratings_example_gen.read.ids import to_strings
from components.ratings_example_gen.recognise.column_names import EVENT_TYPE

# Unknown types that are named; the codes of a block's faults are limited.
_MAX_NAMED = 20


def to_event_types(
    values: pa.Array, part: Part, faults: Faults, events: Events | None
) -> pa.Array:
    """Returns types as strings [N], ``""`` for null, without blanks around them.

    Args:
        values: [N] values of any type.
        part: The part they are from.
        faults: Gets the rows whose type is not configured.
        events: The configured types; None if any type is accepted.
    """
    types = pc.utf8_trim_whitespace(to_strings(values, EVENT_TYPE, part, faults))
    if events is None:
        return types
    is_known = pc.is_in(types, value_set=pa.array(list(events.weights), pa.string()))
    if pc.all(is_known).as_py() is False:
        unknown = pc.unique(types.filter(pc.invert(is_known))).to_pylist()
        for name in unknown[:_MAX_NAMED]:
            faults.add(
                pc.equal(types, name).to_numpy(False),
                input_errors.UNKNOWN_EVENT_TYPE,
                f"the event type {name!r} is not in events.types"
                if name
                else "the event type is empty",
            )
        faults.add(
            pc.invert(is_known).to_numpy(False),
            input_errors.UNKNOWN_EVENT_TYPE,
            "the event type is not in events.types",
        )
    return types
