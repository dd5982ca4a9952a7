"""Which version answers: the newest that is whole and can be loaded.

The folder of versions is looked at now and then. A new version is checked against its
checksums, loaded and warmed beside the one that answers, and takes over between two
requests; the old one goes when its last request has ended. A rollback is a new version
like any other.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

from components.pusher import versions
from components.pusher.versions import Version
from pipeline.serving.errors import RequestError
from pipeline.serving.metrics import Metrics
from pipeline.serving.process import ModelProcess
from pipeline.serving.settings import ServingSettings

_log = logging.getLogger(__name__)
MODEL_NAME = "recommender"  # in the paths of TensorFlow Serving's REST API
AVAILABLE, LOADING, END = "AVAILABLE", "LOADING", "END"  # TensorFlow Serving's words


@dataclasses.dataclass
class State:
    """Of a version, since the server started.

    Attributes:
      state: as TensorFlow Serving calls it.
      error: why it was refused; empty where it was not.
    """

    state: str
    error: str = ""


class LiveModel:
    """The model of a folder of versions; belongs to one event loop."""

    def __init__(
        self, folder: Path, threads: int, settings: ServingSettings, metrics: Metrics
    ):
        """Loads nothing yet.

        Args:
          folder: of the versions.
          threads: that one call of the model may use.
          settings: of the server.
          metrics: that count what was refused.
        """
        self.states: dict[int, State] = {}
        self.current: ModelProcess | None = None
        self._folder, self._threads = folder, threads
        self._settings, self._metrics = settings, metrics

    @contextlib.contextmanager
    def held(self, number: int | None = None) -> Iterator[ModelProcess]:
        """The model that answers, which is not closed meanwhile.

        Args:
          number: the version that is asked for; None takes the one that answers.

        Raises:
          RequestError: another one answers (404), or none yet (503).
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

    async def look(self) -> None:
        """Takes over a newer version, if there is one."""
        if self.current and not self.current.alive:
            _log.error("version %d: its process has ended", self.current.number)
            self._metrics.load_failures.labels("version").inc()
            del self.states[self.current.number]
            self.current = None
        served = self.current.number if self.current else 0
        for version in await asyncio.to_thread(self._newer, served):
            if await self._load(version):
                return

    def _newer(self, than: int) -> list[Version]:
        """Versions after one, the newest first, without those that were refused."""
        try:
            known = versions.versions(self._folder)
        except versions.VersionError as error:  # pruned just now, or not readable
            _log.warning("%s", error)
            return []
        return [
            version
            for version in reversed(known)
            if version.number > than and version.number not in self.states
        ]

    async def _load(self, version: Version) -> bool:
        """Puts a version in the place of the present one; False where it is refused."""
        _log.info("version %d (%s): loading", version.number, version.model)
        self.states[version.number] = State(LOADING)
        try:
            model = await asyncio.to_thread(self._loaded, version)
        except Exception as error:  # whatever it is, the old version goes on
            self.states[version.number] = State(END, str(error) or repr(error))
            self._metrics.load_failures.labels("version").inc()
            _log.error("version %d is refused: %s", version.number, error)
            return False
        old, self.current = self.current, model
        self.states[version.number] = State(AVAILABLE)
        self._metrics.version.set(version.number)
        _log.info("version %d (%s): serves", version.number, version.model)
        if old:
            self.states[old.number] = State(END)
            old.retire()
        return True

    def _loaded(self, version: Version) -> ModelProcess:
        versions.verify(version.folder)
        return ModelProcess(version, self._threads, self._settings.max_batch)

    async def close(self) -> None:
        """Ends the model's process, when no request is left."""
        if self.current:
            model, self.current = self.current, None
            await asyncio.to_thread(model.close)
