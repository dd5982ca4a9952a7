"""Where a study is stored, and the locks of the processes that share it.

A lock is released when its process dies: by the kernel for a study in a file, and by
the server for a study in a database, where a lock belongs to a connection.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

# The account of the database. Its client reads the environment, because settings are
# written to records, logs and manifests.
USER, PASSWORD = "MARQUEE_STUDIES_USER", "MARQUEE_STUDIES_PASSWORD"
# The server ends a connection that is idle for as long as this, and releases its locks:
# those of a process whose machine was lost. A living process sends something sooner.
_IDLE_SECONDS, _PING_SECONDS = 300, 60


class StorageError(RuntimeError):
    """A database or a journal that cannot be used."""


class Storage(Protocol):
    """Where a study is stored.

    Attributes:
        study_name: Name of the study among those that are stored there.
        trials: Optuna's storage of the trials.
    """

    study_name: str
    trials: BaseStorage

    def turn(self) -> contextlib.AbstractContextManager[Any]:
        """Waits until no other process has its turn; then this one has it."""

    def hold(self, number: int) -> None:
        """Takes the lock of a trial that this process starts; within a turn."""

    def release(self, number: int) -> None:
        """Releases the lock of a trial."""

    def is_held(self, number: int) -> bool:
        """Returns whether the process of a trial is alive; within a turn."""


class _Journal(JournalFileBackend):
    """Optuna's journal; a line that was written in part does not remain in it.

    A process that is killed, or a disk that is full, leaves the beginning of a line.
    Optuna cannot read a journal with such a line before others.
    """

    def __init__(self, journal: Path, lock: FileLock):
        super().__init__(str(journal), lock)  # type: ignore[arg-type]
        self._journal, self._own_lock = journal, lock

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends lines after the last complete one."""
        with self._own_lock, self._journal.open("rb+") as file:
            content = file.read()
            if not content.endswith(b"\n"):
                file.truncate(content.rfind(b"\n") + 1)
            super().append_logs(logs)  # within the lock, which can be taken twice


class FileStorage:
    """Optuna's journal, with a file beside it for each lock."""

    study_name = "study"

    def __init__(self, journal: Path):
        """Opens the journal; if there is none, it is created.

        Raises:
            StorageError: If the journal cannot be read.
        """
        journal.parent.mkdir(parents=True, exist_ok=True)
        self._journal = journal
        self._turn = FileLock(journal.with_suffix(".turn"))
        self._held: dict[int, FileLock] = {}
        # Optuna's own lock of the file would outlive a process by 30 seconds.
        lock = FileLock(journal.with_suffix(".lock"))
        try:
            self.trials: BaseStorage = JournalStorage(_Journal(journal, lock))
        except ValueError as error:
            raise StorageError(
                f"{journal} is damaged: {error}. Restore it from a backup, or remove "
                "it; the study then starts again."
            ) from error

    def turn(self) -> contextlib.AbstractContextManager[Any]:
        """See ``Storage``."""
        return self._turn

    def hold(self, number: int) -> None:
        """See ``Storage``."""
        self._held[number] = self._lock_of(number)
        self._held[number].acquire()

    def release(self, number: int) -> None:
        """See ``Storage``."""
        lock = self._held.pop(number)
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()

    def is_held(self, number: int) -> bool:
        """See ``Storage``."""
        lock = self._lock_of(number)
        try:
            with lock.acquire(timeout=0):
                Path(lock.lock_file).unlink(missing_ok=True)
        except Timeout:
            return True
        return False

    def _lock_of(self, number: int) -> FileLock:
        return FileLock(self._journal.with_suffix(f".trial{number}"))


@dataclass(frozen=True)
class _Dialect:
    """What databases spell differently.

    Attributes:
        driver: SQLAlchemy's name of the database and its client.
        limit_idle: Limits the seconds for which the connection may be idle.
        wait: Waits for a lock.
        take: Takes a lock that is free, and returns whether it was.
        free: Releases a lock.
    """

    driver: str
    limit_idle: str
    wait: str
    take: str
    free: str


_DIALECTS = {
    "mysql": _Dialect(
        driver="mysql+pymysql",
        limit_idle=f"SET SESSION wait_timeout = {_IDLE_SECONDS}",
        wait="SELECT GET_LOCK(:name, 31536000)",  # a year; MariaDB has no "forever"
        take="SELECT GET_LOCK(:name, 0)",
        free="SELECT RELEASE_LOCK(:name)",
    ),
    "postgresql": _Dialect(
        driver="postgresql+pg8000",
        limit_idle=f"SET idle_session_timeout = '{_IDLE_SECONDS}s'",
        wait="SELECT pg_advisory_lock(hashtextextended(:name, 0))",
        take="SELECT pg_try_advisory_lock(hashtextextended(:name, 0))",
        free="SELECT pg_advisory_unlock(hashtextextended(:name, 0))",
    ),
}


class SqlStorage:
    """Tables of Optuna in a database, whose locks are held by one connection."""

    def __init__(self, url: str, study_name: str):
        """Connects to the database, and creates the tables if there are none.

        Args:
            url: ``mysql://host:port/database``, or the same of ``postgresql``. The
                account is read from the environment.
            study_name: Name of the study in the database.

        Raises:
            StorageError: If the database cannot be used.
        """
        self.study_name = study_name
        self._place = sqlalchemy.make_url(url)
        if self._place.drivername not in _DIALECTS:
            raise StorageError(
                f"tuner.storage: {self._place.drivername} is not supported; choose "
                f"from {', '.join(_DIALECTS)}"
            )
        if not os.environ.get(USER):
            raise StorageError(
                f"tuner.storage: the account of {self._place} is missing; set the "
                f"environment variables {USER} and {PASSWORD}"
            )
        self._dialect = _DIALECTS[self._place.drivername]
        # Beside the URL, so that no message of a library can contain the password.
        account = {
            "user": os.environ[USER],
            "password": os.environ.get(PASSWORD, ""),
        }
        address = self._place.set(drivername=self._dialect.driver)
        self._one_at_a_time = threading.Lock()  # the connection is not thread-safe
        self._ended: dict[int, threading.Event] = {}
        with self._one_line_errors():
            engine = sqlalchemy.create_engine(
                address,
                connect_args=account,
                isolation_level="AUTOCOMMIT",
                poolclass=sqlalchemy.pool.NullPool,
                pool_reset_on_return=None,  # it has no transactions
            )
            self._connection = engine.connect()
            self._connection.exec_driver_sql(self._dialect.limit_idle)
            with self._lock("tables"):  # which two processes must not create at once
                self.trials: BaseStorage = RDBStorage(
                    str(address),
                    # The trials' connections are idle for as long as an epoch takes.
                    {"connect_args": account, "pool_pre_ping": True},
                )

    def turn(self) -> contextlib.AbstractContextManager[Any]:
        """See ``Storage``."""
        return self._lock(f"{self.study_name} turn")

    def hold(self, number: int) -> None:
        """See ``Storage``."""
        self._query(self._dialect.wait, self._name_of(number))
        ended = self._ended[number] = threading.Event()
        threading.Thread(target=self._ping_until, args=(ended,), daemon=True).start()

    def release(self, number: int) -> None:
        """See ``Storage``."""
        self._ended.pop(number).set()
        self._query(self._dialect.free, self._name_of(number))

    def is_held(self, number: int) -> bool:
        """See ``Storage``."""
        name = self._name_of(number)
        if not self._query(self._dialect.take, name):
            return True
        self._query(self._dialect.free, name)
        return False

    def _name_of(self, number: int) -> str:
        return f"{self.study_name} trial {number}"

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        self._query(self._dialect.wait, name)
        try:
            yield
        finally:
            self._query(self._dialect.free, name)

    def _query(self, statement: str, name: str) -> Any:
        """Runs a statement with the name of a lock, and returns its value."""
        # MySQL's locks are those of the server, with names of at most 64 characters.
        digest = hashlib.sha256(f"{self._place.database} {name}".encode()).hexdigest()
        with self._one_at_a_time, self._one_line_errors():
            query = sqlalchemy.text(statement)
            return self._connection.execute(query, {"name": digest}).scalar()

    def _ping_until(self, ended: threading.Event) -> None:
        # A connection that was lost is reported by the next query for a lock.
        with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):
            while not ended.wait(_PING_SECONDS):
                with self._one_at_a_time:
                    self._connection.exec_driver_sql("SELECT 1")

    @contextlib.contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlalchemy.exc.SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            detail = reason.args[-1] if reason.args else reason
            if isinstance(detail, dict):  # PostgreSQL's fields; M is the message
                detail = detail.get("M", detail)
            line = " ".join(str(detail).split())
            raise StorageError(f"tuner.storage: {self._place}: {line}") from None
