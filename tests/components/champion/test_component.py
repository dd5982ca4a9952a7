"""Champion on artifacts: what is copied, blessed and told."""

import hashlib
import json
from types import SimpleNamespace

import pytest
import tensorflow_model_analysis as tfma
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.champion import component
from trainer_modules.model_card import read_card, write_card


def artifact(kind, folder):
    folder.mkdir(parents=True, exist_ok=True)
    made = kind()
    made.uri = str(folder)
    return made


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Models by name, with what TFMA said of each; runs Champion over them."""
    results, validations = {}, {}
    monkeypatch.setattr(
        tfma, "load_eval_result", lambda uri, model_name=None: results[uri]
    )
    monkeypatch.setattr(tfma, "load_validation_result", validations.__getitem__)
    models, evaluations = [], []

    def judged(name, metrics, *failures):
        model = artifact(standard_artifacts.Model, tmp_path / "Trainer" / name)
        serving = path_utils.serving_model_path(model.uri)
        write_card(serving, {"model": name, "parameters": 7})
        for file, content in (("saved_model.pb", name), ("variables/data", "weights")):
            path = tmp_path / "Trainer" / name / "Format-Serving" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        evaluation = artifact(standard_artifacts.ModelEvaluation, tmp_path / "E" / name)
        results[evaluation.uri] = SimpleNamespace(
            config=tfma.EvalConfig(model_specs=[tfma.ModelSpec(name="")]),
            model_location=serving,
            get_metrics_for_slice=lambda: {
                metric: {"doubleValue": value} for metric, value in metrics.items()
            },
        )
        validation = tfma.ValidationResult(validation_ok=not failures)
        part = validation.metric_validations_per_slice.add()
        for failure in failures:
            part.failures.add().CopyFrom(failure)
        validations[evaluation.uri] = validation
        models.append(model)
        evaluations.insert(0, evaluation)  # in another order than the models
        return model.uri

    def run(number="1", min_gain=0.0):
        made = {
            "champion": artifact(
                standard_artifacts.Model, tmp_path / f"champion{number}"
            ),
            "blessing": artifact(
                standard_artifacts.ModelBlessing, tmp_path / f"blessing{number}"
            ),
            "decided": artifact(component.Decision, tmp_path / f"decided{number}"),
        }
        component.Champion.test_call(
            models=models,
            evaluations=evaluations,
            metric="ndcg@10",
            min_gain=min_gain,
            reference="popularity",
            live_folder=str(tmp_path / "live"),
            code_version="1",
            **made,
        )
        told = json.loads((tmp_path / f"decided{number}" / "decision.json").read_text())
        return SimpleNamespace(**made, told=told)

    def push(done, version):
        """What Pusher does."""
        source = path_utils.serving_model_path(done.champion.uri)
        write_card(str(tmp_path / "live" / version), read_card(source))

    return SimpleNamespace(judged=judged, run=run, push=push, folder=tmp_path)


def failure(metric, value, *, floor=None, max_loss=None):
    found = tfma.proto.validation_result_pb2.ValidationFailure()
    found.metric_key.name = metric
    found.metric_value.double_value.value = value
    if floor is not None:
        found.metric_threshold.value_threshold.lower_bound.value = floor
    else:
        found.metric_key.is_diff = True
        found.metric_threshold.change_threshold.absolute.value = -max_loss
    return found


def test_the_best_model_is_copied_whole_with_a_manifest(world):
    world.judged("popularity", {"ndcg@10": 0.1, "auc": 0.6})
    uri = world.judged("mf_als", {"ndcg@10": 0.3, "auc": 0.8})
    world.judged("neumf", {"ndcg@10": 0.2, "auc": 0.9})
    done = world.run()

    folder = world.folder / "champion1" / "Format-Serving"
    assert (folder / "saved_model.pb").read_text() == "mf_als"
    assert read_card(str(folder)) == {"model": "mf_als", "parameters": 7, "origin": uri}
    manifest = json.loads((folder / "assets.extra" / "manifest.json").read_text())
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert manifest["sha256"] == {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "manifest.json"
    }
    assert len(manifest["sha256"]) == 3

    assert done.blessing.get_int_custom_property("blessed") == 1
    assert done.blessing.get_string_custom_property("current_model") == (
        done.champion.uri
    )
    assert (world.folder / "blessing1" / "BLESSED").exists()
    assert done.told["champion"] == "mf_als"
    assert done.told["changed"] is True
    assert {m["name"]: (m["verdict"], m["metrics"]) for m in done.told["models"]} == {
        "popularity": ("reference", {"ndcg@10": 0.1, "auc": 0.6}),
        "mf_als": ("live", {"ndcg@10": 0.3, "auc": 0.8}),
        "neumf": ("passed", {"ndcg@10": 0.2, "auc": 0.9}),
    }


def test_nothing_is_copied_where_nothing_passed(world):
    world.judged("popularity", {"ndcg@10": 0.1})
    world.judged("mf_als", {"ndcg@10": 0.1})
    world.judged("neumf", {"ndcg@10": 0.9}, failure("auc", 0.4, floor=0.5))
    done = world.run()
    assert list((world.folder / "champion1").iterdir()) == []
    assert done.blessing.get_int_custom_property("blessed") == 0
    assert [p.name for p in (world.folder / "blessing1").iterdir()] == ["NOT_BLESSED"]
    assert done.told["champion"] is None
    assert done.told["changed"] is False
    rules = {m["name"]: m["rule"] for m in done.told["models"]}
    assert rules["neumf"] == "auc 0.4000 is below the floor of 0.5"


def test_what_is_live_already_is_no_news(world):
    world.judged("popularity", {"ndcg@10": 0.1})
    uri = world.judged("mf_als", {"ndcg@10": 0.3})
    world.judged("neumf", {"ndcg@10": 0.2})
    world.push(world.run("1"), "100")
    assert component.live_origin(str(world.folder / "live")) == uri

    again = world.run("2")
    assert again.told["champion"] == "mf_als"
    assert again.told["changed"] is False
    assert again.blessing.get_int_custom_property("blessed") == 0

    better = world.judged("deepfm", {"ndcg@10": 0.4})
    third = world.run("3")
    assert third.told["changed"] is True
    world.push(third, "99")  # versions are numbers: the older one stays live
    assert component.live_origin(str(world.folder / "live")) == uri
    world.push(third, "1000")
    assert component.live_origin(str(world.folder / "live")) == better


def test_losing_against_the_live_model_is_told_in_words(world):
    world.judged("popularity", {"ndcg@10": 0.1})
    world.judged("mf_als", {"ndcg@10": 0.3}, failure("ndcg@10", -0.02, max_loss=0.005))
    rules = {m["name"]: m["rule"] for m in world.run().told["models"]}
    assert rules["mf_als"] == (
        "ndcg@10 loses 0.0200 against the live model, 0.005 allowed"
    )


def test_a_live_model_that_finds_nothing_any_more_blocks_nobody(world):
    # TFMA fails every change against a baseline of 0: test_metrics.py shows it.
    world.judged("popularity", {"ndcg@10": 0.1})
    world.judged("mf_als", {"ndcg@10": 0.3}, failure("ndcg@10", 0.3, max_loss=0.005))
    assert world.run().told["champion"] == "mf_als"


def test_nothing_is_live_in_a_folder_that_is_empty_or_not_there(tmp_path):
    assert component.live_origin(str(tmp_path / "live")) is None
    (tmp_path / "live" / "half-copied").mkdir(parents=True)
    assert component.live_origin(str(tmp_path / "live")) is None
