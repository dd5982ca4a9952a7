"""Which model LiveEvaluator judges, and which one Trainers may start from."""

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.live_models import push, rollback
from pipeline.live_model_resolver import BaseModelStrategy, LiveModelStrategy
from trainer_modules.model_card import ModelCard, write_card


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
                write_card(folder, ModelCard("fm", 1, {}, origin=origin))
            self.inputs["champion"].insert(0, model)
            return model

        def pushed(self, number, origin):
            model = self.champion(number, origin)
            folder = path_utils.serving_model_path(model.uri)
            push.push(tmp_path / folder, self.live, keep=9)
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
    rollback.roll_back(world.live, None)
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


@pytest.fixture
def lineage(world, tmp_path):
    """A real metadata store in which Trainers made models of transform graphs."""

    class Lineage:
        def __init__(self):
            config = metadata_store_pb2.ConnectionConfig()
            config.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
            self.store = mlmd.MetadataStore(config)
            self.trainer = self.store.put_execution_type(
                metadata_store_pb2.ExecutionType(name="Trainer")
            )
            self.graph, self.model = (
                self.store.put_artifact_type(metadata_store_pb2.ArtifactType(name=name))
                for name in ("TransformGraph", "Model")
            )

        def artifact(self, kind, uri=""):
            [number] = self.store.put_artifacts(
                [metadata_store_pb2.Artifact(type_id=kind, uri=uri)]
            )
            return number

        def trained(self, graph, *models, reads=()):
            """An execution that reads a graph, and other models, and makes models."""
            [execution] = self.store.put_executions(
                [
                    metadata_store_pb2.Execution(
                        type_id=self.trainer,
                        last_known_state=metadata_store_pb2.Execution.COMPLETE,
                    )
                ]
            )
            kinds = metadata_store_pb2.Event.Type
            read = [graph, *(self.artifact(self.model, uri) for uri in reads)]
            made = [self.artifact(self.model, uri) for uri in models]
            self.store.put_events(
                metadata_store_pb2.Event(
                    artifact_id=number, execution_id=execution, type=kind
                )
                for numbers, kind in ((read, kinds.INPUT), (made, kinds.OUTPUT))
                for number in numbers
            )

        def found(self, graph):
            this_run = standard_artifacts.TransformGraph()
            this_run.id = graph
            inputs = {
                "champion": world.inputs["champion"],
                "transform_graph": [this_run],
            }
            strategy = BaseModelStrategy(str(world.live))
            found = strategy.resolve_artifacts(self.store, inputs)
            assert found["transform_graph"] == []
            return found["champion"]

    return Lineage()


def test_a_start_is_the_live_model_of_other_data(world, lineage):
    last_month, now = (lineage.artifact(lineage.graph) for _ in range(2))
    lineage.trained(last_month, "Trainer/1", "Trainer/2")
    assert lineage.found(now) == []
    older = world.pushed(3, "Trainer/1")
    assert lineage.found(now) == [older]
    live = world.pushed(5, "Trainer/2")
    assert lineage.found(now) == [live]
    lineage.trained(now, "Trainer/3", reads=["Trainer/2"])
    assert lineage.found(now) == [live]


def test_a_model_of_the_same_data_is_no_start_for_itself(world, lineage):
    last_month, now = (lineage.artifact(lineage.graph) for _ in range(2))
    lineage.trained(last_month, "Trainer/1")
    first = world.pushed(3, "Trainer/1")
    lineage.trained(now, "Trainer/2")
    world.pushed(5, "Trainer/2")
    assert lineage.found(now) == [first]
    assert lineage.found(last_month) == [world.inputs["champion"][0]]
