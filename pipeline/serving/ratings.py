"""The newest ratings and titles at hand, read again when there are newer ones."""

import asyncio
import dataclasses
import logging
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from pipeline import runs
from pipeline.histories import Histories, files_of
from pipeline.serving.metrics import Metrics
from pipeline.titles import Titles

_log = logging.getLogger(__name__)
RETRY_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Known:
    """What the ratings and the catalogue say.

    Attributes:
      folders: they were read from.
      histories: of the users.
      titles: of the items.
    """

    folders: tuple[Path, Path]
    histories: Histories
    titles: Titles


class NewestRatings:
    """What is known of users and items; ``current`` is None until it was read."""

    def __init__(self, out: Path, metrics: Metrics):
        """Reads nothing yet.

        Args:
          out: folder of the runs.
          metrics: that count what could not be read.
        """
        self.current: Known | None = None
        self._out, self._metrics = out, metrics
        self._not_before = 0.0

    async def look(self) -> None:
        """Reads the newest ratings, if they were not read yet."""
        read = self.current.folders if self.current else None
        if time.monotonic() < self._not_before:
            return
        try:
            found = await asyncio.to_thread(runs.newest_data, self._out)
            if found == read:
                return
            # In a process of its own: requests would wait for what is read here.
            reader = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            reading = reader.submit(_read, *found)
            reader.shutdown(wait=False)
            self.current = await asyncio.wrap_future(reading)
        except runs.RunNotFoundError:  # before the first run
            return
        except Exception:  # what was read before goes on
            self._not_before = time.monotonic() + RETRY_SECONDS
            self._metrics.load_failures.labels("ratings").inc()
            _log.exception("the ratings in %s cannot be read", self._out)
            return
        _log.info("%d users are known", len(self.current.histories))


def _read(examples: Path, catalogue: Path) -> Known:
    from components.catalogue_gen import read_catalogue

    histories = Histories(files_of(str(examples)))
    titles = Titles(read_catalogue(str(catalogue)))
    return Known((examples, catalogue), histories, titles)
