"""Input that ``kubeflow/runner.py`` rejects before it writes anything."""

import pytest
import yaml

from kubeflow.runner import VERTEX


@pytest.mark.parametrize("target", ["kfp", "argo"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "sample"), "fetched by every pod"),
        (("--data", "mysql://host/shop#ratings"), "pods do not read databases"),
        (("--data", "/data/ratings"), "/data/ratings, which no pod can see"),
        (("--data", "/marquee/r", "--schedule", "0 3 * *"), "it has 4 fields"),
        (("--data", "/marquee/r", "--schedule", "0 3 * * 7"), "write Sunday as 0"),
        (("--data", "/marquee/r", "--schedule", "0 3 * * 5-7"), "write Sunday as 0"),
        (("--data", "/marquee/r", "--schedule", "0 3 * * fri-mon"), "fri-mon is empty"),
        (("--data", "/marquee/r", "--schedule", "0 3 * * 5-1"), "5-1 is empty"),
        (("--data", "/marquee/r", "--schedule", "0 3 last * *"), "the day as a number"),
        (("--data", "/marquee/r", "--schedule", "x 3 * * *"), "--schedule: 'x 3"),
        (("--data", "/marquee/r", "--models", "neumv"), "did you mean 'neumf'"),
        (("--data", "/marquee/r", "--set", "retrain.tune_every=7"), "with --tune"),
        (("--data", "/marquee/r", "--set", "retrain.tune_below=0.8"), "with --tune"),
        (("--data", "/marquee/r", "--set", "schema.path=/x/y.pbtxt"), "/x/y.pbtxt"),
        (("--data", "/marquee/r", "--tune", "--models", "popularity"), "no settings"),
        (
            ("--data", "/marquee/r", "--tune", "--set", "tuner.budget=6h"),
            "is ended after 21600 seconds",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused(
    compile_workflow, tmp_path, options, message, target
):
    done = compile_workflow(tmp_path / "marquee.yaml", "--target", target, *options)
    assert done.status == 2
    assert message in done.output
    assert done.text == ""


@pytest.mark.parametrize("name", ["My_Workflow.yaml", f"{'x' * 53}.yaml"])
def test_a_file_whose_name_no_workflow_can_have_is_refused(
    compile_workflow, tmp_path, name
):
    options = ("--target", "argo", "--data", "/marquee/ratings")
    done = compile_workflow(tmp_path / name, *options)
    assert done.status == 2
    assert "--output: the workflow would be named" in done.output
    assert "at most 52" in done.output


def test_vertex_ai_takes_no_schedule(compile_workflow, tmp_path):
    options = ("--target", VERTEX, "--data", "gs://bucket/r", "--schedule")
    done = compile_workflow(tmp_path / "marquee.json", *options, "0 3 * * *")
    assert done.status == 2
    assert "--schedule: Vertex AI has schedules of its own" in done.output


def test_vertex_ai_shares_no_study(compile_workflow, tmp_path):
    options = ("--target", VERTEX, "--data", "gs://bucket/r", "--tune")
    done = compile_workflow(tmp_path / "marquee.json", *options)
    assert done.status == 2
    assert "--tune: is not supported by --target" in done.output
    assert done.text == ""


def test_each_pod_of_a_tuner_requests_a_gpu(compile_workflow, tmp_path):
    done = compile_workflow(
        tmp_path / "tune.yaml",
        *("--target", "argo", "--tune", "--data", "/marquee/r", "--models", "neumf"),
        *("--set", "tuner.workers=3"),
    )
    assert done.status == 0, done.output
    [workflow] = yaml.safe_load_all(done.text)
    with_gpu = {
        template["name"]
        for template in workflow["spec"]["templates"]
        if "nvidia.com/gpu"
        in template.get("container", {}).get("resources", {}).get("limits", {})
    }
    workers = {f"tuner-neumf-worker-{number}" for number in (1, 2)}
    assert with_gpu == {"tuner-neumf", *workers}


def test_settings_that_apply_to_no_step_are_shown(
    compile_workflow, cluster_file, tmp_path
):
    steps = {"Trainer_nuemf": {"gpus": 0}, "Trainer": {"gpus": 0}, "default": {}}
    done = compile_workflow(
        tmp_path / "marquee.yaml",
        *("--target", "argo", "--data", "/marquee/ratings", "--models", "neumf"),
        *("--cluster", str(cluster_file(steps=steps))),
    )
    assert done.status == 0
    warning, _ = done.output.splitlines()
    assert warning == (
        "steps.Trainer_nuemf applies to no step of this pipeline; "
        "did you mean 'Trainer_neumf'?"
    )


def test_a_backend_without_what_the_settings_need_is_refused(
    compile_workflow, tmp_path
):
    options = ("--data", "/marquee/ratings", "--models", "popularity")
    done = compile_workflow(
        tmp_path / "marquee.yaml", *options, "--backend-version", "2.1.0"
    )
    assert done.status == 2
    assert done.text == ""
    [problem] = done.output.strip().splitlines()
    assert "retries of " in problem
    assert "needs Kubeflow Pipelines 2.5.0, and the cluster has 2.1.0" in problem
    assert "without it: retries: 0, or --target argo" in problem


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backend-version", "2.0.3"), "2.0.3 is older than 2.0.5"),
        (("--backend-version", "newest"), "'newest' is not a version such as 2.0.5"),
        (
            ("--target", "argo", "--backend-version", "2.5.0"),
            "--backend-version: applies to --target kfp only, and the target is argo",
        ),
    ],
)
def test_a_backend_version_that_makes_no_sense_is_refused(
    compile_workflow, tmp_path, options, message
):
    data = ("--data", "/marquee/ratings", "--models", "popularity")
    done = compile_workflow(tmp_path / "marquee.yaml", *data, *options)
    assert done.status == 2
    assert message in done.output
    assert done.text == ""
