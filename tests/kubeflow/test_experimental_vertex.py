"""The compiled job for Vertex AI, which was never executed."""

import json

import pytest

CLUSTER = {
    "root": "gs://bucket/marquee",
    "live_folder": "/gcs/bucket/live",
    "volume": {"path": "/gcs/bucket"},
    "steps": {"Trainer_popularity": {"gpus": 0}},
}
OPTIONS = ("--target", "experimental-vertex", "--data", "gs://bucket/ratings")


@pytest.fixture(scope="module")
def job(compile_workflow, cluster_file, tmp_path_factory):
    done = compile_workflow(
        tmp_path_factory.mktemp("compiled") / "marquee.json",
        *OPTIONS,
        *("--models", "mf_als,neumf", "--cluster", str(cluster_file(**CLUSTER))),
    )
    assert done.status == 0, done.output
    assert "has never executed one" in done.output
    return json.loads(done.text)


@pytest.fixture(scope="module")
def containers(job):
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    return {
        name.removesuffix("_executor"): executor["container"]
        for name, executor in executors.items()
    }


def inputs(job, step):
    """Returns input → the step and the output that it comes from."""
    artifacts = job["pipelineSpec"]["root"]["dag"]["tasks"][step]["inputs"]["artifacts"]
    return {
        name: tuple(each["taskOutputArtifact"].values())
        for name, each in artifacts.items()
    }


def test_every_trainer_that_wants_a_gpu_and_nothing_else_has_one(containers):
    found = {
        name: container["resources"]["accelerator"]
        for name, container in containers.items()
        if "accelerator" in container.get("resources", {})
    }
    gpu = {"type": "NVIDIA_TESLA_T4", "count": "1"}
    assert found == {"Trainer_mf_als": gpu, "Trainer_neumf": gpu}
    assert containers["Transform"]["resources"]["cpuLimit"] == 2
    assert containers["Transform"]["resources"]["memoryLimit"] == 2**32 / 1e9


def test_every_step_runs_in_the_image(containers):
    assert {container["image"] for container in containers.values()} == {"marquee:test"}


def test_the_champion_is_told_of_each_model_and_of_the_live_one(job):
    found = inputs(job, "Champion")
    models = {f"Trainer_{name}" for name in ("popularity", "mf_als", "neumf")}
    assert {each[1] for n, each in found.items() if n.startswith("models__")} == models
    assert len([n for n in found if n.startswith("evaluations__")]) == 3
    assert ("champion", "LiveModel") in inputs(job, "LiveEvaluator").values()


def test_what_was_taken_apart_is_put_together_in_order():
    from kubeflow.experimental_vertex import _merge_unions

    taken = {"models__part_0": ["a"], "models__part_1": ["b"], "examples": ["c"]}
    assert _merge_unions(taken) == {"models": ["a", "b"], "examples": ["c"]}


def test_the_live_model_is_copied_with_its_card_if_there_is_one(tmp_path):
    from tfx.types import standard_artifacts

    from components.live_models import push
    from kubeflow.experimental_vertex import LiveModel
    from trainer_modules.model_card import ModelCard, read_card, write_card

    live = tmp_path / "live"

    def copied(name):
        artifact = standard_artifacts.Model()
        artifact.uri = str(tmp_path / name)
        LiveModel.test_call(models=[], live_folder=str(live), champion=artifact)
        return tmp_path / name / "Format-Serving"

    assert not copied("nothing").exists()
    model = tmp_path / "model"
    write_card(str(model), ModelCard("mf_als", 1, {}, origin="m"))
    (model / "saved_model.pb").write_text("a graph")
    push.push(model, live, keep=5)
    folder = copied("something")
    assert (folder / "saved_model.pb").read_text() == "a graph"
    assert read_card(str(folder)).origin == "m"


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({}, "root: is /marquee/artifacts, and Vertex AI stores artifacts on gs://"),
        ({"root": "gs://bucket/x"}, "live_folder: is /marquee/live; Vertex AI"),
    ],
)
def test_what_vertex_cannot_see_is_refused(
    compile_workflow, cluster_file, tmp_path, cluster, said
):
    done = compile_workflow(
        tmp_path / "job.json", *OPTIONS, "--cluster", str(cluster_file(**cluster))
    )
    assert done.status == 2
    assert said in done.output
