"""The files of checkpoints: written in the background, read if they are intact."""

import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules.disk_arrays import joined

KEPT = 2  # checkpoints of a fit: if the last one is damaged, the one before is used
READ_BYTES = 1 << 24  # of a file at once
SHARED_SECONDS = 60.0  # until a worker sees what another one has written
MADE_FOR = "made_for.json"  # what the training was, for who finds the files

Array = npt.NDArray[Any]

progress_log = logging.getLogger("marquee.progress")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What a fit needs to go on.

    Attributes:
        steps_done: Number of steps so far; that of all epochs if the fit has ended.
        variables: Values of all variables.
        best_weights: The weights of the best epoch; empty if none has ended.
        state: The rest, in JSON's types.
    """

    steps_done: int
    variables: Sequence[Array]
    best_weights: Sequence[Array]
    state: dict[str, Any]


class CheckpointFiles:
    """The checkpoints of one fit: files with an ``.npz`` and its SHA-256."""

    def __init__(
        self,
        folder: str,
        fit: int,
        made_for: str,
        writes: bool = True,
        parts: Sequence[str] = ("",),
        replaces: Sequence[str] = (),
    ):
        """Takes a folder, which may be in an object store, and need not exist yet.

        Args:
            folder: Where the checkpoints are.
            fit: Number of the fit within its step.
            made_for: What the training was, in JSON.
            writes: Whether ``write`` does anything.
            parts: Ends of the names of the files that a checkpoint consists of, the one
                that is read and written here first.
            replaces: Folders of other trainings, which are removed once there is a
                checkpoint of this one.
        """
        self.writes, self.parts, self.replaces = writes, parts, replaces
        self.folder, self.fit, self.made_for = folder, fit, made_for
        self._writing: threading.Thread | None = None

    def newest(self) -> Checkpoint | None:
        """Returns the newest intact checkpoint; damaged ones are reported and removed.

        Returns:
            The checkpoint; None if there is none.
        """
        for name in reversed(self._names()):
            path = f"{self.folder}/{name}"
            others = [path.removesuffix(self.parts[0]) + end for end in self.parts[1:]]
            checkpoint = _read(path) if all(map(_is_intact_at, others)) else None
            if checkpoint:
                return checkpoint
            progress_log.warning(
                "the checkpoint %s is damaged, and not used; the training goes on from "
                "the one before, or from its beginning",
                path,
            )
            for part in (path, *others):  # or parts of it would seem to be the newest
                if tf.io.gfile.exists(part):
                    tf.io.gfile.remove(part)
        return None

    def at(self, steps_done: int) -> Checkpoint:
        """Returns a checkpoint that another worker has read, and removes nothing.

        Raises:
            OSError: If it does not appear in time, or is damaged.
        """
        path = f"{self.folder}/{self._name(steps_done)}"
        until = time.monotonic() + SHARED_SECONDS
        while not tf.io.gfile.exists(path):  # a network's file system may be late
            if time.monotonic() > until:
                raise FileNotFoundError(
                    f"{path} is missing, from which the chief goes on: the folder of "
                    "the artifacts must be on a volume or in an object store that all "
                    "workers share"
                )
            time.sleep(1)
        checkpoint = _read(path)
        if checkpoint is None:
            raise OSError(f"{path} is damaged here, but not where the chief reads it")
        return checkpoint

    def other_parts(self, steps_done: int) -> list[Checkpoint]:
        """Returns the other parts of a checkpoint that is intact."""
        begin = f"{self.folder}/{self._name(steps_done)}".removesuffix(self.parts[0])
        parts = [_read(begin + end) for end in self.parts[1:]]
        return [part for part in parts if part]

    @property
    def is_writing(self) -> bool:
        """Whether a checkpoint is still being written."""
        return self._writing is not None and self._writing.is_alive()

    def write(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint in the background, after the one before."""
        self.wait()
        if not self.writes:
            return
        self._writing = threading.Thread(target=self._write, args=[checkpoint])
        self._writing.start()

    def wait(self) -> None:
        """Waits until everything is written."""
        if self._writing:
            self._writing.join()

    def _write(self, checkpoint: Checkpoint) -> None:
        path = f"{self.folder}/{self._name(checkpoint.steps_done)}"
        unfinished = f"{self.folder}/unfinished{self.parts[0]}"
        try:
            make_folder(self.folder, self.made_for)
            with tf.io.gfile.GFile(unfinished, "wb") as file:
                _encode(checkpoint, file)
            tf.io.gfile.rename(unfinished, path, overwrite=True)
            for old in self._old_names():
                tf.io.gfile.remove(f"{self.folder}/{old}")
            for folder in self.replaces:
                if tf.io.gfile.isdir(folder):
                    tf.io.gfile.rmtree(folder)
        except (OSError, tf.errors.OpError) as error:
            # The training is worth more than its checkpoints.
            with contextlib.suppress(OSError, tf.errors.OpError):
                tf.io.gfile.remove(unfinished)  # or the disk would stay full
            reason = str(error).splitlines()[0]
            progress_log.warning(
                "no checkpoint could be written to %s: %s. The training continues; if "
                "it is killed, it goes on from an earlier one",
                self.folder,
                reason,
            )

    def _name(self, steps_done: int) -> str:
        return f"{self.fit}-{steps_done:012}{self.parts[0]}"

    def _old_names(self) -> list[str]:
        """Returns the names of own parts that are needed no more.

        Another worker may not have written its parts of the newest checkpoints.
        """
        names = self._names()
        there = set(tf.io.gfile.listdir(self.folder))
        complete = [
            name
            for name in names
            if there >= {name.removesuffix(self.parts[0]) + end for end in self.parts}
        ]
        return sorted({*names} - {*names[-KEPT:], *complete[-KEPT:]})

    def _names(self) -> list[str]:
        """Returns the names of the files, the oldest first."""
        if not tf.io.gfile.isdir(self.folder):
            return []
        names = tf.io.gfile.listdir(self.folder)
        return sorted(
            name
            for name in names
            if name.startswith(f"{self.fit}-") and name.endswith(self.parts[0])
        )


