"""The pipeline as TFX compiles it; nothing runs."""

import importlib.metadata
import json

import pytest
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler

from components.anomaly_gate.schema import CURATED_SCHEMA
from pipeline.config import load_config
from pipeline.pipeline import create_pipeline


@pytest.fixture
def nodes(tmp_path):
    """Compiles a configuration: the nodes by id."""

    def compiled(*settings):
        ratings = tmp_path / "ratings.csv"
        ratings.write_text("user_id,item_id,rating,timestamp\n1,2,3,4\n")
        pipeline = create_pipeline(
            load_config(None, settings),
            ratings,
            pipeline_root=str(tmp_path / "artifacts"),
            live_folder=str(tmp_path / "live"),
            schema_path=CURATED_SCHEMA,
            metadata=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(tmp_path / "metadata.sqlite")
            ),
        )
        ir = compiler.Compiler().compile(pipeline)
        assert not (tmp_path / "live").exists()  # laid out, and nothing more
        return {n.pipeline_node.node_info.id: n.pipeline_node for n in ir.nodes}

    return compiled


def producer(node, name):
    [channel] = node.inputs.inputs[name].channels
    return channel.producer_node_query.id


def told(node, name):
    return json.loads(node.parameters.parameters[name].field_value.string_value)


def test_the_check_before_a_push_is_a_process_of_its_own(nodes):
    found = nodes()
    assert "InfraValidator" not in found
    assert producer(found["Pusher"], "infra_blessing") == "InfraCheck"


@pytest.mark.parametrize(
    ("chosen", "platform"), [("docker", "local_docker"), ("kubernetes", "kubernetes")]
)
def test_or_tensorflow_serving_not_executed_against_docker(nodes, chosen, platform):
    found = nodes(f"serving.infra_check={chosen}", "serving.check_seconds=33")
    assert "InfraCheck" not in found
    assert producer(found["Pusher"], "infra_blessing") == "InfraValidator"
    check = found["InfraValidator"]
    assert producer(check, "model") == "Champion"
    assert producer(check, "examples") == "RatingsExampleGen"
    server = importlib.metadata.version("tensorflow-serving-api")
    assert told(check, "serving_spec") == {
        "tensorflow_serving": {"tags": [server]},
        platform: {},
    }
    assert told(check, "validation_spec")["max_loading_time_seconds"] == 33
    request = told(check, "request_spec")
    assert request["tensorflow_serving"] == {"signature_names": ["evaluate"]}
    assert request["split_name"] == "test"
