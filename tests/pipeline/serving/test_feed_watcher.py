"""Feeds that change while versions are loaded, with stand-ins for their processes.

``test_rules_as_served.py`` has a feed, a server and real models.
"""

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.serving import feed_watcher
from pipeline.serving.feed_watcher import FeedWatcher
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.settings import ServingSettings
from pipeline.serving.version_watcher import LiveModel, Prepare
from trainer_modules.configs.list_rules import Feed, Rules
from trainer_modules.item_feed import FeedError

GOOD = "item_id,available\n17,false\n"
TWICE = "item_id,available,available\n17,false,true\n"


class StandIn:
    """A loaded version of which a feed leaves some items."""

    alive = True

    def __init__(self, number, path, left=5):
        self.number, self.name, self.left = number, "model", left
        self.rules = Rules(feed=Feed(str(path)))
        self.is_closed, self.calls = False, 0

    async def connect(self):
        pass

    async def ask(self, signature, requests):
        assert signature == "update_items"
        self.calls += 1
        return [{"num_listed": np.int64(self.left), "num_unknown": np.int64(0)}]

    async def close(self):
        self.is_closed = True

    def retire(self):
        self.is_closed = True


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def feed(tmp_path):
    path = tmp_path / "feed.csv"
    path.write_text(GOOD)
    return path


def num_problems(metrics):
    [family] = [
        family
        for family in metrics.registry.collect()
        if family.name == "marquee_load_failures"
    ]
    return sum(
        sample.value
        for sample in family.samples
        if sample.labels.get("what") == "feed" and sample.name.endswith("_total")
    )


async def nothing(model):
    del model


def always(model):
    del model
    return True


async def looked(live):
    """Looks for a newer version, and waits until it is loaded."""
    await live.look()
    await live.loading


def live_model(metrics, prepare, stand_ins):
    """A ``LiveModel`` that loads stand-ins, each time the one of its number."""
    live = LiveModel(Path("none"), 1, ServingSettings(), metrics, prepare)
    live._forgotten = frozenset
    live._newer = lambda than: sorted(
        number
        for number in stand_ins
        if number > than and (number not in live.states or live.states[number].is_due)
    )
    live._loaded = lambda number: stand_ins[number]()
    return live


@pytest.mark.parametrize("content", [GOOD, TWICE], ids=["leaves nothing", "malformed"])
def test_a_stand_in_for_a_version_that_no_feed_fits_goes_live(metrics, feed, content):
    made = []

    def second():
        made.append(StandIn(2, feed, left=0))
        return made[-1]

    async def run():
        feeds = FeedWatcher(metrics)
        versions = {1: lambda: StandIn(1, feed)}
        live = live_model(metrics, Prepare(feeds.look, nothing, always), versions)
        await looked(live)
        first = live.current
        feed.write_text(content)
        versions[2] = second
        for _ in range(3):
            await looked(live)
        assert first.is_closed
        assert live.current is made[0]
        assert live.is_ready

    asyncio.run(run())
    assert [version.is_closed for version in made] == [False]
    assert num_problems(metrics) == 1


def test_a_stand_in_whose_feed_cannot_be_applied_is_closed(metrics, feed):
    version = StandIn(1, feed)

    async def fail(model):
        raise RuntimeError("a fault of ours")

    async def run():
        live = live_model(metrics, Prepare(fail, nothing, always), {1: lambda: version})
        await looked(live)
        assert live.current is None
        assert live.states[1].error == "a fault of ours"

    asyncio.run(run())
    assert version.is_closed


def test_a_stand_in_has_the_feed_before_it_is_served(metrics, feed):
    order = []

    async def run():
        async def apply_feed(model):
            order.append(("feed", live.current))

        async def read_ratings(model):
            order.append(("ratings", live.current))

        version = StandIn(1, feed)
        prepare = Prepare(apply_feed, read_ratings, always)
        versions = {1: lambda: version}
        live = live_model(metrics, prepare, versions)
        await looked(live)
        assert order == [("feed", None), ("ratings", version)]
        # And again after the ratings, which may take minutes to read.
        order.clear()
        versions[2] = lambda: StandIn(2, feed)
        await looked(live)
        assert order == [(what, version) for what in ("feed", "ratings", "feed")]
        assert live.current.number == 2

    asyncio.run(run())


