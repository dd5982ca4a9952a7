"""Warns of times that are implausible in their guessed unit."""

from collections.abc import Iterator, Sequence

from components.ratings_example_gen.dialect import UNITS, Dialect
from components.ratings_example_gen.read.times import MAX_TIME, MIN_TIME, shown_time
from components.ratings_example_gen.recognise import guess
from components.ratings_example_gen.recognise.column_names import TIMESTAMP
from components.ratings_example_gen.recognise.numbers_and_times import UNIT_NAMES
from components.ratings_example_gen.recognise.ratings_table import Table


def warnings(tables: Sequence[Table], declared: Dialect) -> Iterator[str]:
    """Yields a warning if most numbers of a table are not times from 1990 to 2100.

    They may be counts (1, 2, 3), days, or seconds since a year other than 1970. Numbers
    that are certainly not seconds are refused elsewhere; these may be right.
    """
    if declared.timestamp_unit:
        return
    for table in tables:
        dialect = table.part.dialect
        if "times" not in table.shows or dialect.timestamp_format:
            return
        unit = dialect.timestamp_unit or "s"
        odd = guess.implausible_time(table.texts(TIMESTAMP), unit)
        seconds = float(odd or 0) // UNITS[unit]
        # The reader rejects times outside the calendar as bad rows.
        if odd is not None and MIN_TIME <= seconds <= MAX_TIME:
            yield (
                f"Times such as {odd!r} are read as {UNIT_NAMES[unit]} since 1970, "
                f"which is {shown_time(seconds)}. If they count "
                "something else, write them as ISO 8601 or in seconds. If they are "
                f"right, set data.timestamp_unit={unit}. A run accepts times from 1990 "
                "to 2100 unless schema.path names a schema that allows others."
            )
            return
