"""Serves the newest version that is intact and can be loaded.

The folder of versions is checked every second. A new version is compared with its
checksums, loaded and warmed while the old one serves, and takes over between two
requests; the old one ends after its last request. A rollback is a new version like any
other. A version that cannot be loaded is tried again at growing intervals, unless its
files differ from those that were pushed.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from components.live_models import version_ledger, versions
from pipeline.serving.errors import RequestError
from pipeline.serving.model_process import LoadError, ModelProcess, RefusedError
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.settings import ServingSettings

_log = logging.getLogger(__name__)
MODEL_NAME = "recommender"  # in the paths of TensorFlow Serving's REST API
AVAILABLE, LOADING, END = "AVAILABLE", "LOADING", "END"  # TensorFlow Serving's words
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 300.0  # each wait doubles


@dataclasses.dataclass
class State:
    """State of a version since the server started.

    Attributes:
        state: TensorFlow Serving's name of the state.
        error: Why the version could not be loaded; empty if there was no error.
        wait: Seconds from the last failure to the next attempt; 0 without a failure.
        next_attempt: Time of the next attempt, on the monotonic clock.
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


class Prepare(NamedTuple):
    """What a loaded version awaits.

    Attributes:
        apply_feed: Awaited before it is served: no list has what is sold out.
        read_ratings: Awaited before it takes over from another version, and after the
            first one is served: that answers other requests meanwhile.
        has_ratings: Whether its ratings have been read.
    """

    apply_feed: Callable[[ModelProcess], Awaitable[None]]
    read_ratings: Callable[[ModelProcess], Awaitable[None]]
    has_ratings: Callable[[ModelProcess], bool]


