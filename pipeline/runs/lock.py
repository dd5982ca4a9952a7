"""One run at a time in an output folder.

The lock is the kernel's, on an open file: it is released as soon as its holder ends, in
any way, so that no lock is ever stale. The content of the file only identifies the
present or the last holder.
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
_MULTIPROCESSING = "pymp-"  # its folder, which it removes at exit and may not miss


class BusyError(RuntimeError):
    """Another process is using the output folder."""


class Holder(msgspec.Struct, frozen=True):
    """The holder of a lock, or the last one.

    Attributes:
        process: Process ID.
        host: Name of the machine that the process runs on.
        since: When it took the lock, ISO 8601 in UTC.
        run: ID of its run; empty if it has none yet.
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
    """Starts a run in an output folder, and keeps other runs out until it ends.

    Yields:
        The run's ID, and the path of its log in the run's folder.

    Raises:
        BusyError: If another run is in progress; nothing was written.
        ConfigError: If the folder is not writable, or Beam cannot run here.
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
        path: File of the lock; its folder is created if it is missing.
        what: What uses the folder while the lock is held, for the error message.

    Raises:
        BusyError: If another process holds the lock.
        ConfigError: If the folder is not writable.
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
    """Returns the holder of a run in progress in an output folder; None without one."""
    path = out / LOCK_FILE
    holder = read(path)  # first: trying the lock empties the file
    if holder is None:
        return None
    try:
        with _lock(path):
            return None
    except Timeout:
        return holder


def read(path: Path) -> Holder | None:
    """Returns the present or last holder of a lock; None if there is no record."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError, RecursionError):
        return None


def _lock(path: Path) -> FileLock:
    # No fallback to a lock that is a mere file, which would outlive its maker.
    return FileLock(path, blocking=False, fallback_to_soft=False)


def _tell(path: Path, run_id: str = "") -> None:
    """Writes the holder of the lock to its file, while the lock is held."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    holder = Holder(os.getpid(), socket.gethostname(), now, run_id)
    path.write_bytes(msgspec.json.encode(holder))


def _new_run(out: Path) -> tuple[str, Path]:
    """Creates the folder of a run that starts now, while the lock is held."""
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
    """Keeps temporary files of this process and its children in the output folder.

    A killed run removes nothing. In the system's folder, the temporary files of Beam
    and of the checks look like those of other programs; here, `marquee clean` can
    remove them. Any other run removes what it left: workers end without removing the
    files of TensorFlow's AutoGraph.
    """
    folder = (out / TEMPORARY_FOLDER).absolute()
    with _written_to(out):
        folder.mkdir(exist_ok=True)
    of_killed_runs = set(folder.iterdir())
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    try:
        yield
    finally:
        for path in set(folder.iterdir()) - of_killed_runs:
            if path.name.startswith(_MULTIPROCESSING):
                continue
            with contextlib.suppress(OSError):  # `marquee clean` reports the problem
                durable_files.remove(path)
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        tempfile.tempdir = None


def check_semaphores() -> None:
    """Creates a semaphore, as Beam does, which is impossible without ``/dev/shm``.

    Raises:
        ConfigError: If it cannot be created.
    """
    try:
        multiprocessing.Lock()
    except OSError as error:
        message = (
            f"cannot create a semaphore ({error.strerror}), which Beam needs; mount a "
            "tmpfs at /dev/shm"
        )
        raise ConfigError(None, None, None, message) from error


@contextlib.contextmanager
def _written_to(out: Path) -> Iterator[None]:
    """Raises ``ConfigError`` if a folder is not writable."""
    try:
        yield
    except Timeout:  # an OSError too
        raise
    except OSError as error:
        message = (
            f"cannot write to {out}: {error.strerror}; name another folder with --out"
        )
        raise ConfigError(None, None, "out", message) from error
