"""Opens, checks, backs up and restores the ML Metadata store of a folder of runs."""

import contextlib
import datetime
import os
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from components import durable_files
from components.artifact_place import place_of
from components.live_models import versions
from pipeline import exit_codes

if TYPE_CHECKING:  # many importers only name the file
    from ml_metadata import MetadataStore

METADATA_FILE = "metadata.sqlite"
ARTIFACTS = "artifacts"
BACKUP_FILE = "metadata.before-last-run.sqlite"
_HAS_ARTIFACTS = "SELECT 1 FROM sqlite_master WHERE name = 'Artifact'"
_HAS_EXECUTIONS = "SELECT 1 FROM sqlite_master WHERE name = 'Execution'"
_RELOCATE = "UPDATE Artifact SET uri = relocated(uri) WHERE substr(uri, 1, ?) != ?"
# SQLite counts rows of AUTOINCREMENT tables here.
_LAST_EXECUTION = "SELECT seq FROM sqlite_sequence WHERE name = 'Execution'"
_FIRST_EXECUTION = "INSERT INTO sqlite_sequence (name, seq) VALUES ('Execution', ?)"
_SKIP_EXECUTIONS = "UPDATE sqlite_sequence SET seq = ? WHERE name = 'Execution'"
# Endings of the files that SQLite keeps beside a database in write-ahead mode.
_BESIDE = ("-wal", "-shm")


# The store of Kubeflow's runs, as mysql://host:port/database, with its account.
DATABASE_VARIABLE = "MARQUEE_METADATA"
USER_VARIABLE, PASSWORD_VARIABLE = "MYSQL_USER", "MYSQL_PASSWORD"  # as steps have
_DATABASE = re.compile(
    r"mysql://(?P<host>[^\s/:@]+)(:(?P<port>\d{1,5}))?/(?P<name>\w+)"
)


class MetadataError(RuntimeError):
    """The metadata store cannot be used."""


def open_metadata(path: Path) -> "MetadataStore":
    """Opens a store for reading; it is neither created nor upgraded.

    Raises:
        RuntimeError: If the file does not exist, or is not a store.
    """
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    log = path.with_name(f"{path.name}-wal")
    if not os.access(path.parent, os.W_OK) and not log.exists():
        # Even for reading, SQLite creates files beside a database in write-ahead mode,
        # unless it is declared immutable.
        config.sqlite.filename_uri = f"{path.absolute().as_uri()}?immutable=1"
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READONLY
    return MetadataStore(config)


def database() -> str | None:
    """Returns the address of the store of Kubeflow's runs; None if it is not named."""
    return os.environ.get(DATABASE_VARIABLE) or None


def open_database(address: str) -> "MetadataStore":
    """Opens the store of Kubeflow's runs, on MySQL or MariaDB.

    Raises:
        RuntimeError: If the address is not one, or no store is there.
    """
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    parts = _DATABASE.fullmatch(address)
    if parts is None:
        raise RuntimeError(
            f"{DATABASE_VARIABLE} is {address!r}: expected mysql://host:port/database. "
            f"The account is in {USER_VARIABLE} and {PASSWORD_VARIABLE}"
        )
    config = mlmd.ConnectionConfig()
    mysql = config.mysql
    mysql.host, mysql.port = parts["host"], int(parts["port"] or 3306)
    mysql.database = parts["name"]
    mysql.user = os.environ.get(USER_VARIABLE, "")
    mysql.password = os.environ.get(PASSWORD_VARIABLE, "")
    mysql.skip_db_creation = True
    return MetadataStore(config)


def artifact_folder(out: Path, uri: str) -> Path:
    """Returns the folder of an artifact; the folder of runs may have been moved."""
    return out / ARTIFACTS / place_of(uri)


def prepare(out: Path) -> Path | None:
    """Prepares the store for a run: checks it, backs it up, and lets others read it.

    If the folder was moved or copied since the last run, the artifacts get their new
    paths, in one transaction.

    Places of artifacts never repeat: a store that is new, or was restored, continues
    to count after every number that the folder's artifacts and live versions have.

    The copy holds what earlier runs recorded; it is made only of an intact store, so
    that the last good copy is never overwritten. Write-ahead logging lets others read
    while the run writes, and loses nothing if the run is killed.

    Returns:
        Where the folder was at the last run; None if it was here.

    Raises:
        MetadataError: If the store is damaged, or locked by another process.
    """
    path = out / METADATA_FILE
    exists = path.exists()
    try:
        with contextlib.closing(sqlite3.connect(path)) as store:
            _check(store)
            store.execute("PRAGMA journal_mode=WAL")
            if exists:
                _copy(store, out / BACKUP_FILE)
            moved_from = _relocate(store, out.absolute())
        if used := _highest_number(out):
            _count_on(path, used)
        return moved_from
    except sqlite3.Error as error:
        raise MetadataError(f"{path}: {error}. {_what_to_do(out, error)}") from error


