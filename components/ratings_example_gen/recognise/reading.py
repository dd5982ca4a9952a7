"""How ratings are read: the part of a run's record that describes it."""

from dataclasses import dataclass

GIVEN, GUESSED = "given", "guessed"
NO_COLUMN = "no column"
WEIGHT = "the weight in events.types"


@dataclass(frozen=True)
class ColumnReading:
    """How the column of one meaning is read.

    Attributes:
        meaning: ``user_id``, ``item_id``, ``rating``, ``timestamp`` or ``event_type``.
        column: The column, by its header or its position; ``NO_COLUMN`` if a person
            declared that it must not be read; ``WEIGHT`` of ratings that are weights of
            events.
        origin: ``GIVEN`` by a person, or ``GUESSED``.
        written: A value as it is written; empty if none is known.
        read: The value that is read from it.
    """

    meaning: str
    column: str
    origin: str
    written: str
    read: str


@dataclass(frozen=True)
class SettingReading:
    """How one setting is chosen.

    Attributes:
        name: Name of the setting below ``data``, such as ``delimiter``.
        value: The value, for a person.
        origin: ``GIVEN`` by a person, or ``GUESSED``.
    """

    name: str
    value: str
    origin: str


@dataclass(frozen=True)
class Reading:
    """How ratings are read.

    Attributes:
        columns: The columns that are read, with an example of each.
        settings: How the text, its numbers and its times are written; only settings
            that affect these files.
        unused: Columns that are not read.
        empty: Files without content, which are left out.
        skipped: Lines above the tables, which are not read.
        warnings: Points for a person to check: duplicate files, columns that may have
            been overlooked, implausible times, settings without an effect.
    """

    columns: tuple[ColumnReading, ...]
    settings: tuple[SettingReading, ...]
    unused: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