def test_a_stand_in_without_its_ratings_replaces_none_that_has_them(metrics, feed):
    unread = {2}

    async def run():
        first, second = StandIn(1, feed), StandIn(2, feed)
        versions = {1: lambda: first, 2: lambda: second}
        prepare = Prepare(nothing, nothing, lambda model: model.number not in unread)
        live = live_model(metrics, prepare, {1: versions[1]})
        await looked(live)
        live = live_model(metrics, prepare, versions)
        live.current = first
        await looked(live)
        assert live.current is first
        assert second.is_closed
        assert "cannot be read" in live.states[2].error
        unread.clear()
        live.states[2].next_attempt = 0
        await looked(live)
        assert live.current is second
        assert first.is_closed

    asyncio.run(run())


def test_while_a_stand_in_loads_another_is_withdrawn_and_loads_once(metrics, feed):
    loaded = []

    async def run():
        first, go_on = StandIn(1, feed), asyncio.Event()

        async def wait(model):
            loaded.append(model.number)
            if model.number == 2:
                await go_on.wait()

        versions = {1: lambda: first}
        live = live_model(metrics, Prepare(wait, nothing, always), versions)
        await looked(live)
        versions[2] = lambda: StandIn(2, feed)
        await asyncio.gather(live.look(), live.look())
        await asyncio.sleep(0.1)
        live._forgotten = lambda: frozenset({1})
        await live.look()
        assert live.current is None
        assert first.is_closed
        go_on.set()
        await live.loading
        assert live.current.number == 2
        assert loaded == [1, 2]

    asyncio.run(run())


def test_a_stand_ins_feed_that_could_not_be_read_once_is_read_again(
    metrics, feed, monkeypatch
):
    def fail(path, rules):
        del rules
        try:
            raise OSError("too many open files")
        except OSError as error:
            raise FeedError(f"{path} cannot be read") from error

    async def run():
        feeds, version = FeedWatcher(metrics), StandIn(1, feed)
        with monkeypatch.context() as patched:
            patched.setattr(feed_watcher, "read_feed", fail)
            for _ in range(2):
                await feeds.look(version)
        assert (version.calls, num_problems(metrics)) == (0, 1)
        for _ in range(2):
            await feeds.look(version)
        assert version.calls == 1
        feed.chmod(0o600)  # as of a file that could not be read
        await feeds.look(version)
        assert version.calls == 2

    asyncio.run(run())


def test_each_kind_of_problem_of_a_stand_ins_feed_is_counted(metrics, feed):
    async def run():
        feeds, version = FeedWatcher(metrics), StandIn(1, feed)
        os.utime(feed, (1e9, 1e9))
        for _ in range(2):  # stale, once
            await feeds.look(version)
        assert num_problems(metrics) == 1
        await feeds.look(StandIn(2, feed))
        assert num_problems(metrics) == 1
        feed.write_text("item_id,available\n17,maybe\n")
        for _ in range(2):
            await feeds.look(version)
        assert num_problems(metrics) == 2
        feed.write_text("item_id,available\n17,perhaps\n")
        await feeds.look(version)
        assert version.calls == 1
        feed.write_text(GOOD)
        await feeds.look(version)
        assert version.calls == 2

    asyncio.run(run())


def test_stand_ins_with_feeds_of_their_own_have_their_own_problems(
    metrics, feed, tmp_path, caplog
):
    other = tmp_path / "other.csv"
    other.write_text(GOOD)
    os.utime(feed, (1e9, 1e9))

    async def run():
        feeds = FeedWatcher(metrics)
        versions = StandIn(1, feed), StandIn(2, other)
        for version in versions * 2:
            await feeds.look(version)

    asyncio.run(run())
    stale = [record.message for record in caplog.records if "stale" in record.message]
    assert len(stale) == 1
    assert stale[0].startswith(f"{feed} is stale")
