"""Which version answers: the newest that is whole and can be loaded.

The folder of versions is looked at now and then. A new version is checked against its
checksums, loaded and warmed beside the one that answers, and takes over between two
requests; the old one goes when its last request has ended. A rollback is a new version
like any other. A version that cannot be loaded is tried again, ever more rarely, unless
its files are not those that were pushed.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from components.live_models import versions
from pipeline.serving.errors import RequestError
from pipeline.serving.model_process import ModelProcess, RefusedError
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.settings import ServingSettings

_log = logging.getLogger(__name__)
MODEL_NAME = "recommender"  # in the paths of TensorFlow Serving's REST API
AVAILABLE, LOADING, END = "AVAILABLE", "LOADING", "END"  # TensorFlow Serving's words
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = (
    1.0,
    300.0,
)  # each wait is twice the one before


@dataclasses.dataclass
class State:
    """Of a version, since the server started.

    Attributes:
        state: As TensorFlow Serving calls it.
        error: Why it was refused, or could not be loaded so far; empty where neither
            is.
        wait: Seconds from the last failure to the next attempt; 0 where none failed.
        next_attempt: When that is, on the monotonic clock.
    """

    state: str
    error: str = ""
    wait: float = 0.0
    next_attempt: float = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the version may be loaded now."""
        if self.state == LOADING:
            return time.monotonic() >= self.next_attempt
        return not self.error


class LiveModel:
    """The model of a folder of versions; belongs to one event loop."""

    def __init__(
        self,
        folder: Path,
        threads: int,
        settings: ServingSettings,
        metrics: Metrics,
        before_switch: Callable[[ModelProcess], Awaitable[None]],
    ):
        """Loads nothing yet.

        Args:
            folder: Of the versions.
            threads: That one call of the model may use.
            settings: Of the server.
            metrics: That count what was refused.
            before_switch: Awaited before a loaded version takes over from another.
        """
        self.states: dict[int, State] = {}
        self.current: ModelProcess | None = None
        self._folder, self._threads = folder, threads
        self._settings, self._metrics = settings, metrics
        self._before_switch = before_switch

    @contextlib.contextmanager
    def held(self, number: int | None = None) -> Iterator[ModelProcess]:
        """The model that answers, which is not closed meanwhile.

        Args:
            number: The version that is asked for; None takes the one that answers.

        Raises:
            RequestError: Another one answers (404), or none yet (503).
        """
        model = self.current
        if model is None or number not in (None, model.number):
            told = f"Latest({MODEL_NAME})"
            if number is not None:
                told = f"Specific({MODEL_NAME}, {number})"
            raise RequestError(
                404 if model or number is not None else 503,
                f"Servable not found for request: {told}",
            )
        model.acquire()
        try:
            yield model
        finally:
            model.release()

    @property
    def number(self) -> int:
        """The version that answers; 0 for none."""
        return self.current.number if self.current and self.current.alive else 0

    async def look(self) -> None:
        """Takes over a newer version, if there is one.

        Where the one that answers has died, it is loaded again; if it cannot be, the
        newest before it that can.
        """
        if self.current and not self.current.alive:
            _log.error("version %d: its process has ended", self.current.number)
            self._metrics.load_failures.labels("version").inc()
            self._metrics.version.set(0)
            self.states[self.current.number] = State(END)
            self.current = None
        served = self.current.number if self.current else 0
        for number in await asyncio.to_thread(self._newer, served):
            if await self._load(number):
                return

    def _newer(self, than: int) -> list[int]:
        """Versions after one that may be loaded now, the newest first."""
        try:
            known = versions.numbers(self._folder)
        except OSError as error:  # the next look may find it again
            _log.warning("%s", error)
            return []
        waiting = {n for n, state in self.states.items() if not state.is_due}
        return sorted({n for n in known if n > than} - waiting, reverse=True)

    async def _load(self, number: int) -> bool:
        """Puts a version in the place of the present one; False where that failed."""
        _log.info("version %d: loading", number)
        before = self.states.get(number, State(LOADING))
        self.states[number] = State(LOADING)
        try:
            model = await asyncio.to_thread(self._loaded, number)
        except (versions.DamagedError, RefusedError) as error:
            self.states[number] = State(END, str(error))
            self._metrics.load_failures.labels("version").inc()
            _log.error("version %d is refused: %s", number, error)
            return False
        except Exception as error:  # whatever it is, the old version goes on
            told = str(error) or repr(error)
            wait = min(2 * before.wait or FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)
            self.states[number] = State(LOADING, told, wait, time.monotonic() + wait)
            self._metrics.load_failures.labels("version").inc()
            _log.error(
                "version %d cannot be loaded: %s. Next attempt in %g s.",
                *(number, told, wait),
            )
            return False
        if self.current:
            await self._before_switch(model)
        old, self.current = self.current, model
        self.states[number] = State(AVAILABLE)
        self._metrics.version.set(number)
        _log.info("version %d (%s): serves", number, model.name)
        if old:
            self.states[old.number] = State(END)
            old.retire()
        return True

    def _loaded(self, number: int) -> ModelProcess:
        folder = self._folder / str(number)
        versions.verify(folder)
        version = versions.read(folder)
        return ModelProcess(version, self._threads, self._settings.max_batch)

    async def close(self) -> None:
        """Ends the model's process, when no request is left."""
        if self.current:
            model, self.current = self.current, None
            await asyncio.to_thread(model.close)
