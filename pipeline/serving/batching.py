"""Requests that wait are joined into one call of the model."""

import asyncio
import collections
import dataclasses
import math
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.serving.errors import RequestError
from pipeline.serving.json_tensors import Tensors, check_items, num_rows
from pipeline.serving.model_process import SIGNATURES, ModelProcess
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.settings import ServingSettings

# Rows up to here are joined: kinds take turns, and a call costs more than padding.
JOINED_LENGTH = 255
BYTES_PER_ITEM = 3  # at least, of an item in an Example: tag, length, an id
# Rows times items of one call, so that nobody waits long for somebody else's call. A
# single longer row is still one call.
CALL_ITEMS = 1 << 15
BULK_ITEMS = CALL_ITEMS // 4  # of a call; a request of more is large


@dataclasses.dataclass(frozen=True)
class _Part:
    """Rows of a request that are asked together.

    Attributes:
        rows: Their places in the request.
        kind: Parts of the same kind, of any request, are joined into one call.
        most_rows: Of such a call.
        is_bulk: Whether the request is large: it has other parts, or a call of many
            items.
    """

    rows: np.ndarray
    kind: Hashable
    most_rows: int
    is_bulk: bool


@dataclasses.dataclass
class _Waiting:
    """A request that waits.

    Attributes:
        inputs: Its tensors.
        rows: Of them.
        part: The rows that it asks for, and how they are joined with others.
        answer: Is set in the event loop.
    """

    inputs: Tensors
    rows: int
    part: _Part
    answer: "asyncio.Future[Tensors]"


_Key = tuple[ModelProcess, str, Hashable]


class Batcher:
    """A bounded queue before the model; belongs to one event loop.

    One call of a signature runs at a time. While there is none, a request waits
    ``batch_ms`` for others; else until it has ended. Requests are joined if their rows
    are of similar length: padding is not free. Large requests and all others take
    turns, so a small one waits for at most one call of a large one besides the call
    that is running, however many large ones there are.
    """

    def __init__(self, settings: ServingSettings, metrics: Metrics):
        """Starts no thread yet.

        Args:
            settings: How many may wait, how long, and how many are joined.
            metrics: That count batches and who waits.
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

        A large request is asked in parts, one after another: others have their turn
        between them, and short rows are not padded to the length of a long one.

        Args:
            model: Acquired by the caller.
            signature: Of it.
            inputs: Of its inputs' types and ranks.

        Raises:
            RequestError: It has too many rows or items (413); too many requests wait
                already (429); it took too long (504); or what the model itself says.
        """
        parts = _parts(signature, inputs, self._settings)
        try:
            # Not `wait_for`: an error that it raises holds the request until the next
            # garbage collection.
            async with asyncio.timeout(self._settings.timeout):
                if len(parts) == 1:
                    return await self._asked(model, signature, inputs, parts[0])
                return await self._asked_in_parts(model, signature, inputs, parts)
        except TimeoutError:
            told = f"no answer in {self._settings.timeout:g} s"
            raise RequestError(504, told) from None

    def _asked(
        self, model: ModelProcess, signature: str, inputs: Tensors, part: _Part
    ) -> "asyncio.Future[Tensors]":
        """The answer to what one call of the model can take."""
        if self._num_waiting >= self._settings.max_waiting:
            raise RequestError(429, "too many requests are waiting; try again")
        answer = asyncio.get_running_loop().create_future()
        lane = self._lanes.setdefault(signature, _Lane(self))
        key = (model, signature, part.kind)
        lane.add(key, _Waiting(inputs, num_rows(inputs), part, answer))
        return answer

    async def _asked_in_parts(
        self, model: ModelProcess, signature: str, inputs: Tensors, parts: list[_Part]
    ) -> Tensors:
        """Returns the answers to all parts, joined.

        The longest rows are asked first, so that a request whose answer would be too
        large is refused after one call.
        """
        answers: list[Tensors] = []
        for part in reversed(parts):
            asked = {k: v[part.rows] if v.ndim else v for k, v in inputs.items()}
            answer = await self._asked(model, signature, asked, part)
            for value in answer.values():
                check_items(
                    num_rows(inputs) * math.prod(value.shape[1:]), self._settings
                )
            answers.insert(0, answer)
        return {
            name: _merged([answer[name] for answer in answers], parts)
            for name in answers[0]
        }

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
        # Of all but large requests, and of large ones.
        self._small: dict[_Key, collections.deque[_Waiting]] = {}
        self._bulk: dict[_Key, collections.deque[_Waiting]] = {}
        self._was_bulk = True  # the call before
        self._num_rows = 0
        self._is_running = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: _Key, request: _Waiting) -> None:
        """Lets a request wait for its call, which starts now or soon."""
        waiting = self._bulk if request.part.is_bulk else self._small
        waiting.setdefault(key, collections.deque()).append(request)
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
        while (self._small or self._bulk) and not self._is_running:
            key, batch = self._take()
            if batch:
                self._is_running = True
                key[0].acquire()  # who asked may be gone before the call has ended
                asyncio.get_running_loop().create_task(self._call(key, batch))

    def _take(self) -> tuple[_Key, list[_Waiting]]:
        """Returns the kind whose turn it is, and as many of it as make a batch."""
        self._was_bulk = not self._small or bool(self._bulk) and not self._was_bulk
        waiting = self._bulk if self._was_bulk else self._small
        key = next(iter(waiting))
        queue, rows = waiting.pop(key), 0
        batch: list[_Waiting] = []
        while queue and (not batch or rows + queue[0].rows <= queue[0].part.most_rows):
            request = queue.popleft()
            self._num_rows -= request.rows
            self._batcher._count(-1)
            if not request.answer.done():  # else nobody waits for it any more
                batch.append(request)
                rows += request.rows
        if queue:
            waiting[key] = queue  # behind the other kinds
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


