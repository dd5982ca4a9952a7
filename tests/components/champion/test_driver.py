"""When Champion runs again, on a real metadata store: a step with its driver."""

import shutil

import pytest
from tfx import v1 as tfx
from tfx.v1.dsl.components import OutputArtifact, Parameter, component
from tfx.v1.types.standard_artifacts import Model

from components.champion.component import Champion
from components.champion.driver import Driver
from components.live_models import push, rollback
from pipeline.runs.local_runner import run_locally
from trainer_modules.model_card import ModelCard, write_card


@component
def choose(live_folder: Parameter[str], champion: OutputArtifact[Model]):
    champion.set_string_custom_property("looked_at", live_folder)


choose.DRIVER_CLASS = Driver


@pytest.fixture
def state(tmp_path):
    """Runs the step once more: ``done``, or ``cached``."""
    runs = []

    def run():
        pipeline = tfx.dsl.Pipeline(
            "test",
            str(tmp_path / "artifacts"),
            components=[choose(live_folder=str(tmp_path / "live"))],
            enable_cache=True,
            metadata_connection_config=(
                tfx.orchestration.metadata.sqlite_metadata_connection_config(
                    str(tmp_path / "metadata.sqlite")
                )
            ),
        )
        runs.append(f"run{len(runs)}")
        [step] = run_locally(pipeline, runs[-1], lambda _: None, lambda _: None)
        assert step.error is None, step.error
        return step.state

    return run


def test_champion_chooses_anew_only_when_a_person_changed_the_live_folder(
    state, tmp_path
):
    assert Champion.DRIVER_CLASS is Driver
    live = tmp_path / "live"
    for name in "ab":
        write_card(str(tmp_path / name), ModelCard("fm", 1, {}, origin=name))
    assert [state(), state()] == ["done", "cached"]  # nothing passes, nothing is live
    for name in "ab":
        push.push(tmp_path / name, live, keep=5)
        assert state() == "cached"
    rollback.roll_back(live, None)  # what it left is withdrawn
    assert [state(), state()] == ["done", "cached"]
    shutil.rmtree(live)
    assert [state(), state()] == ["done", "cached"]
    push.push(tmp_path / "a", live, keep=5)
    assert state() == "cached"
    shutil.rmtree(live / "1")  # the only one; hidden files stay
    assert [state(), state()] == ["done", "cached"]
