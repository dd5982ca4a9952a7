"""Which data a version serves from, of stores that are written here run by run."""

import shutil
from types import SimpleNamespace

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from benchmarks.store import clone_last_run, counted
from components.artifact_place import place_of
from components.live_models import push, rollback, versions
from pipeline.lineage import (
    NoAcceptedDataError,
    NoLineageError,
    accepted_data,
    needed_by_versions,
)
from pipeline.runs import retention
from tests.support.metadata_store import StoreWriter
from trainer_modules.model_card import ModelCard, write_card

OTHER = "/data/other.csv"


class World:
    """A folder of runs: each run's data have the requested number."""

    def __init__(self, out):
        self.out, self.store = out, StoreWriter(out)
        self.number, self.data, self.live = 10, {}, ""

    def read(self, name, **reading):
        """Reads data as a run does that is stopped by a gate."""
        self.number += 10
        self.data[name] = self.store.read(f"r{self.number}", self.number, **reading)

    def run(self, name, pushes=False, **state):
        """Judges the model of some data, which may have been read by an earlier run."""
        self.number += 10
        origin = self.store.judge(
            f"r{self.number}", self.data[name], self.number, self.live, pushes, **state
        )
        if pushes:
            folder = self.out / f"model{self.number}"
            write_card(str(folder), ModelCard("m", 1, {}, origin=origin))
            push.push(folder, self.out / "live", keep=9)
            self.live = origin

    def rollback(self, number=None):
        rollback.roll_back(self.out / "live", number)
        self.live = versions.live(self.out / "live").origin

    def serves(self, number=None):
        live = self.out / "live"
        version = versions.read(live / str(number)) if number else versions.live(live)
        found = accepted_data(self.out, version)
        [name] = [
            name
            for name, data in self.data.items()
            if place_of(data.examples.uri) == place_of(str(found.examples))
        ]
        assert place_of(str(found.catalogue)) == place_of(self.data[name].catalogue.uri)
        return name


@pytest.fixture
def world(tmp_path):
    """A was read and put a model live; it is version 1."""
    world = World(tmp_path / "out")
    world.read("A", threshold=">= 4")
    world.run("A", pushes=True)
    return world


def test_data_that_a_gate_stopped_are_not_served(world):
    world.read("B", source=OTHER)
    world.read("later", threshold="> 1")  # of the same file, too
    assert world.serves() == "A"


def test_a_cached_run_of_the_old_data_changes_nothing(world):
    world.read("B")
    world.run("A", pushes=False, state=mlmd.Execution.CACHED)
    assert world.serves() == "A"


def test_a_run_that_is_not_finished_is_not_served(world):
    world.read("B")
    for state in (mlmd.Execution.RUNNING, mlmd.Execution.FAILED):
        world.run("B", state=state)
        assert world.serves() == "A"


def test_newer_data_of_the_same_source_are_served_once_the_live_model_is_kept(world):
    world.read("newer")
    world.run("newer")
    assert world.serves() == "newer"


def test_another_source_is_not_served_by_a_model_that_never_learned_from_it(world):
    world.read("B", source=OTHER)
    world.run("B")
    assert world.serves() == "A"


def test_each_version_of_two_data_sets_in_turns_has_its_own(world):
    world.read("B", source=OTHER)
    world.run("B", pushes=True)
    assert (world.serves(), world.serves(1)) == ("B", "A")
    world.run("A", pushes=True)
    assert world.serves() == "A"
    world.run("B")
    assert world.serves() == "A"


def test_a_rollback_has_the_data_that_the_older_version_had_last(world):
    world.read("second night")
    world.run("second night")
    world.read("third night")
    world.run("third night", pushes=True)
    assert world.serves() == "third night"
    world.rollback()
    assert world.serves() == "second night"
    world.rollback(2)
    assert world.serves() == "third night"


def test_the_threshold_is_that_of_the_version(world):
    world.read("newer", threshold="> 1")
    world.run("newer")
    live = versions.live(world.out / "live")
    assert accepted_data(world.out, live).threshold == ">= 4"


def test_a_moved_folder_has_its_data_where_it_is_now(world):
    moved = world.out.rename(world.out.with_name("moved"))
    found = accepted_data(moved, versions.live(moved / "live"))
    assert found.examples.is_relative_to(moved)
    assert found.examples.is_dir()


def test_folders_are_told_by_their_whole_place_and_nothing_else(world):
    """LIKE takes an underscore for any character, and % for any text."""
    world.store.artifact("TrainerXm/model/20")
    world.store.artifact("1/Trainer_m/model/2")
    assert world.serves() == "A"


@pytest.mark.parametrize(
    "place", ["RatingsExampleGen/examples/20", "CatalogueGen/catalogue/21"]
)
def test_data_that_were_removed_are_an_error_that_says_what_to_do(world, place):
    world.read("B")
    shutil.rmtree(world.out / "artifacts" / place)
    told = rf"{place} is missing.*version 1 \(m\).*backup.*marquee run --data /data/rat"
    with pytest.raises(NoAcceptedDataError, match=told):
        world.serves()


def test_without_the_store_it_is_an_error_that_says_what_to_do(world):
    (world.out / "metadata.sqlite").unlink()
    with pytest.raises(NoLineageError, match="is missing.*backup"):
        world.serves()


def test_a_version_of_another_store_is_an_error_that_says_what_to_do(world):
    folder = world.out / "foreign"
    write_card(
        str(folder), ModelCard("m", 1, {}, origin="/elsewhere/Trainer_m/model/7")
    )
    push.push(folder, world.out / "live", keep=9)
    with pytest.raises(NoLineageError, match="another store.*backup"):
        world.serves()


def test_a_model_that_no_run_put_live_is_an_error(world):
    world.read("B")
    folder = world.out / "by hand"
    origin = world.data["B"].model.uri
    write_card(str(folder), ModelCard("m", 1, {}, origin=origin))
    push.push(folder, world.out / "live", keep=9)
    with pytest.raises(NoAcceptedDataError, match="no finished run.*marquee run"):
        world.serves()


def test_a_champion_of_before_this_was_recorded_is_found_by_its_card(world):
    folder = world.out / "artifacts/Champion/champion/30/Format-Serving"
    origin = "/old/place/artifacts/Trainer_m/model/20"
    write_card(str(folder), ModelCard("m", 1, {}, origin=origin))
    store = world.store.store
    [champion] = [a for a in store.get_artifacts() if a.uri == str(folder.parent)]
    champion.custom_properties["origin"].string_value = ""
    store.put_artifacts([champion])
    assert world.serves() == "A"


def test_what_all_versions_need_is_told_to_those_who_clean(world):
    world.read("second night")
    world.run("second night")
    # While it is live, the features of its lists are compared with its data.
    assert world.data["A"].examples.id in needed_by_versions(world.out).folders
    world.read("refused")
    world.read("B", source=OTHER)
    world.run("B", pushes=True)
    needed = needed_by_versions(world.out)
    kept = {"A", "second night", "B"}
    store = world.store.store
    runs = {
        context.name
        for execution in needed.executions
        for context in store.get_contexts_by_execution(execution)
        if context.type == "pipeline_run"
    }
    assert runs == {"r20", "r30", "r40", "r50", "r70", "r80"}  # of "refused" it is r60
    data = {
        name: SimpleNamespace(examples=d.examples.id, catalogue=d.catalogue.id)
        for name, d in world.data.items()
    }
    # A's model is needed, but not its data, which newer ones have replaced.
    assert data["A"].examples not in needed.folders
    for name in kept - {"A"}:
        assert {data[name].examples, data[name].catalogue} <= needed.folders
    for number in (30, 80):
        [champion] = [
            a.id
            for a in store.get_artifacts()
            if a.uri.endswith(f"Champion/champion/{number}")
        ]
        assert champion in needed.folders


def test_a_version_is_found_behind_many_runs_on_another_source(world):
    world.read("B", source=OTHER)
    for _ in range(25):
        world.run("B")
    assert world.serves() == "A"


def test_after_a_thousand_runs_no_more_is_read_from_the_store_than_after_a_dozen(world):
    """ML Metadata's answers are counted, while the newest run's data are found."""
    world.read("newest")
    world.run("newest")
    store = world.store.store
    [chosen, pushed] = [
        next(a for a in store.get_artifacts() if a.uri.endswith(place))
        for place in (f"champion/{world.number}", f"pushed_model/{world.number}")
    ]
    world.store.step(
        *("Pusher", "cached", [("model", chosen)], [("pushed_model", pushed)]),
        state=mlmd.Execution.CACHED,
    )

    def spent():
        with counted() as asked:
            assert world.serves() == "newest"
        return asked

    path, kept = world.out / "metadata.sqlite", world.out / "kept.sqlite"
    shutil.copy(path, kept)
    clone_last_run(path, 12)
    few = spent()
    shutil.copy(kept, path)
    clone_last_run(path, 1000)
    many = spent()
    assert many.calls == few.calls
    assert many.bytes < 1.1 * few.bytes


def test_data_that_were_forgotten_give_way_to_those_before(world):
    world.read("old")
    world.run("old", pushes=True)
    world.read("new")
    world.run("new")
    assert world.serves() == "new"
    new = world.data["new"]
    retention.mark_deleted(world.out, [new.examples.id, new.catalogue.id])
    assert world.serves() == "old"
