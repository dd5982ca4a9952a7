"""What the steps are given, read from the pipeline as TFX compiles it."""

import json

import pytest
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler

from components.anomaly_gate.schema import CURATED_SCHEMA
from pipeline.config import load_config
from pipeline.pipeline import create_pipeline

GRADIENT, CLOSED_FORM = ("neumf", "deepfm"), ("popularity", "mf_als")


@pytest.fixture
def compiled(tmp_path):
    """Compiles the pipeline of a configuration: its nodes by their ids."""
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("user_id,item_id,rating,timestamp\nu,i,4,1600000000\n")

    def nodes(*settings):
        models = [f"models.{name}={{}}" for name in (*GRADIENT, *CLOSED_FORM)]
        pipeline = create_pipeline(
            load_config(None, [*models, *settings]),
            ratings,
            pipeline_root=str(tmp_path / "artifacts"),
            live_folder=str(tmp_path / "live"),
            schema_path=CURATED_SCHEMA,
            metadata=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(tmp_path / "metadata.sqlite")
            ),
        )
        compiled = compiler.Compiler().compile(pipeline)
        return {
            node.pipeline_node.node_info.id: node.pipeline_node
            for node in compiled.nodes
        }

    return nodes


def test_trainers_may_start_from_the_live_model_only_if_that_is_wanted(compiled):
    nodes = compiled()
    assert "BaseModel" not in nodes
    for name in (*GRADIENT, *CLOSED_FORM):
        assert "base_model" not in nodes[f"Trainer_{name}"].inputs.inputs


def test_models_that_learn_by_gradients_are_given_the_live_one(compiled):
    nodes = compiled("train.warm_start=true")
    for name in GRADIENT:
        base_model = nodes[f"Trainer_{name}"].inputs.inputs["base_model"]
        [channel] = base_model.channels
        assert channel.producer_node_query.id == "BaseModel"
        assert channel.output_key == "champion"
        assert base_model.min_count == 0  # the first run has none
    for name in CLOSED_FORM:
        assert "base_model" not in nodes[f"Trainer_{name}"].inputs.inputs
    # It waits for no model of this run, or there would be a circle.
    [upstream] = nodes["BaseModel"].upstream_nodes
    assert upstream == "Transform"


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_trainer_is_told_whether_it_may_and_how_the_ratings_are_split(
    compiled, is_wanted
):
    nodes = compiled(
        f"train.warm_start={is_wanted}", "split.kind=temporal", "split.seed=3"
    )

    def told(name):
        parameters = nodes[f"Trainer_{name}"].parameters.parameters
        return json.loads(parameters["custom_config"].field_value.string_value)

    assert [told(name)["warm_start"] for name in GRADIENT] == [is_wanted] * 2
    assert [told(name)["warm_start"] for name in CLOSED_FORM] == [False] * 2
    for name in (*GRADIENT, *CLOSED_FORM):
        assert told(name)["split"] == {
            "kind": "temporal",
            "eval_fraction": 0.1,
            "test_fraction": 0.1,
            "seed": 3,
        }