def make_folder(folder: str, made_for: str) -> None:
    """Makes the folder of a training, with what the training is, in JSON."""
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(f"{folder}/{MADE_FOR}", "w") as file:
        file.write(made_for)


def _encode(checkpoint: Checkpoint, file: tf.io.gfile.GFile) -> None:
    """Writes an ``.npz`` without a copy of it in memory, then its SHA-256."""
    about = {"steps_done": checkpoint.steps_done, "state": checkpoint.state}
    hashing = _Hashing(file)
    np.savez(
        hashing,
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        **{f"variable_{n}": value for n, value in enumerate(checkpoint.variables)},
        **{f"best_{n}": value for n, value in enumerate(checkpoint.best_weights)},
    )
    file.write(hashing.sha256.digest())


def _read(path: str) -> Checkpoint | None:
    """Returns what ``_encode`` has written; None if it is damaged.

    The file is read twice, and never held in memory beside its arrays.
    """
    with tf.io.gfile.GFile(path, "rb") as file:
        if not _is_intact(file):
            return None
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())

            def values(kind: str) -> list[Array]:
                count = sum(name.startswith(kind) for name in arrays.files)
                return [joined([arrays[f"{kind}_{n}"]]) for n in range(count)]

            return Checkpoint(
                about["steps_done"], values("variable"), values("best"), about["state"]
            )


def _is_intact_at(path: str) -> bool:
    """Returns whether a file exists and is not damaged."""
    if not tf.io.gfile.exists(path):
        return False
    with tf.io.gfile.GFile(path, "rb") as file:
        return _is_intact(file)


def _is_intact(file: tf.io.gfile.GFile) -> bool:
    """Returns whether the SHA-256 at the end of a file is that of the rest."""
    sha256 = hashlib.sha256()
    left = file.size() - sha256.digest_size
    while left > 0 and (part := file.read(min(left, READ_BYTES))):
        sha256.update(part)
        left -= len(part)
    return left == 0 and file.read() == sha256.digest()


class _Hashing(io.RawIOBase):
    """Writes to a file, and computes the SHA-256 of what is written."""

    def __init__(self, file: tf.io.gfile.GFile):
        super().__init__()
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, part: Any) -> int:
        """Appends to the file."""
        self.file.write(bytes(part))
        self.sha256.update(part)
        return len(part)
