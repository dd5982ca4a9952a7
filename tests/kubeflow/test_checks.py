"""Each check of a workflow, seen to fail on one that it is for."""

import copy

import pytest
import yaml

from kubeflow.cluster import Cluster
from kubeflow.workflow import Workflow

MODELS = ["popularity", "mf_als", "neumf", "deepfm"]


@pytest.fixture(scope="module")
def compiled(compile_workflow, tmp_path_factory) -> Workflow:
    path = tmp_path_factory.mktemp("compiled") / "marquee.yaml"
    done = compile_workflow(path, "--models", "mf_als", "--data", "/marquee/ratings")
    return yaml.safe_load(done.text)


@pytest.fixture
def workflow(compiled):
    return copy.deepcopy(compiled)


@pytest.fixture
def problems(workflow):
    from kubeflow.checks import WorkflowError, check

    def found() -> str:
        try:
            check(workflow, Cluster(), MODELS)
        except WorkflowError as error:
            return str(error)
        return ""

    return found


def template(workflow, name):
    return next(t for t in workflow["spec"]["templates"] if t["name"] == name)


def test_what_is_compiled_passes(problems):
    assert problems() == ""


def test_too_large(workflow, problems):
    template(workflow, "transform")["container"]["args"].append("x" * 900_000)
    # A pattern that tried each letter as the first one would take hours of them.
    said = problems()
    assert "bytes, and Kubernetes surely takes 900,000" in said
    # One workflow for each family, popularity being in all of them.
    assert "--models mf_als\n  --models neumf\n  --models deepfm" in said
    assert "metadata store" in said


@pytest.mark.parametrize("kind", ["requests", "limits"])
@pytest.mark.parametrize("what", ["cpu", "memory"])
def test_a_step_without_resources(workflow, problems, kind, what):
    del template(workflow, "transform")["container"]["resources"][kind][what]
    assert problems() == f"transform has no {what} among its {kind}."


def test_a_step_without_a_timeout(workflow, problems):
    del template(workflow, "pusher")["activeDeadlineSeconds"]
    assert problems() == "pusher has no timeout."


@pytest.mark.parametrize("change", [{"backoff": None}, {"retryPolicy": "OnFailure"}])
def test_a_step_that_is_not_tried_again(workflow, problems, change):
    template(workflow, "pusher")["retryStrategy"] |= change
    assert problems() == "pusher is not tried again, with a wait, whatever ended it."


@pytest.mark.parametrize(
    "change",
    [
        {"readOnlyRootFilesystem": False},
        {"runAsNonRoot": False},
        {"allowPrivilegeEscalation": True},
        {"capabilities": {}},
    ],
)
def test_a_step_that_may_do_more(workflow, problems, change):
    template(workflow, "notify")["container"]["securityContext"] |= change
    assert problems() == "notify may do more than it has to (securityContext)."


def test_a_gpu_for_another_step(workflow, problems):
    resources = template(workflow, "evaluator-mf-als")["container"]["resources"]
    resources["limits"]["nvidia.com/gpu"] = "1"
    assert problems() == "evaluator-mf-als asks for a GPU, and is no Trainer."


def test_a_secret_in_a_variable(workflow, problems):
    env = template(workflow, "transform")["container"]["env"]
    env.append({"name": "AWS_SECRET_ACCESS_KEY", "value": "minio123"})
    assert "transform has the value of AWS_SECRET_ACCESS_KEY" in problems()


@pytest.mark.parametrize(
    "text",
    [
        "https://hooks:opensesame@example.com/x",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_among_arguments(workflow, problems, text):
    template(workflow, "transform")["container"]["args"] += ["--note", text]
    assert "transform has a" in problems()


def test_the_value_of_a_secret_of_this_shell(workflow, problems, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "opensesame")
    template(workflow, "transform")["container"]["args"].append('{"a": "opensesame"}')
    assert "transform has the value of $DB_PASSWORD" in problems()


@pytest.mark.parametrize("path", ["/home/me/ratings.csv", "/work/x", "/etc/passwd"])
def test_a_path_of_this_machine(workflow, problems, path):
    template(workflow, "transform")["container"]["args"].append(f'{{"a": "{path}"}}')
    assert f"transform has {path}, which is on this machine" in problems()
