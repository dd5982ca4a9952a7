"""What learned from an ID, in stores that are written here step by step."""

import pytest

from components.artifact_place import place_of
from components.live_models import push
from pipeline.forgetting.ids import Ids
from pipeline.forgetting.learned import find_learned
from pipeline.runs import retention
from tests.support.catalogue import write_catalogue
from tests.support.examples import write_ratings
from tests.support.metadata_store import StoreWriter
from trainer_modules.model_card import ModelCard, write_card

ZOE, I9 = Ids(users=frozenset({"zoe"})), Ids(items=frozenset({"i9"}))


class World:
    """A folder of runs, whose artifacts have names."""

    def __init__(self, out):
        self.out, self.store = out, StoreWriter(out)
        self.named = {}

    def step(self, step, made, **used):
        """Adds a step with one output; its inputs are given by their names."""
        number = len(self.named)
        self.named[made] = self.store.artifact(f"{step}/made/{number}")
        inputs = [(name, self.named[artifact]) for name, artifact in used.items()]
        self.store.step(step, "r1", inputs, [("made", self.named[made])])

    def data(self, made, **users):
        self.step("RatingsExampleGen", made)
        folder = self.folder(made)
        rated = {user: dict.fromkeys(items, 5.0) for user, items in users.items()}
        write_ratings(folder / "Split-train" / "data-0.gz", rated)

    def folder(self, name):
        return self.out / "artifacts" / place_of(self.named[name].uri)

    def push(self, model):
        folder = self.out / f"copy-of-{model}"
        origin = place_of(self.named[model].uri)
        write_card(str(folder), ModelCard(model, 1, {}, origin=origin))
        push.push(folder, self.out / "live", keep=9)

    def found(self, ids):
        """Names of the artifacts, and models of the versions, that learned."""
        learned = find_learned(self.out, ids)
        names = {a.id: name for name, a in self.named.items()}
        models = [(v.version.model, v.is_live, v.is_certain) for v in learned.versions]
        return {names[number] for number in learned.artifacts}, models


@pytest.fixture
def world(tmp_path):
    """Model a learned from ann, b from zoe too, c from ann but started from b."""
    world = World(tmp_path)
    world.data("old", ann=["i1"])
    world.step("Trainer_m", "a", examples="old")
    world.data("new", ann=["i1", "i9"], zoe=["i1"], zoey=["i1"])
    write_catalogue(world.folder("new"), [])
    world.step("CatalogueGen", "catalogue", examples="new")
    write_catalogue(world.folder("catalogue"), ["i1", "i9"])
    world.step("Tuner_m", "settings", examples="new")
    world.step("Trainer_m", "b", examples="new", hyperparameters="settings")
    world.step("Evaluator_m", "evaluation", model="b")
    world.data("newest", ann=["i1"])
    world.step("Trainer_m", "c", examples="newest", base_model="b")
    world.step("Trainer_m", "d", examples="newest", hyperparameters="settings")
    world.step("Champion", "decided", models="d", live_evaluation="evaluation")
    for model in "abcd":
        world.push(model)
    return world


def test_what_was_made_from_the_data_and_from_such_a_model_learned(world):
    artifacts, versions = world.found(ZOE)
    assert artifacts == {"new", "catalogue", "b", "evaluation", "c"}
    assert versions == [("b", False, True), ("c", False, True)]


def test_only_the_very_id_counts(world):
    for text in ("zo", "zoey2", "ann,zoe", ""):
        assert world.found(Ids(users=frozenset({text}))) == (set(), [])
    assert world.found(Ids(users=frozenset({"i1"}))) == (set(), [])


def test_everyone_has_learned_from_ann_and_the_live_version_is_marked(world):
    artifacts, versions = world.found(Ids(users=frozenset({"ann"})))
    assert artifacts == set(world.named) - {"settings"}
    assert [(model, is_live) for model, is_live, _ in versions] == [
        *(("a", False), ("b", False), ("c", False), ("d", True))
    ]


def test_an_item_is_found_in_histories_and_in_the_catalogue(world):
    assert world.found(I9)[1] == [("b", False, True), ("c", False, True)]
    (world.folder("old") / "Split-train").rename(world.folder("old") / "Split-x")
    write_catalogue(world.folder("catalogue"), ["i1", "lonely"])
    artifacts, versions = world.found(Ids(items=frozenset({"lonely"})))
    assert (artifacts, versions) == ({"catalogue"}, [])


def test_damaged_data_may_hold_any_id(world):
    path = world.folder("old") / "Split-train" / "data-0.gz"
    path.write_bytes(path.read_bytes()[:-9])
    artifacts, versions = world.found(ZOE)
    assert {"old", "a"} <= artifacts
    assert ("a", False, True) in versions


def test_a_version_whose_data_is_gone_may_have_learned(world):
    retention.mark_deleted(world.out, [world.named["old"].id])
    artifacts, versions = world.found(ZOE)
    assert ("a", False, False) in versions
    assert "old" in artifacts  # its files are still there


def test_a_version_of_another_store_may_have_learned(world):
    folder = world.out / "copy"
    write_card(str(folder), ModelCard("e", 1, {}, origin="Trainer_m/made/99"))
    push.push(folder, world.out / "live", keep=9)
    assert world.found(ZOE)[1][-1] == ("e", True, False)
