"""A version in a process of its own, seen from the server.

Loading a model takes seconds of Python and TensorFlow. In the server's own process all
requests would stand still meanwhile; in another one they do not, what a model breaks
stays there, and its memory is gone when it ends.
"""

import asyncio
import multiprocessing
import queue
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from components.live_models.versions import Version
from pipeline.serving import model_worker
from pipeline.serving.errors import RequestError
from pipeline.serving.json_tensors import Tensors, TensorSpec

SIGNATURES = 3  # that a model has; so many calls may run beside each other
START_SECONDS = 300.0
END_SECONDS = 10.0


class LoadError(RuntimeError):
    """A version cannot be loaded, or does not answer."""


class RefusedError(LoadError):
    """A version must not be loaded, now or later."""


class ModelProcess:
    """A loaded version. Threads may call ``ask``; all else is the event loop's."""

    def __init__(self, version: Version, threads: int, rows: int):
        """Starts the process and waits until the model is warm; seconds.

        Args:
            version: Whose files are whole.
            threads: That one call may use.
            rows: Of the largest batch.

        Raises:
            LoadError: It says why the model is not fit to serve.
            RefusedError: And that it never will be.
        """
        self.version = version
        self.number, self.name = version.number, version.model
        context = multiprocessing.get_context("spawn")
        pairs = [context.Pipe() for _ in range(SIGNATURES)]
        theirs = [pair[1] for pair in pairs]
        self._process = context.Process(
            target=model_worker.work,
            args=(str(version.folder), threads, rows, theirs),
            name=f"version {version.number}",
            daemon=True,
        )
        self._process.start()
        for end in theirs:
            end.close()  # so that the end of the process is the end of the pipe
        self._free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._all = [pair[0] for pair in pairs]
        for connection in self._all:
            self._free.put(connection)
        self._users, self._retired, self._hung_up = 0, False, False
        try:
            if not self._all[0].poll(START_SECONDS):
                raise LoadError(f"it was not loaded in {START_SECONDS:g} s")
            told = self._all[0].recv()
        except (OSError, EOFError) as error:
            self._process.join(END_SECONDS)
            code = self._process.exitcode
            raise LoadError(f"its process ended with {code} while loading") from error
        except LoadError:
            self._process.kill()
            raise
        if isinstance(told, tuple):
            self.close()
            problem, is_final = told
            raise (RefusedError if is_final else LoadError)(problem)
        self.inputs: dict[str, dict[str, TensorSpec]] = told["inputs"]
        self.signature_defs: dict[str, Any] = told["signature_defs"]

    def specs(self, signature: str) -> dict[str, TensorSpec]:
        """What a signature takes.

        Raises:
            RequestError: There is no such signature.
        """
        if signature not in self.inputs:
            told = f'Serving signature name: "{signature}" not found in signature def'
            raise RequestError(400, told)
        return self.inputs[signature]

    def ask(self, signature: str, requests: list[Tensors]) -> list[Tensors | Exception]:
        """An answer to each request, all in one call of the model."""
        connection = self._free.get()
        try:
            connection.send((signature, requests))
            answers = connection.recv()
        except (OSError, EOFError):
            self._hung_up = True  # seen some moments before the process is reaped
            return [RequestError(503, "the model's process has ended")] * len(requests)
        finally:
            self._free.put(connection)
        return [
            told if isinstance(told, dict) else RequestError(*told) for told in answers
        ]

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive() and not self._hung_up

    def acquire(self) -> None:
        """Keeps the process from being ended."""
        self._users += 1

    def release(self) -> None:
        """Ends what ``acquire`` began."""
        self._users -= 1
        self._close_if_idle()

    def retire(self) -> None:
        """Ends the process as soon as its last request has ended."""
        self._retired = True
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._retired and not self._users:
            asyncio.get_running_loop().run_in_executor(None, self.close)

    def close(self) -> None:
        """Ends the process; it sees that nobody asks any more."""
        for connection in self._all:
            connection.close()
        self._process.join(END_SECONDS)
        if self._process.is_alive():
            self._process.kill()


def text(values: list[str]) -> np.ndarray:
    """Strings [N] as tensors have them."""
    array = np.empty(len(values), object)
    array[:] = [value.encode("utf-8", "surrogatepass") for value in values]
    return array
