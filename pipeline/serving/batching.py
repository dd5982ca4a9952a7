"""Joins waiting requests into calls of the model."""

import asyncio
import collections
import dataclasses
import math
import time
from collections.abc import Hashable, Iterator

from pipeline.serving.errors import no_answer, too_many_waiting
from pipeline.serving.json_tensors import Tensors, check_items, num_rows
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.request_parts import Part, divide, merge
from pipeline.serving.request_traces import Wait, begin_wait
from pipeline.serving.settings import ServingSettings


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of the model, on whose shape the last bits of scores depend.

    Attributes:
        rows: Number of rows, of all requests.
        place: Place of the request's first row among them.
        widths: Input of more than one axis → its length, that of the longest row.
        k: The longest list of the call; 0 for other signatures.
    """

    rows: int
    place: int
    widths: dict[str, int]
    k: int


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the model answered.

    Attributes:
        outputs: Outputs of the signature by name.
        call: The call that gave them; None if there were several.
    """

    outputs: Tensors
    call: Call | None


@dataclasses.dataclass
class _Waiting:
    """A part of a request that waits for its call.

    Attributes:
        inputs: Tensors of the part.
        num_rows: Number of rows in them.
        part: How the part may be joined with others.
        answer: Future of the event loop that receives the result.
        trace: The wait as it is traced; None if it is not.
    """

    inputs: Tensors
    num_rows: int
    part: Part
    answer: "asyncio.Future[Answer]"
    trace: Wait | None


_Key = tuple[ModelProcess, str, Hashable]  # model, signature and kind of a call


class _WaitingCount:
    """Counts the requests that wait for the model, for all signatures."""

    def __init__(self, most: int, metrics: Metrics):
        self._most, self._metrics = most, metrics
        self._count = 0

    def enter(self) -> None:
        """Counts one more.

        Raises:
            RequestError: If too many are waiting (429).
        """
        if self._count >= self._most:
            raise too_many_waiting()
        self._set(self._count + 1)

    def leave(self) -> None:
        """Counts one less."""
        self._set(self._count - 1)

    def _set(self, count: int) -> None:
        self._count = count
        self._metrics.queue.set(count)


class Batcher:
    """A bounded queue in front of the model; belongs to one event loop.

    One call of a signature runs at a time. While none runs, a request waits
    ``batch_ms`` for others; otherwise until the running call has ended. Requests are
    joined if their rows are of similar length, because padding costs time. Large
    requests and all others take turns, so a small request waits for at most one call
    of a large one besides the running call, however many large ones there are.
    """

    def __init__(self, settings: ServingSettings, metrics: Metrics):
        """Creates an empty queue.

        Args:
            settings: How many requests may wait, how long, and how many are joined.
            metrics: Metrics of calls and waiting requests.
        """
        self._settings, self._metrics = settings, metrics
        self._waiting = _WaitingCount(settings.max_waiting, metrics)
        self._lanes: dict[str, _Lane] = {}

    async def ask(self, model: ModelProcess, signature: str, inputs: Tensors) -> Answer:
        """Returns the model's answer to a request.

        A large request is divided into several calls: other requests get their turn
        between them, and short rows are not padded to the length of a long one.

        Args:
            model: Model that the caller has acquired.
            signature: Name of a signature of the model.
            inputs: Tensors of the signature's types and ranks.

        Raises:
            RequestError: If the request has too many rows or items (413), too many
                requests are waiting (429), it took too long (504), or the model
                refuses it.
        """
        parts = divide(signature, inputs, self._settings)
        try:
            # Not `wait_for`: an error that it raises keeps the request in memory until
            # the next garbage collection.
            async with asyncio.timeout(self._settings.timeout):
                if len(parts) == 1:
                    return await self._call(model, signature, inputs, parts[0])
                return await self._call_individe(model, signature, inputs, parts)
        except TimeoutError:
            raise no_answer(self._settings.timeout) from None

    def _call(
        self, model: ModelProcess, signature: str, inputs: Tensors, part: Part
    ) -> "asyncio.Future[Answer]":
        """Returns the future answer to a part."""
        if signature not in self._lanes:
            self._lanes[signature] = _Lane(self._settings, self._metrics, self._waiting)
        answer = asyncio.get_running_loop().create_future()
        self._lanes[signature].add(
            (model, signature, part.kind),
            _Waiting(inputs, num_rows(inputs), part, answer, begin_wait()),
        )
        return answer

    async def _call_individe(
        self, model: ModelProcess, signature: str, inputs: Tensors, parts: list[Part]
    ) -> Answer:
        """Returns the outputs of all parts, joined.

        The longest rows come first, so that a request whose answer would be too large
        is refused after one call.
        """
        answers: list[Tensors] = []
        for part in reversed(parts):
            rows = {k: v[part.rows] if v.ndim else v for k, v in inputs.items()}
            answer = (await self._call(model, signature, rows, part)).outputs
            for value in answer.values():
                count = num_rows(inputs) * math.prod(value.shape[1:])
                check_items(count, self._settings)
            answers.insert(0, answer)
        joined = {
            name: merge([answer[name] for answer in answers], parts)
            for name in answers[0]
        }
        return Answer(joined, None)


