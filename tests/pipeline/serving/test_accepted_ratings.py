"""The server uses the ratings with which each version was accepted."""

import asyncio

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.live_models.versions import Version
from pipeline.serving import accepted_ratings
from pipeline.serving.errors import RequestError
from pipeline.serving.prometheus_metrics import Metrics
from tests.support.examples import write_ratings
from tests.support.metadata_store import StoreWriter
from trainer_modules import features as f


class Model:
    """What is known of a process that has loaded a version."""

    def __init__(self, number, origin):
        self.number = number
        self.version = Version(number, None, "m", origin, "now", None)


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(accepted_ratings, "aside", lambda read, data: read(data))

    class World:
        out = tmp_path
        store = StoreWriter(tmp_path)
        metrics = Metrics()

        def __init__(self):
            self.known = accepted_ratings.AcceptedRatings(self.out, self.metrics)

        def read(self, number, user, **source):
            """What a run reads: one user's ratings."""
            data = self.store.read(f"r{number}", number, **source)
            examples = self.out / f"artifacts/RatingsExampleGen/examples/{number}"
            write_ratings(examples / "Split-train" / "data.gz", {user: {"1": 5.0}})
            catalogue = self.out / f"artifacts/CatalogueGen/catalogue/{number + 1}"
            table = pa.table({f.ITEM_ID: ["1"], "title": [f"Title {number}"]})
            pq.write_table(table, catalogue / f.CATALOGUE_FILE)
            return data

        def accept(self, number, data, **judged):
            return self.store.judge(f"r{number}", data, number, **judged)

        def users(self, model):
            asyncio.run(self.known.look(model))
            try:
                known = self.known.of(model)
            except RequestError:
                return None
            else:
                return list(known.histories), known.titles.of("1")

        def failures(self):
            counter = self.metrics.load_failures.labels("ratings")
            return counter._value.get()

    return World()


def test_each_version_has_the_ratings_that_it_was_accepted_with(world):
    first = world.accept(10, world.read(10, "ann"), pushes=True)
    other = world.read(20, "bob", source="/data/other.csv")
    second = world.accept(20, other, live=first, pushes=True)
    old, new = Model(1, first), Model(2, second)
    assert world.users(old) == (["ann"], "Title 10")
    # The version that takes over is read before it does, and the old one is not lost.
    assert world.users(new) == (["bob"], "Title 20")
    assert list(world.known.of(old).histories) == ["ann"]


def test_newer_ratings_are_read_when_they_are_accepted_and_not_before(world):
    origin = world.accept(10, world.read(10, "ann"), pushes=True)
    live = Model(1, origin)
    assert world.users(live) == (["ann"], "Title 10")
    newer = world.read(20, "bob")
    assert world.users(live) == (["ann"], "Title 10")
    world.accept(20, newer, live=origin)
    assert world.users(live) == (["bob"], "Title 20")


def test_the_same_data_are_not_read_again(world):
    data = world.read(10, "ann")
    origin = world.accept(10, data, pushes=True)
    live, restored = Model(1, origin), Model(2, origin)
    world.users(live)
    known = world.known.of(live)
    world.accept(11, data, live=origin)
    assert world.users(restored) == (["ann"], "Title 10")
    assert world.known.of(restored) is known


def test_without_the_store_a_version_has_no_ratings_and_a_known_one_keeps_its_own(
    world, caplog
):
    origin = world.accept(10, world.read(10, "ann"), pushes=True)
    live, restored = Model(1, origin), Model(2, origin)
    assert world.users(live) == (["ann"], "Title 10")
    (world.out / "metadata.sqlite").rename(world.out / "elsewhere")
    for _ in range(3):
        assert world.users(live) == (["ann"], "Title 10")
    assert world.failures() == 1  # it is logged once
    assert "metadata.sqlite is missing" in caplog.text
    assert world.users(restored) is None
    (world.out / "elsewhere").rename(world.out / "metadata.sqlite")
    assert world.users(live) == (["ann"], "Title 10")
    assert world.users(restored) == (["ann"], "Title 10")