def _parts(signature: str, inputs: Tensors, settings: ServingSettings) -> list[_Part]:
    """Divides a request into what one call of the model takes; mostly one part.

    Raises:
        RequestError: It has too many rows or items (413).
    """
    lengths = _lengths(signature, inputs)
    if lengths is None:
        if (rows := num_rows(inputs)) > settings.max_batch:
            told = f"{rows} rows; {signature} takes at most {settings.max_batch} here"
            raise RequestError(413, told)
        return [_Part(np.arange(rows), object(), settings.max_batch, False)]
    check_items(int(lengths.max(initial=0)), settings)
    if signature == "recommend":
        check_items(int(lengths.sum()), settings)
    order = np.argsort(lengths, kind="stable")
    parts: list[_Part] = []
    start = 0
    while start < len(order) or not parts:
        shortest = int(lengths[order[start]]) if len(order) else 0
        kind = max(shortest, JOINED_LENGTH).bit_length()
        most = max(1, min(settings.max_batch, CALL_ITEMS >> kind))
        same = np.searchsorted(lengths[order], 1 << kind)
        end = min(int(same), start + most)
        longest = int(lengths[order[end - 1]]) if len(order) else 0
        rows = end - start
        is_bulk = rows < len(order) or rows * longest > BULK_ITEMS
        parts.append(_Part(order[start:end], kind, most, is_bulk))
        start = end
    return parts


def _lengths(signature: str, inputs: Tensors) -> np.ndarray | None:
    """The most items that each row may have; None where rows cannot be told apart."""
    if signature == "recommend":
        rows = {len(value) for value in inputs.values() if value.ndim}
        if len(rows) == 1 and inputs["k"] >= 0:
            lists = [value.shape[1] for value in inputs.values() if value.ndim > 1]
            longest = max(*lists, int(inputs["k"]))
            return np.full(rows.pop(), longest)
    if signature == "serving_default":
        sizes = [len(example) for example in inputs["examples"]]
        return np.array(sizes, np.int64) // BYTES_PER_ITEM
    return None


def _merged(answers: list[np.ndarray], parts: list[_Part]) -> np.ndarray:
    """Returns the answers to all parts in the order of the request's rows."""
    rows = sum(len(part.rows) for part in parts)
    shape = [rows, *np.max([answer.shape[1:] for answer in answers], axis=0)]
    dtype = answers[0].dtype
    padding = -np.inf if dtype.kind == "f" else b"" if dtype.kind == "O" else 0
    merged = np.full(shape, padding, dtype)
    for answer, part in zip(answers, parts, strict=True):
        place = (part.rows, *(slice(size) for size in answer.shape[1:]))
        merged[place] = answer
    return merged