def _relocate(store: sqlite3.Connection, out: Path) -> Path | None:
    """Updates the paths of the artifacts of a moved folder; see ``prepare``."""
    if not store.execute(_HAS_ARTIFACTS).fetchone():
        return None
    here = f"{out / ARTIFACTS}/"
    moved_from = None

    def relocated(uri: str) -> str:
        nonlocal moved_from
        root = Path(uri.removesuffix(place_of(uri)))
        if "://" in uri or root.name != ARTIFACTS or _is_same(root, here):
            return uri
        moved_from = root.parent
        return f"{here}{place_of(uri)}"

    store.create_function("relocated", 1, relocated)
    with store:
        store.execute(_RELOCATE, [len(here), here])
    return moved_from


def _highest_number(out: Path) -> int:
    """Returns the highest execution that a place in the folder is named after."""
    places = [folder.name for folder in (out / ARTIFACTS).glob("*/*/*")]
    for number in versions.numbers(live := out / "live"):
        # A version that cannot be read is reported when it is needed.
        with contextlib.suppress(versions.VersionError):
            places.append(Path(versions.read(live / str(number)).origin).name)
    return max((int(place) for place in places if place.isdecimal()), default=0)


def _count_on(path: Path, used: int) -> None:
    """Makes the numbers of new executions start after those in use."""
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    with contextlib.closing(sqlite3.connect(path)) as store:
        if not store.execute(_HAS_EXECUTIONS).fetchone():
            config = mlmd.ConnectionConfig()
            config.sqlite.filename_uri = str(path)
            MetadataStore(config)  # creates the tables
        with store:
            sequence = store.execute(_LAST_EXECUTION).fetchone()
            if sequence is None:
                store.execute(_FIRST_EXECUTION, [used])
            elif sequence[0] < used:
                store.execute(_SKIP_EXECUTIONS, [used])


def _is_same(folder: Path, other: str) -> bool:
    """Returns whether two paths lead to the same folder, as through a symbolic link."""
    try:
        return folder.samefile(other)
    except OSError:
        return False


def restore(out: Path) -> Path | None:
    """Replaces the store with its copy.

    The copy lacks what the last run recorded: its steps run again, and a version that
    it pushed stays live, with a shorter lineage.

    Returns:
        Where the previous store was moved to; None if there was none.

    Raises:
        MetadataError: If there is no copy, or it is damaged too.
    """
    path, copy = out / METADATA_FILE, out / BACKUP_FILE
    if not copy.is_file():
        raise MetadataError(
            f"there is no {copy} to restore: it is made when a second run starts. "
            f"Without {path.name}, all steps run again; to start over, move it away."
        )
    try:
        with contextlib.closing(sqlite3.connect(copy)) as store:
            _check(store)
            now = datetime.datetime.now(datetime.UTC)
            damaged = path.with_name(f"metadata.{now:%Y%m%d-%H%M%S}.sqlite")
            kept = None
            if path.exists():
                path.rename(damaged)
                kept = damaged
            for ending in _BESIDE:
                # The log of one database must not end up beside another.
                with contextlib.suppress(FileNotFoundError):
                    os.rename(f"{path}{ending}", f"{damaged}{ending}")
            _copy(store, path)
    except sqlite3.Error as error:
        raise MetadataError(f"{copy}: {error}; it is damaged too") from error
    return kept


def _check(store: sqlite3.Connection) -> None:
    """Raises ``sqlite3.Error`` if the pages of a database are inconsistent."""
    [[found]] = store.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _copy(store: sqlite3.Connection, path: Path) -> None:
    """Writes a copy atomically."""
    with (
        durable_files.replacing(path) as unfinished,
        contextlib.closing(sqlite3.connect(unfinished)) as copy,
    ):
        store.backup(copy)


def _what_to_do(out: Path, error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return "End the process that has it open, or wait for it."
    if "full" in str(error):
        return exit_codes.MAKE_ROOM
    return (
        f"'marquee doctor --restore --out {out}' restores it as it was before the last "
        "run, if there is a copy."
    )
