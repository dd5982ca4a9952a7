"""Applies a feed of available items to the served version when its file changes.

The file is checked several times per second, so that an item that is out of stock
disappears from lists within one second. It is read and parsed in a thread of its own,
which no request keeps busy. Each feed that cannot be used is logged and counted once,
and the last good one remains in use.
"""

import asyncio
import logging
import os
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.recommend.list_rules import UPDATE
from pipeline.serving.errors import RequestError
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.prometheus_metrics import Metrics
from trainer_modules.configs.list_rules import Feed
from trainer_modules.item_feed import FeedError, FeedRows, read_feed

_log = logging.getLogger(__name__)
LOOK_SECONDS = 0.2

_ReadAs = tuple[object, ...]  # the path of a feed, and what the rules read of it
_Result = TypeVar("_Result")


class FeedWatcher:
    """The feed of each loaded version; belongs to one event loop."""

    def __init__(self, metrics: Metrics):
        """Starts without a feed.

        Args:
            metrics: Metrics of the feed.
        """
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "feed")
        # The live version and the one on trial may have different feeds.
        self._good: dict[_ReadAs, FeedRows] = {}  # the last ones
        # What was reported of each: of its file as it is now, and that it was stale.
        self._unused: dict[_ReadAs, object] = {}
        self._stale: dict[_ReadAs, object] = {}
        # The state of the file when it was looked at last.
        self._seen: weakref.WeakKeyDictionary[ModelProcess, object] = (
            weakref.WeakKeyDictionary()
        )
        self._one_at_a_time = asyncio.Lock()

    async def look(self, model: ModelProcess) -> None:
        """Applies the feed to a version, unless the file is as it was."""
        if model.rules is None or model.rules.feed is None:
            return
        rules, feed = model.rules, model.rules.feed
        read_as = (feed.path, *rules.feed_fields, rules.minimum_age)
        async with self._one_at_a_time:
            state = await self._aside(lambda: _state_of(feed))
            is_new, is_changed = model not in self._seen, self._seen.get(model) != state
            self._seen[model] = state
            try:
                if is_changed:
                    rows = await self._aside(lambda: read_feed(feed.path, rules))
                    await self._apply(model, feed, rows)
                    self._good[read_as] = rows
                    self._unused.pop(read_as, None)
            except FeedError as error:
                if isinstance(error.__cause__, OSError):
                    del self._seen[model]  # it may be readable the next time
                unused = f"the feed is not used: {error}"
                self._report(unused, self._unused, read_as, unused)
                if is_new and read_as in self._good:
                    await self._apply_former(model, feed, self._good[read_as])
                return
            good = self._good.get(read_as)
            if good and (problem := good.problem(feed)):
                self._report(problem, self._stale, read_as, good.written)

    async def _aside(self, function: Callable[[], _Result]) -> _Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function)

    async def _apply_former(
        self, model: ModelProcess, feed: Feed, rows: FeedRows
    ) -> None:
        """Applies the last good feed to a version that has just been loaded."""
        try:
            await self._apply(model, feed, rows)
        except FeedError as error:
            _log.error(
                "version %d: the feed before is not used either: %s. Its lists have "
                "what was available when it was trained",
                *(model.number, error),
            )

    async def _apply(self, model: ModelProcess, feed: Feed, rows: FeedRows) -> None:
        [answer] = await model.ask(UPDATE, [rows.inputs])
        if isinstance(answer, Exception):
            if isinstance(answer, RequestError) and answer.status == 503:
                return  # the process has ended: its successor gets the feed
            raise FeedError(f"{feed.path}: {answer}")
        if not answer["num_listed"]:
            raise FeedError(f"{feed.path} leaves no item to list")
        self._metrics.feed_time.set(rows.written)
        self._metrics.items_listed.set(int(answer["num_listed"]))
        self._metrics.feed_unknown.set(int(answer["num_unknown"]))
        _log.info(
            "version %d: %s applied: %d rows, %d items may be listed, %d unknown",
            *(model.number, feed.path, rows.num_rows),
            *(answer["num_listed"], answer["num_unknown"]),
        )

    def _report(
        self,
        problem: str,
        reported: dict[_ReadAs, object],
        read_as: _ReadAs,
        cause: object,
    ) -> None:
        """Logs and counts a problem, unless the last one had the same cause."""
        if reported.get(read_as) != cause:
            reported[read_as] = cause
            self._metrics.load_failures.labels("feed").inc()
            _log.error(problem)


def _state_of(feed: Feed) -> object:
    """Returns a value that changes when the file does, or is removed."""
    try:
        stat = os.stat(feed.path)
    except OSError:
        return "missing"
    # With the time of a change of its mode, which may make it readable.
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino
