"""Requests that wait are joined into one call of the model."""

import asyncio
import collections
import dataclasses
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from pipeline.serving.errors import RequestError
from pipeline.serving.metrics import Metrics
from pipeline.serving.model import LoadedModel, Tensors
from pipeline.serving.settings import ServingSettings
from trainer_modules import features as f

CALLS = 2  # of models at once: one is prepared while another computes


@dataclasses.dataclass
class _Waiting:
    """A request that waits.

    Attributes:
      inputs: its tensors.
      rows: of them.
      width: columns of its answer; what a longer request beside it adds is cut off.
      answer: is set in the event loop.
    """

    inputs: Tensors
    rows: int
    width: int
    answer: "asyncio.Future[Tensors]"


_Key = tuple[LoadedModel, str, Hashable]


class Batcher:
    """A bounded queue before the model; belongs to one event loop.

    While the model has nothing to do a request waits ``batch_ms`` for others; while it
    is busy, until it is free. Requests are joined if they are for the same signature,
    and their histories of like length: padding is not free.
    """

    def __init__(self, settings: ServingSettings, metrics: Metrics):
        self._settings, self._metrics = settings, metrics
        self._waiting: dict[_Key, collections.deque[_Waiting]] = {}
        self._length, self._running = 0, 0
        self._threads = ThreadPoolExecutor(CALLS, "model")
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, model: LoadedModel, signature: str, inputs: Tensors) -> Tensors:
        """What the model answers.

        Args:
          model: acquired by the caller.
          signature: of it.
          inputs: of its inputs' types and ranks.

        Raises:
          RequestError: too many wait already (429); it took too long (504); or what
            the model itself says.
        """
        if self._length >= self._settings.max_waiting:
            raise RequestError(429, "too many requests are waiting; try again")
        kind, rows, width = _kind(signature, inputs)
        request = _Waiting(
            inputs, rows, width, asyncio.get_running_loop().create_future()
        )
        key = (model, signature, kind)
        self._waiting.setdefault(key, collections.deque()).append(request)
        self._length += 1
        self._metrics.queue.set(self._length)
        self._wake()
        try:
            return await asyncio.wait_for(request.answer, self._settings.timeout)
        except asyncio.TimeoutError:
            raise RequestError(
                504, f"no answer in {self._settings.timeout:g} s"
            ) from None

    def close(self) -> None:
        """Waits for the calls that run."""
        self._threads.shutdown()

    def _wake(self) -> None:
        """Starts calls, now or soon."""
        if self._running >= CALLS:
            return  # the one that ends first will look
        if self._running == 0 and self._length < self._settings.max_batch:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(
                    self._settings.batch_ms / 1000, self._start
                )
            return
        if self._length >= self._settings.max_batch:
            self._start()

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._running < CALLS:
            key, batch = self._take()
            if batch:
                self._running += 1
                key[0].acquire()  # who asked may be gone before the call has ended
                asyncio.get_running_loop().create_task(self._call(key, batch))

    def _take(self) -> tuple[_Key, list[_Waiting]]:
        """The kind that has waited longest, and as many of it as make a batch."""
        key = next(iter(self._waiting))
        queue, batch, rows = self._waiting.pop(key), [], 0
        while queue and (not batch or rows + queue[0].rows <= self._settings.max_batch):
            request = queue.popleft()
            self._length -= 1
            if not request.answer.done():  # nobody waits for it any more
                batch.append(request)
                rows += request.rows
        if queue:
            self._waiting[key] = queue  # behind the other kinds
        self._metrics.queue.set(self._length)
        return key, batch

    async def _call(self, key: _Key, batch: list[_Waiting]) -> None:
        model, signature, _ = key
        self._metrics.batch_rows.observe(sum(request.rows for request in batch))
        run = asyncio.get_running_loop().run_in_executor
        try:
            answers = await run(self._threads, _answers, model, signature, batch)
        finally:
            self._running -= 1
            model.release()
            self._start()
        for request, told in zip(batch, answers, strict=True):
            if request.answer.done():
                continue
            if isinstance(told, Exception):
                request.answer.set_exception(told)
            else:
                request.answer.set_result(told)


def _answers(
    model: LoadedModel, signature: str, batch: list[_Waiting]
) -> list[Tensors | Exception]:
    """An answer for each request; what one of them breaks, the others do not notice."""
    try:
        joined = model(signature, _join([request.inputs for request in batch]))
        return _split(joined, batch)
    except Exception as error:
        if len(batch) == 1:
            return [error]
    return [_answers(model, signature, [request])[0] for request in batch]


def _kind(signature: str, inputs: Tensors) -> tuple[Hashable, int, int]:
    """What can be joined with it, how many rows it has, and its answer's columns."""
    rows = max((len(value) for value in inputs.values() if value.ndim), default=1)
    if signature == "recommend":
        lengths = {len(inputs[f.USER_ID]), len(inputs[f.HISTORY_ITEM_ID])}
        k = int(inputs["k"])
        if len(lengths) == 1 and k >= 0:
            return inputs[f.HISTORY_ITEM_ID].shape[1].bit_length(), rows, k
    if signature == "serving_default" and rows:
        with_candidates = [_num_candidates(told) for told in inputs["examples"]]
        if None not in with_candidates:
            return signature, rows, max(n or 0 for n in with_candidates)
    return object(), rows, -1  # alone


def _num_candidates(example: bytes) -> int | None:
    try:
        told = tf.train.Example.FromString(example)
    except Exception:  # the model says what is wrong with it
        return None
    return len(told.features.feature[f.CANDIDATE_ITEM_ID].bytes_list.value)


def _join(requests: list[Tensors]) -> Tensors:
    if len(requests) == 1:
        return requests[0]
    joined = {}
    for name in requests[0]:
        values = [inputs[name] for inputs in requests]
        if not values[0].ndim:
            joined[name] = np.max(values)  # k: the others' lists are its beginnings
            continue
        if values[0].ndim > 1:
            width = max(value.shape[1] for value in values)
            values = [_padded(value, width) for value in values]
        joined[name] = np.concatenate(values)
    return joined


def _padded(values: np.ndarray, width: int) -> np.ndarray:
    missing = width - values.shape[1]
    return np.pad(values, [(0, 0), (0, missing)], constant_values=b"")


def _split(joined: Tensors, batch: list[_Waiting]) -> list[Tensors | Exception]:
    if len(batch) == 1:
        return [joined]
    answers: list[Tensors | Exception] = []
    start = 0
    for request in batch:
        end = start + request.rows
        answers.append(
            {name: value[start:end, : request.width] for name, value in joined.items()}
        )
        start = end
    return answers
