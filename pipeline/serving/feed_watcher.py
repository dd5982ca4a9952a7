"""Applies a feed of available items to the served version when its file changes.

The file is checked several times per second, so that an item that is out of stock
disappears from lists within one second. It is read and parsed in a thread. A feed that
cannot be used is logged and counted once, and the last good one remains in use.
"""

import asyncio
import logging
import os
import weakref

from pipeline.recommend.list_rules import UPDATE
from pipeline.serving.errors import RequestError
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.prometheus_metrics import Metrics
from trainer_modules.configs.list_rules import Feed
from trainer_modules.item_feed import FeedError, FeedRows, read_feed

_log = logging.getLogger(__name__)
LOOK_SECONDS = 0.2


class FeedWatcher:
    """The feed of each loaded version; belongs to one event loop."""

    def __init__(self, metrics: Metrics):
        """Starts without a feed.

        Args:
            metrics: Metrics of the feed.
        """
        self._metrics = metrics
        self._rows: FeedRows | None = None  # of the last good feed
        self._read_as: object = None  # its path, and what the rules read
        # The state of the file when it was looked at last.
        self._seen: weakref.WeakKeyDictionary[ModelProcess, object] = (
            weakref.WeakKeyDictionary()
        )
        self._one_at_a_time = asyncio.Lock()
        self._problem = ""

    async def look(self, model: ModelProcess) -> None:
        """Applies the feed to a version, unless the file is as it was."""
        if model.rules is None or model.rules.feed is None:
            return
        rules, feed = model.rules, model.rules.feed
        read_as = (feed.path, rules.feed_fields, rules.minimum_age)
        async with self._one_at_a_time:
            state = await asyncio.to_thread(_state_of, feed)
            is_new, is_changed = model not in self._seen, self._seen.get(model) != state
            self._seen[model] = state
            try:
                if is_changed:
                    rows = await asyncio.to_thread(read_feed, feed.path, rules)
                    await self._apply(model, feed, rows)
                    self._rows, self._read_as = rows, read_as
                    self._problem = ""
            except FeedError as error:
                self._report(f"the feed is not used: {error}")
                if is_new and self._rows and self._read_as == read_as:
                    await self._apply(model, feed, self._rows)
                return
            if self._rows and (problem := self._rows.problem(feed)):
                self._report(problem)

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

    def _report(self, problem: str) -> None:
        """Logs and counts a problem once, until the feed is good again."""
        if not self._problem:
            self._problem = problem
            self._metrics.load_failures.labels("feed").inc()
            _log.error(problem)


def _state_of(feed: Feed) -> object:
    """Returns a value that changes when the file does, or is removed."""
    try:
        stat = os.stat(feed.path)
    except OSError:
        return "missing"
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
