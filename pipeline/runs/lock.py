"""One run at a time in an output folder.

The lock is the kernel's, on an open file: it is free as soon as its holder is gone, by
whatever death, so that none is ever stale. What stands in the file only tells who the
holder is, or was.
"""

import contextlib
import datetime
import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from components import durable_files
from pipeline.config.errors import ConfigError

LOCK_FILE = "run.lock"
TEMPORARY_FOLDER = "tmp"


class BusyError(RuntimeError):
    """Another process is at work in the output folder."""


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock, or held it last.

    Attributes:
        process: Its id.
        host: Where that process is.
        since: When it began, ISO 8601 in UTC.
        run: The id of its run; empty where it has none yet.
    """

    process: int
    host: str
    since: str
    run: str = ""

    def __str__(self) -> str:
        run = f"run {self.run}, " if self.run else ""
        return f"{run}process {self.process} on {self.host}, since {self.since}"


@contextlib.contextmanager
def one_run(out: Path) -> Iterator[tuple[str, Path]]:
    """Begins a run in an output folder, where no other is then until it ends.

    Yields:
        The run's id, and the path of its log in a folder of its own.

    Raises:
        BusyError: Another run is at work; nothing was made.
        ConfigError: The folder cannot be written to, or Beam cannot work here.
    """
    check_semaphores()
    with held(out / LOCK_FILE, "run"):
        run_id, folder = _new_run(out)
        _tell(out / LOCK_FILE, run_id)
        with _temporary_files(out):
            yield run_id, folder / "run.log"


@contextlib.contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Holds a lock in an output folder.

    Args:
        path: The lock's file; the folder is made where it is missing.
        what: Works in the folder while this is held, for the words to who is refused.

    Raises:
        BusyError: Another process holds it.
        ConfigError: The folder cannot be written to.
    """
    out = path.parent
    try:
        with _written_to(out):
            out.mkdir(parents=True, exist_ok=True)
            lock = _lock(path).acquire()
    except Timeout:
        holder = read(path)
        who = f" ({holder})" if holder else ""
        raise BusyError(
            f"another {what}{who} is working in {out}; wait for it, or name another "
            "--out"
        ) from None
    with lock:
        _tell(path)
        yield


def working(out: Path) -> Holder | None:
    """The run that is at work in an output folder; None where there is none."""
    path = out / LOCK_FILE
    holder = read(path)  # before the lock is tried, which empties the file
    if holder is None:
        return None
    try:
        with _lock(path):
            return None
    except Timeout:
        return holder


def read(path: Path) -> Holder | None:
    """Who holds a lock, or held it last; None where nobody has said so."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError, RecursionError):
        return None


def _lock(path: Path) -> FileLock:
    # Without the kernel's lock there is none: a file that merely exists outlives its
    # maker.
    return FileLock(path, blocking=False, fallback_to_soft=False)


def _tell(path: Path, run_id: str = "") -> None:
    """Writes who holds the lock, while it is held."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    holder = Holder(os.getpid(), socket.gethostname(), now, run_id)
    path.write_bytes(msgspec.json.encode(holder))


def _new_run(out: Path) -> tuple[str, Path]:
    """Makes the folder of a run that starts now, while the lock is held."""
    while True:
        run_id = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        folder = out / "runs" / run_id
        if not folder.exists():
            with _written_to(out):
                folder.mkdir(parents=True)
            return run_id, folder
        time.sleep(0.1)  # two runs in one second


@contextlib.contextmanager
def _temporary_files(out: Path) -> Iterator[None]:
    """Keeps temporary files in the folder, of this process and of those it starts.

    A killed run removes nothing. Where Beam and the checks leave theirs among those of
    everybody, nobody can tell whose they were; here `marquee clean` knows. A run that
    is stopped in the middle of a step removes what that step left.
    """
    folder = (out / TEMPORARY_FOLDER).absolute()
    with _written_to(out):
        folder.mkdir(exist_ok=True)
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    try:
        yield
    except BaseException:
        for path in folder.iterdir():
            with contextlib.suppress(OSError):  # `marquee clean` says what is wrong
                durable_files.remove(path)
        raise
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        tempfile.tempdir = None


def check_semaphores() -> None:
    """Makes a semaphore, as Beam does, which cannot be where ``/dev/shm`` is missing.

    Raises:
        ConfigError: It cannot be made; says what to do.
    """
    try:
        multiprocessing.Lock()
    except OSError as error:
        message = (
            f"no semaphore can be made ({error.strerror}), which Beam needs; mount a "
            "tmpfs at /dev/shm"
        )
        raise ConfigError(None, None, None, message) from error


@contextlib.contextmanager
def _written_to(out: Path) -> Iterator[None]:
    """Says so if a folder cannot be written to."""
    try:
        yield
    except Timeout:  # an OSError too
        raise
    except OSError as error:
        message = (
            f"cannot write to {out}: {error.strerror}; name another folder with --out"
        )
        raise ConfigError(None, None, "out", message) from error
