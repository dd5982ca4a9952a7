"""Addresses of rows in a database: ``URL#TABLE`` or ``URL#QUERY``.

A Delta table is a folder, and named as that: ``delta://PATH`` is all of it.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath

from pipeline.datasets.errors import DatasetError

# The account of a server. Its client reads the environment, because settings are
# written to records, logs and the metadata store.
USER, PASSWORD = "MARQUEE_SOURCE_USER", "MARQUEE_SOURCE_PASSWORD"
# Scheme → kind of database.
_KINDS = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "bigquery": "bigquery",
    "delta": "delta",
    "delta+s3": "delta",
    "delta+gs": "delta",
}
SERVERS = ("postgresql", "mysql")  # databases that have accounts
FILES = ("sqlite", "duckdb")  # databases that are one file
_ADDRESS = re.compile(r"(?P<scheme>[\w+]+)://(?P<place>[^#]*)(?:#(?P<rows>.*))?", re.S)
_QUERY = re.compile(r"\(?\s*(SELECT|WITH)\s", re.I)
_SHOWN = 100  # longest query in a message, in characters


@dataclass(frozen=True)
class Address:
    """Rows of a database.

    Attributes:
        url: The database, without an account.
        kind: ``postgresql``, ``mysql``, ``sqlite``, ``duckdb``, ``delta`` or
            ``bigquery``.
        place: ``host:port/database``, perhaps with options, ``project/dataset``, the
            path of a file, or the path or URL of the folder of a Delta table.
        query: The query whose rows are read.
        table: The table that the query reads; empty if the query was given.
    """

    url: str
    kind: str
    place: str
    query: str
    table: str = ""

    def __str__(self) -> str:
        """Returns the address in one line."""
        if not self.query:
            return self.url
        rows = self.table or " ".join(self.query.split())
        shown = rows if len(rows) <= _SHOWN else f"{rows[: _SHOWN - 2]} …"
        return f"{self.url}#{shown}"


def is_database(source: str | None) -> bool:
    """Returns whether a source is in a database."""
    scheme, separator, _ = (source or "").partition("://")
    return bool(separator) and scheme.lower() in _KINDS


def parse(text: str) -> Address:
    """Returns the address of a table or a query.

    The query is empty if neither is named.

    Raises:
        DatasetError: If the address contains an account.
    """
    match = _ADDRESS.fullmatch(text.strip())
    assert match  # is_database
    scheme, place = match["scheme"], match["place"]
    kind = _KINDS[scheme.lower()]
    if kind in SERVERS and "@" in place.partition("?")[0]:
        raise DatasetError(
            f"{scheme}://{place.partition('@')[2]}: the address of a database must not "
            "contain an account, because it is written to records and logs. Leave it "
            f"out, and set the environment variables {USER} and {PASSWORD}."
        )
    rows = (match["rows"] or "").strip().rstrip(";").rstrip()
    if kind == "delta":
        store = scheme.lower().removeprefix("delta").removeprefix("+")
        place = f"{store}://{place}" if store else place
        rows = rows or _quoted(delta_table(place))
    is_query = bool(_QUERY.match(rows))
    query = rows if is_query or not rows else f"SELECT * FROM {rows}"
    url, table = f"{scheme}://{match['place']}", "" if is_query else rows
    return Address(url, kind, place, query, table)


def delta_table(place: str) -> str:
    """Returns the name of a Delta table in queries, that of its folder."""
    return PurePath(place.partition("?")[0]).name


def _quoted(name: str) -> str:
    return name if name.isidentifier() else '"' + name.replace('"', '""') + '"'
