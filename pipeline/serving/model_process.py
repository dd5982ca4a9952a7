"""A version in a separate process, as seen from the server.

Loading a model takes seconds of Python and TensorFlow. In the server's own process, all
requests would have to wait. In a separate process they do not, a crash of the model
does not reach the server, and the model's memory is freed when the process ends.
"""

import asyncio
import multiprocessing
import socket

import numpy as np

from components.live_models.versions import Version
from pipeline.recommend.list_rules import rules_of
from pipeline.serving import model_worker
from pipeline.serving.errors import RequestError
from pipeline.serving.json_tensors import Tensors, TensorSpec
from pipeline.serving.model_messages import Line, receive
from pipeline.serving.model_worker import Failed, Loaded

SIGNATURES = 6  # of a model; as many calls may run at the same time
START_SECONDS = 300.0
END_SECONDS = 10.0
HANG_SECONDS = 60.0  # a call that takes longer never ends: other versions are loaded


class LoadError(RuntimeError):
    """A version cannot be loaded, or does not respond."""


class RefusedError(LoadError):
    """A version must never be loaded."""


class ModelProcess:
    """A loaded version; belongs to one event loop, except for its start."""

    def __init__(self, version: Version, threads: int, rows: int):
        """Starts the process and waits until the model is warm, which takes seconds.

        Args:
            version: Version whose checksums have been verified.
            threads: Number of threads that one call may use.
            rows: Number of rows of the largest batch.

        Raises:
            LoadError: If the model cannot be loaded at the moment.
            RefusedError: If it must never be loaded.
        """
        self.version = version
        self.number, self.name = version.number, version.model
        self.rules = rules_of(version.folder)
        context = multiprocessing.get_context("spawn")
        pairs = [socket.socketpair() for _ in range(SIGNATURES)]
        self._ours, theirs = [list(ends) for ends in zip(*pairs, strict=True)]
        self._process = context.Process(
            target=model_worker.work,
            args=(str(version.folder), threads, rows, theirs),
            name=f"version {version.number}",
            daemon=True,
        )
        self._process.start()
        for end in theirs:
            end.close()  # so that the socket ends with the process
        self._lines: list[Line] = []
        self._free: asyncio.Queue[Line] = asyncio.Queue()
        self._users, self._retired, self._hung_up = 0, False, False
        try:
            self._ours[0].settimeout(START_SECONDS)
            with self._ours[0].makefile("rb") as stream:
                loaded: Loaded | Failed = receive(stream)
        except TimeoutError as error:
            self._process.kill()
            raise LoadError(f"it was not loaded within {START_SECONDS:g} s") from error
        except (OSError, EOFError) as error:
            self._process.join(END_SECONDS)
            code = self._process.exitcode
            raise LoadError(f"its process ended with {code} while loading") from error
        if isinstance(loaded, Failed):
            for end in self._ours:
                end.close()
            self._end()
            raise (RefusedError if loaded.is_final else LoadError)(loaded.problem)
        self.inputs, self.signature_defs = loaded.inputs, loaded.signature_defs

    async def connect(self) -> None:
        """Prepares for calls in the running event loop."""
        for end in self._ours:
            self._lines.append(await Line.over(end))
            self._free.put_nowait(self._lines[-1])

    def specs(self, signature: str) -> dict[str, TensorSpec]:
        """Returns the inputs of a signature.

        Raises:
            RequestError: If there is no such signature (400).
        """
        if signature not in self.inputs:
            message = (
                f'Serving signature name: "{signature}" not found in signature def'
            )
            raise RequestError(400, message)
        return self.inputs[signature]

    async def ask(
        self, signature: str, requests: list[Tensors]
    ) -> list[Tensors | Exception]:
        """Returns an answer to each request, all from one call of the model.

        A process that does not answer within ``HANG_SECONDS`` is killed.
        """
        line = await self._free.get()
        try:
            async with asyncio.timeout(HANG_SECONDS):
                answers = await line.ask((signature, requests))
        except (OSError, EOFError) as error:
            self._hung_up = True  # noticed before the process is reaped
            if isinstance(error, TimeoutError):
                self._process.kill()
            return [RequestError(503, "the model's process has ended")] * len(requests)
        finally:
            self._free.put_nowait(line)
        return [
            answer if isinstance(answer, dict) else RequestError(*answer)
            for answer in answers
        ]

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.is_alive() and not self._hung_up

    def acquire(self) -> None:
        """Keeps the process from being ended."""
        self._users += 1

    def release(self) -> None:
        """Undoes ``acquire``."""
        self._users -= 1
        self._close_if_idle()

    def retire(self) -> None:
        """Ends the process once its last request has been answered."""
        self._retired = True
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._retired and not self._users:
            self._hang_up()
            asyncio.get_running_loop().run_in_executor(None, self._end)

    async def close(self) -> None:
        """Ends the process; calls that still run get an error."""
        self._hang_up()
        await asyncio.to_thread(self._end)

    def _hang_up(self) -> None:
        for line in self._lines:
            line.close()

    def _end(self) -> None:
        """Waits for the process, which ends once its sockets are closed."""
        self._process.join(END_SECONDS)
        if self._process.is_alive():
            self._process.kill()


def text(values: list[str]) -> np.ndarray:
    """Returns strings [N] as bytes, as in a tensor."""
    array = np.empty(len(values), object)
    array[:] = [value.encode("utf-8", "surrogatepass") for value in values]
    return array
