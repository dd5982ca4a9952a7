"""The pipeline as TFX compiles it; nothing runs."""

import importlib.metadata
import json

import pytest
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler

from components.anomaly_gate.schema import CURATED_SCHEMA
from pipeline.config.load import load_config
from pipeline.pipeline import Places, create_pipeline
from pipeline.stages.prepare import Source

GRADIENT, CLOSED_FORM = ("neumf", "deepfm"), ("popularity", "mf_als")


@pytest.fixture
def nodes(tmp_path):
    """Compiles a configuration: the nodes by id."""

    def compiled(*settings):
        ratings = tmp_path / "ratings.csv"
        ratings.write_text("user_id,item_id,rating,timestamp\n1,2,3,4\n")
        models = [f"models.{name}={{}}" for name in (*GRADIENT, *CLOSED_FORM)]
        pipeline = create_pipeline(
            load_config(None, [*models, *settings]),
            Source(str(ratings)),
            Places(
                str(tmp_path / "artifacts"),
                str(tmp_path / "live"),
                CURATED_SCHEMA,
                tfx.orchestration.metadata.sqlite_metadata_connection_config(
                    str(tmp_path / "metadata.sqlite")
                ),
            ),
        )
        ir = compiler.Compiler().compile(pipeline)
        assert not (tmp_path / "live").exists()  # laid out, and nothing more
        return {n.pipeline_node.node_info.id: n.pipeline_node for n in ir.nodes}

    return compiled


def producer(node, name):
    [channel] = node.inputs.inputs[name].channels
    return channel.producer_node_query.id


def property_of(node, name):
    return json.loads(node.parameters.parameters[name].field_value.string_value)


def test_the_check_before_a_push_is_a_process_of_its_own(nodes):
    found = nodes()
    assert "InfraValidator" not in found
    assert producer(found["Pusher"], "infra_blessing") == "InfraCheck"


@pytest.mark.parametrize(
    ("chosen", "platform"),
    [
        ("experimental-docker", "local_docker"),
        ("experimental-kubernetes", "kubernetes"),
    ],
)
def test_or_tensorflow_serving_not_executed_against_docker(nodes, chosen, platform):
    found = nodes(f"serving.infra_check={chosen}", "serving.check_seconds=33")
    assert "InfraCheck" not in found
    assert producer(found["Pusher"], "infra_blessing") == "InfraValidator"
    check = found["InfraValidator"]
    assert producer(check, "model") == "Champion"
    assert producer(check, "examples") == "RatingsExampleGen"
    server = importlib.metadata.version("tensorflow-serving-api")
    assert property_of(check, "serving_spec") == {
        "tensorflow_serving": {"tags": [server]},
        platform: {},
    }
    assert property_of(check, "validation_spec")["max_loading_time_seconds"] == 33
    request = property_of(check, "request_spec")
    assert request["tensorflow_serving"] == {"signature_names": ["evaluate"]}
    assert request["split_name"] == "test"


def test_trainers_may_start_from_the_live_model_only_if_that_is_wanted(nodes):
    found = nodes()
    assert "BaseModel" not in found
    for name in (*GRADIENT, *CLOSED_FORM):
        assert "base_model" not in found[f"Trainer_{name}"].inputs.inputs


def test_models_that_learn_by_gradients_are_given_the_live_one(nodes):
    found = nodes("train.warm_start=true")
    for name in GRADIENT:
        base_model = found[f"Trainer_{name}"].inputs.inputs["base_model"]
        [channel] = base_model.channels
        assert channel.producer_node_query.id == "BaseModel"
        assert channel.output_key == "champion"
        assert base_model.min_count == 0  # the first run has none
    for name in CLOSED_FORM:
        assert "base_model" not in found[f"Trainer_{name}"].inputs.inputs
    # It waits for no model of this run, or there would be a circle.
    [upstream] = found["BaseModel"].upstream_nodes
    assert upstream == "Transform"


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_trainer_is_told_whether_it_may_and_how_the_ratings_are_split(
    nodes, is_wanted
):
    found = nodes(
        f"train.warm_start={is_wanted}", "split.kind=temporal", "split.seed=3"
    )

    def config_of(name):
        return property_of(found[f"Trainer_{name}"], "custom_config")

    assert [config_of(name)["warm_start"] for name in GRADIENT] == [is_wanted] * 2
    assert [config_of(name)["warm_start"] for name in CLOSED_FORM] == [False] * 2
    for name in (*GRADIENT, *CLOSED_FORM):
        assert config_of(name)["split"] == {
            "kind": "temporal",
            "eval_fraction": 0.1,
            "test_fraction": 0.1,
            "seed": 3,
            "held_out_items": 0.0,
        }


def test_a_recipe_is_the_same_until_a_setting_or_the_code_changes(nodes, monkeypatch):
    """The gate's evidence for a model goes on while its recipe stays."""

    def recipe(*settings):
        return property_of(nodes(*settings)["Trainer_neumf"], "custom_config")["recipe"]

    same = recipe()
    assert same.startswith("neumf-")
    assert (
        recipe("data.source=elsewhere", "gate.max_loss=0.1", "models.mf_als={}") == same
    )
    changed = {
        recipe("models.neumf.epochs=3"),
        recipe("train.seed=1"),
        recipe("split.seed=1"),
    }
    monkeypatch.setattr(
        "pipeline.stages.train_and_push.code_version", lambda *modules: "another"
    )
    changed.add(recipe())
    assert len(changed) == 4
    assert same not in changed


def test_trainers_and_transform_are_told_what_repeats_and_events_mean(nodes):
    found = nodes(
        "data.repeats=all",
        "lists.recommend_again=after 2h",
        "events.types={view: {role: context}, buy: {weight: 4}, "
        "skip: {role: negative}}",
        "split.kind=temporal",
    )
    config = property_of(found["Trainer_mf_als"], "custom_config")
    assert config["counts_repeats"]
    assert config["again_after"] == 7200
    assert config["events"] == {"view": 0, "buy": 4, "skip": -1}
    assert config["judged"] == ["buy", "skip"]
    assert property_of(found["Transform"], "custom_config")["keeps_repeats"]
    names = {"counts_repeats", "again_after", "events", "judged", "keeps_repeats"}
    names |= {"context"}
    plain = nodes("split.kind=temporal")
    for name in ("Trainer_mf_als", "Transform"):
        assert not names & property_of(plain[name], "custom_config").keys()


def test_trainers_of_models_that_read_fields_are_given_the_context_and_no_others(nodes):
    models = [f"models.{name}={{}}" for name in ("fm", "warp_mf", "attrec")]
    fields = "context.fields=[weekday, hour]"

    def configs(*settings):
        found = nodes(*models, *settings)
        return {
            name: property_of(found[f"Trainer_{name}"], "custom_config")
            for name in ("fm", "warp_mf", "mf_als", "attrec")
        }

    plain, both = configs(), configs(fields, "context.timezone=Asia/Kolkata")
    wanted = {"fields": ["weekday", "hour"], "timezone": "Asia/Kolkata"}
    assert both["fm"]["context"] == both["warp_mf"]["context"] == wanted
    assert both["fm"]["recipe"] != plain["fm"]["recipe"]
    for name in ("mf_als", "attrec"):
        assert both[name] == plain[name]
    zones = [
        configs(fields, *more)["fm"]["context"]["timezone"]
        for more in ([], ["data.source=mine", "data.timezone=Europe/Paris"])
    ]
    assert zones == ["UTC", "Europe/Paris"]