class LiveModel:
    """The model of a folder of versions; belongs to one event loop.

    Attributes:
        states: State of each version that was found.
        current: The served version; None if there is none.
        loading: The search for a newer version, while one is in progress.
    """

    def __init__(
        self,
        folder: Path,
        threads: int,
        settings: ServingSettings,
        metrics: Metrics,
        prepare: Prepare,
    ):
        """Starts without a model.

        Args:
            folder: Folder of the versions.
            threads: Number of threads that one call of the model may use.
            settings: Settings of the server.
            metrics: Metrics that count failed versions.
            prepare: What a loaded version awaits.
        """
        self.states: dict[int, State] = {}
        self.current: ModelProcess | None = None
        self.loading: asyncio.Task[None] | None = None
        self._read: ModelProcess | None = None
        self._folder, self._threads = folder, threads
        self._settings, self._metrics = settings, metrics
        self._prepare = prepare

    @contextlib.contextmanager
    def held(self, number: int | None = None) -> Iterator[ModelProcess]:
        """Yields the served model, which is not closed before the block ends.

        Args:
            number: Version that the client requested; None means the served one.

        Raises:
            RequestError: If another version is served (404), or none (503).
        """
        model = self.current
        if model is None or number not in (None, model.number):
            requested = f"Latest({MODEL_NAME})"
            if number is not None:
                requested = f"Specific({MODEL_NAME}, {number})"
            raise RequestError(
                404 if model or number is not None else 503,
                f"Servable not found for request: {requested}",
            )
        model.acquire()
        try:
            yield model
        finally:
            model.release()

    @property
    def number(self) -> int:
        """Number of the served version; 0 if there is none."""
        return self.current.number if self.current and self.current.alive else 0

    @property
    def is_ready(self) -> bool:
        """Whether a version is served, and its ratings have been read or cannot be."""
        return self.number > 0 and self._read is self.current

    async def look(self) -> None:
        """Stops serving what must not be served, and starts to load a newer version.

        If the process of the served version has ended, that version is loaded again; if
        that fails, the newest earlier version that can be loaded. A version that had
        learned from what `marquee forget` removed is no longer served, also while
        another one is loading.
        """
        if self.current and not self.current.alive:
            _log.error("version %d: its process has ended", self.current.number)
            self._metrics.load_failures.labels("version").inc()
            self._let_go(self.current)
        forgotten = await asyncio.to_thread(self._forgotten)
        if self.current and self.current.number in forgotten:
            _log.warning("version %d was withdrawn by a person", self.current.number)
            self.leave()
        if self.loading and self.loading.done():
            ended, self.loading = self.loading, None
            ended.result()  # an error that was not expected is logged by the caller
        if self.loading is None:
            self.loading = asyncio.create_task(self._load_newer())

    async def _load_newer(self) -> None:
        served = self.current.number if self.current else 0
        for number in await asyncio.to_thread(self._newer, served):
            if await self._load(number):
                return

    def leave(self) -> None:
        """Serves no version any more, until one is found again."""
        if self.current:
            left = self.current
            self._let_go(left)
            left.retire()

    def _let_go(self, current: ModelProcess) -> None:
        """Serves no version until another one is loaded."""
        self.states[current.number] = State(END)
        self.current = None

    def _forgotten(self) -> frozenset[int]:
        """Returns the versions that must not be served any more."""
        try:
            return version_ledger.forgotten(self._folder)
        except (OSError, versions.VersionError) as error:  # the next check may succeed
            _log.warning("%s", error)
            return frozenset()

    def _newer(self, than: int) -> list[int]:
        """Returns the later versions that may be loaded now, newest first."""
        try:
            known = versions.numbers(self._folder)
        except OSError as error:  # the next check may succeed
            _log.warning("%s", error)
            return []
        waiting = {n for n, state in self.states.items() if not state.is_due}
        unwanted = waiting | self._forgotten()
        return sorted({n for n in known if n > than} - unwanted, reverse=True)

    async def _load(self, number: int) -> bool:
        """Replaces the served version; returns whether that succeeded."""
        _log.info("version %d: loading", number)
        before = self.states.get(number, State(LOADING))
        self.states[number] = State(LOADING)
        try:
            model = await asyncio.to_thread(self._loaded, number)
            try:
                await model.connect()
                await self._prepare.apply_feed(model)
                if self.current:
                    await self._prepare.read_ratings(model)
                    self._check_ratings(model)
                    # It may have changed while the ratings were read.
                    await self._prepare.apply_feed(model)
            except Exception:
                await model.close()
                raise
        except (versions.DamagedError, RefusedError) as error:
            self.states[number] = State(END, str(error))
            self._metrics.load_failures.labels("version").inc()
            _log.error("version %d is refused: %s", number, error)
            return False
        except Exception as error:  # the old version remains in use
            problem = str(error) or repr(error)
            wait = min(2 * before.wait or FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS)
            self.states[number] = State(LOADING, problem, wait, time.monotonic() + wait)
            self._metrics.load_failures.labels("version").inc()
            _log.error(
                "version %d cannot be loaded: %s. Next attempt in %g s.",
                *(number, problem, wait),
            )
            return False
        old, self.current = self.current, model
        self.states[number] = State(AVAILABLE)
        _log.info("version %d (%s): serving", number, model.name)
        if old:
            self.states[old.number] = State(END)
            old.retire()
        else:
            await self._prepare.read_ratings(model)
        self._read = model
        return True

    def _check_ratings(self, model: ModelProcess) -> None:
        """Raises LoadError if only the served version's ratings could be read."""
        has_ratings = self._prepare.has_ratings
        if self.current and has_ratings(self.current) and not has_ratings(model):
            raise LoadError(
                "the ratings that it was accepted with cannot be read, and version "
                f"{self.current.number} has its own"
            )

    def _loaded(self, number: int) -> ModelProcess:
        folder = self._folder / str(number)
        versions.verify(folder)
        version = versions.read(folder)
        return ModelProcess(version, self._threads, self._settings.max_batch)

    async def close(self) -> None:
        """Ends the model's process when no request is left."""
        if self.loading:
            self.loading.cancel()
        if self.current:
            model, self.current = self.current, None
            await model.close()
