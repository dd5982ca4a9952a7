"""Requests that wait are joined into one call of the model."""

import asyncio
import collections
import dataclasses
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor

from pipeline.serving.errors import RequestError
from pipeline.serving.metrics import Metrics
from pipeline.serving.process import SIGNATURES, ModelProcess
from pipeline.serving.settings import ServingSettings
from pipeline.serving.tensors import Tensors, num_rows
from trainer_modules import features as f

# Histories up to here are joined: kinds take turns, and a call costs more than padding.
JOINED_LENGTH = 255


@dataclasses.dataclass
class _Waiting:
    """A request that waits.

    Attributes:
      inputs: its tensors.
      rows: of them.
      answer: is set in the event loop.
    """

    inputs: Tensors
    rows: int
    answer: "asyncio.Future[Tensors]"


_Key = tuple[ModelProcess, str, Hashable]


class Batcher:
    """A bounded queue before the model; belongs to one event loop.

    One call of a signature runs at a time. While there is none, a request waits
    ``batch_ms`` for others; else until it has ended. Requests are joined if their
    histories are of like length: padding is not free.
    """

    def __init__(self, settings: ServingSettings, metrics: Metrics):
        """Starts no thread yet.

        Args:
          settings: how many may wait, how long, and how many are joined.
          metrics: that count batches and who waits.
        """
        self._settings, self._metrics = settings, metrics
        self._lanes: dict[str, _Lane] = {}
        self._num_waiting = 0
        # One for each signature, so that a long evaluation keeps no list waiting.
        self._threads = ThreadPoolExecutor(SIGNATURES, "model")

    async def ask(
        self, model: ModelProcess, signature: str, inputs: Tensors
    ) -> Tensors:
        """What the model answers.

        Args:
          model: acquired by the caller.
          signature: of it.
          inputs: of its inputs' types and ranks.

        Raises:
          RequestError: too many wait already (429); it took too long (504); or what
            the model itself says.
        """
        if self._num_waiting >= self._settings.max_waiting:
            raise RequestError(429, "too many requests are waiting; try again")
        key = (model, signature, _kind(signature, inputs))
        answer = asyncio.get_running_loop().create_future()
        lane = self._lanes.setdefault(signature, _Lane(self))
        lane.add(key, _Waiting(inputs, num_rows(inputs), answer))
        try:
            return await asyncio.wait_for(answer, self._settings.timeout)
        except asyncio.TimeoutError:
            told = f"no answer in {self._settings.timeout:g} s"
            raise RequestError(504, told) from None

    def close(self) -> None:
        """Waits for the calls that run."""
        self._threads.shutdown()

    def _count(self, more: int) -> None:
        self._num_waiting += more
        self._metrics.queue.set(self._num_waiting)


class _Lane:
    """Who waits for a signature; one call of it runs at a time."""

    def __init__(self, batcher: Batcher):
        self._batcher = batcher
        self._most = batcher._settings.max_batch
        self._waiting: dict[_Key, collections.deque[_Waiting]] = {}
        self._num_rows = 0
        self._is_running = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: _Key, request: _Waiting) -> None:
        """Lets a request wait for its call, which starts now or soon."""
        self._waiting.setdefault(key, collections.deque()).append(request)
        self._num_rows += request.rows
        self._batcher._count(1)
        if self._is_running:
            return  # its end starts the next
        if self._num_rows >= self._most:
            self._start()
        elif self._timer is None:
            seconds = self._batcher._settings.batch_ms / 1000
            self._timer = asyncio.get_running_loop().call_later(seconds, self._start)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and not self._is_running:
            key, batch = self._take()
            if batch:
                self._is_running = True
                key[0].acquire()  # who asked may be gone before the call has ended
                asyncio.get_running_loop().create_task(self._call(key, batch))

    def _take(self) -> tuple[_Key, list[_Waiting]]:
        """The kind that has waited longest, and as many of it as make a batch."""
        key = next(iter(self._waiting))
        queue, rows = self._waiting.pop(key), 0
        batch: list[_Waiting] = []
        while queue and (not batch or rows + queue[0].rows <= self._most):
            request = queue.popleft()
            self._num_rows -= request.rows
            self._batcher._count(-1)
            if not request.answer.done():  # else nobody waits for it any more
                batch.append(request)
                rows += request.rows
        if queue:
            self._waiting[key] = queue  # behind the other kinds
        return key, batch

    async def _call(self, key: _Key, batch: list[_Waiting]) -> None:
        model, signature, _ = key
        rows = sum(request.rows for request in batch)
        self._batcher._metrics.batch_rows.observe(rows)
        run = asyncio.get_running_loop().run_in_executor
        try:
            inputs = [request.inputs for request in batch]
            answers = await run(self._batcher._threads, model.ask, signature, inputs)
        finally:
            self._is_running = False
            model.release()
            self._start()
        for request, told in zip(batch, answers, strict=True):
            if request.answer.done():
                continue
            if isinstance(told, Exception):
                request.answer.set_exception(told)
            else:
                request.answer.set_result(told)


def _kind(signature: str, inputs: Tensors) -> Hashable:
    """Requests of the same kind are joined."""
    if signature == "recommend":
        lengths = {len(value) for value in inputs.values() if value.ndim}
        if len(lengths) == 1 and inputs["k"] >= 0:
            length = inputs[f.HISTORY_ITEM_ID].shape[1]
            return max(length, JOINED_LENGTH).bit_length()
    if signature == "serving_default":
        return signature
    return object()  # alone: the model says what is wrong, or answers for many rows
