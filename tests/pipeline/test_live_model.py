"""Which model LiveEvaluator judges."""

import pytest
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.pusher import versions
from pipeline.live_model import LiveModelStrategy
from trainer_modules.model_card import write_card


@pytest.fixture
def world(tmp_path):
    class World:
        def __init__(self):
            self.inputs = {"champion": [], "candidates": []}
            self.live = tmp_path / "live"

        def champion(self, number, origin=None):
            """One that was chosen; without an origin, where nothing was."""
            model = standard_artifacts.Model()
            model.uri, model.id = str(tmp_path / str(number)), number
            if origin:
                folder = path_utils.serving_model_path(model.uri)
                write_card(folder, {"model": "fm", "origin": origin})
            self.inputs["champion"].insert(0, model)
            return model

        def pushed(self, number, origin):
            model = self.champion(number, origin)
            folder = path_utils.serving_model_path(model.uri)
            versions.push(tmp_path / folder, self.live, keep=9)
            return model

        def candidate(self, uri):
            model = standard_artifacts.Model()
            model.uri = uri
            self.inputs["candidates"].append(model)

        def found(self):
            strategy = LiveModelStrategy(str(self.live))
            found = strategy.resolve_artifacts(None, self.inputs)
            assert found["candidates"] == []
            return found["champion"]

    return World()


def test_nothing_is_live_before_the_first_push(world):
    world.candidate("Trainer/1")
    assert world.found() == []
    world.champion(3, "Trainer/0")
    world.champion(4)
    assert world.found() == []


def test_the_folder_of_versions_says_what_is_live(world):
    world.candidate("Trainer/9")
    world.pushed(3, "Trainer/1")
    latest = world.pushed(5, "Trainer/2")
    world.champion(12, "Trainer/3")
    assert world.found() == [latest]


def test_after_a_rollback_the_older_one_is_live(world):
    older = world.pushed(3, "Trainer/1")
    world.pushed(5, "Trainer/2")
    versions.rollback(world.live, None)
    assert world.found() == [older]


def test_a_candidate_that_is_live_already_is_not_judged_twice(world):
    world.pushed(3, "Trainer/1")
    world.candidate("Trainer/2")
    assert len(world.found()) == 1
    world.candidate("Trainer/1")
    assert world.found() == []


def test_what_the_live_candidate_replaced_is_found_as_when_it_was_judged(world):
    replaced = world.pushed(3, "Trainer/1")
    world.pushed(7, "Trainer/2")
    world.candidate("Trainer/2")
    assert world.found() == [replaced]


def test_a_live_model_that_the_store_does_not_know_is_not_found(world):
    world.pushed(3, "Trainer/1")
    world.inputs["champion"].clear()
    world.candidate("Trainer/9")
    assert world.found() == []