class _Lane:
    """The requests that wait for a signature; one call of it runs at a time."""

    def __init__(
        self, settings: ServingSettings, metrics: Metrics, count: _WaitingCount
    ):
        self._settings, self._metrics, self._count = settings, metrics, count
        self._small: dict[_Key, collections.deque[_Waiting]] = {}
        self._bulk: dict[_Key, collections.deque[_Waiting]] = {}  # of large requests
        self._was_bulk = True  # in the previous call
        self._num_rows = 0
        self._is_running = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: _Key, request: _Waiting) -> None:
        """Adds a request, whose call starts now or soon.

        Raises:
            RequestError: If too many are waiting (429).
        """
        self._count.enter()
        waiting = self._bulk if request.part.is_bulk else self._small
        waiting.setdefault(key, collections.deque()).append(request)
        self._num_rows += request.num_rows
        if self._is_running:
            return  # the next call starts when this one ends
        if self._num_rows >= self._settings.max_batch:
            self._start()
        elif self._timer is None:
            seconds = self._settings.batch_ms / 1000
            self._timer = asyncio.get_running_loop().call_later(seconds, self._start)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (self._small or self._bulk) and not self._is_running:
            key, batch = self._take()
            if batch:
                self._is_running = True
                key[0].acquire()  # the clients may disconnect before the call has ended
                asyncio.get_running_loop().create_task(self._call(key, batch))

    def _take(self) -> tuple[_Key, list[_Waiting]]:
        """Returns the kind whose turn it is, and as many of it as fit into a call."""
        self._was_bulk = not self._small or bool(self._bulk) and not self._was_bulk
        waiting = self._bulk if self._was_bulk else self._small
        key = next(iter(waiting))
        queue, rows = waiting.pop(key), 0
        batch: list[_Waiting] = []
        while queue and (
            not batch or rows + queue[0].num_rows <= queue[0].part.most_rows
        ):
            request = queue.popleft()
            self._num_rows -= request.num_rows
            self._count.leave()
            if not request.answer.done():  # otherwise its client no longer waits
                batch.append(request)
                rows += request.num_rows
        if queue:
            waiting[key] = queue  # behind the other kinds
        return key, batch

    async def _call(self, key: _Key, batch: list[_Waiting]) -> None:
        (model, signature, _), started = key, time.time_ns()
        self._metrics.batch_rows.observe(sum(request.num_rows for request in batch))
        try:
            inputs = [request.inputs for request in batch]
            answers = await model.ask(signature, inputs)
        finally:
            self._is_running = False
            model.release()
            self._start()
        calls = _calls(batch)
        for request, answer, call in zip(batch, answers, calls, strict=True):
            if request.trace:
                about = {"marquee.version": model.number, "marquee.rows": call.rows}
                request.trace.end(started, {"marquee.signature": signature, **about})
            if request.answer.done():
                continue
            if isinstance(answer, Exception):
                request.answer.set_exception(answer)
            else:
                request.answer.set_result(Answer(answer, call))


def _calls(batch: list[_Waiting]) -> Iterator[Call]:
    """Yields the call of each request of a batch, as ``LoadedModel`` joins them."""
    inputs = [request.inputs for request in batch]
    widths = {
        name: max(each[name].shape[1] for each in inputs)
        for name, value in inputs[0].items()
        if value.ndim > 1
    }
    rows = sum(request.num_rows for request in batch)
    k = max(int(each.get("k", 0)) for each in inputs)
    place = 0
    for request in batch:
        yield Call(rows, place, widths, k)
        place += request.num_rows
