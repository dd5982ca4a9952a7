"""The record of what was read from a database."""

import msgspec

from components.wording import counted


class Snapshot(msgspec.Struct, frozen=True):
    """What was read from a database.

    Attributes:
        source: The database and its table or query, without an account.
        query: The query.
        rows: Number of rows.
        columns: Name of each column → its type.
        at: Time of the query, ISO 8601 in UTC.
        version: Version of a Delta table; None for other databases.
    """

    source: str
    query: str
    rows: int
    columns: dict[str, str]
    at: str
    version: int | None = None

    def __str__(self) -> str:
        """Returns what was read, for a person."""
        version = "" if self.version is None else f", version {self.version}"
        return f"{counted(self.rows, 'row')} of {self.source}{version}, read {self.at}"
