"""Which model the candidates are compared with."""

import pytest
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from pipeline.live_model import LiveModelStrategy
from trainer_modules.model_card import write_card


@pytest.fixture
def world(tmp_path):
    class World:
        def __init__(self):
            self.inputs = {"champion": [], "blessing": [], "candidates": []}

        def champion(self, number, origin, blessed=1):
            model = standard_artifacts.Model()
            model.uri, model.id = str(tmp_path / str(number)), number
            write_card(path_utils.serving_model_path(model.uri), {"origin": origin})
            blessing = standard_artifacts.ModelBlessing()
            blessing.set_int_custom_property("blessed", blessed)
            blessing.set_string_custom_property("current_model", model.uri)
            self.inputs["champion"].insert(0, model)
            self.inputs["blessing"].append(blessing)
            return model

        def candidate(self, uri):
            model = standard_artifacts.Model()
            model.uri = uri
            self.inputs["candidates"].append(model)

        def found(self):
            found = LiveModelStrategy().resolve_artifacts(None, self.inputs)
            assert found["blessing"] == found["candidates"] == []
            return found["champion"]

    return World()


def test_nothing_is_live_before_the_first_blessing(world):
    world.candidate("Trainer/1")
    assert world.found() == []
    world.champion(3, "Trainer/0", blessed=0)
    assert world.found() == []


def test_the_champion_that_was_blessed_last_is_live(world):
    world.candidate("Trainer/9")
    world.champion(3, "Trainer/1")
    latest = world.champion(12, "Trainer/2")
    world.champion(5, "Trainer/3")
    world.champion(20, "Trainer/4", blessed=0)
    assert world.found() == [latest]


def test_a_candidate_that_is_live_already_is_no_baseline(world):
    world.champion(3, "Trainer/1")
    world.candidate("Trainer/2")
    assert len(world.found()) == 1
    world.candidate("Trainer/1")
    assert world.found() == []


def test_what_the_live_candidate_replaced_stays_the_baseline(world):
    replaced = world.champion(3, "Trainer/1")
    world.champion(7, "Trainer/2")
    world.candidate("Trainer/2")
    assert world.found() == [replaced]
