"""Each check, on a file that it must reject."""

import copy

import pytest

from kubeflow.checks import check, too_large
from kubeflow.cluster import Cluster
from kubeflow.entrypoint import packed
from pipeline.config.errors import ConfigError

MODELS = ["popularity", "mf_als", "neumf", "deepfm"]
CONTAINER = {
    "image": "registry/marquee:1",
    "command": ["python", "-m", "kubeflow.entrypoint"],
    "args": ["--pipeline_root", "s3://bucket/x", '{"a":"/marquee/r","b":"/tmp/x"}'],
    "env": [
        {"name": "HOME", "value": "/tmp"},
        {
            "name": "MYSQL_PASSWORD",
            "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}},
        },
    ],
}
ARGO = {"spec": {"templates": [{"name": "transform", "container": CONTAINER}]}}
V2 = {"deploymentSpec": {"executors": {"transform": {"container": CONTAINER}}}}


@pytest.fixture(params=[ARGO, V2], ids=["argo", "v2"])
def document(request):
    return copy.deepcopy(request.param)


@pytest.fixture
def container(document):
    if "spec" in document:
        [template] = document["spec"]["templates"]
        return template["container"]
    return document["deploymentSpec"]["executors"]["transform"]["container"]


@pytest.fixture
def problems(document):
    def found(*further):
        try:
            check(document, Cluster(), further)
        except ConfigError as error:
            return str(error)
        return ""

    return found


def test_what_is_fine_passes(problems):
    assert problems() == ""


def test_a_problem_of_the_target_is_one_too(problems, container):
    container["args"].append("/home/me/ratings.csv")
    first, second = problems("The target's own.").splitlines()
    assert first == "The target's own."
    assert second.startswith("transform has /home/me/ratings.csv")


def test_too_large():
    assert list(too_large(900_000, 900_000, MODELS)) == []
    [message] = too_large(900_001, 900_000, MODELS)
    assert "900,001 bytes, and Kubernetes accepts 900,000" in message
    # One workflow for each family; popularity is part of all of them.
    assert "--models mf_als\n  --models neumf\n  --models deepfm" in message
    assert "metadata store" in message


def test_a_long_text_takes_no_time(problems, container):
    # A pattern that tries each letter as its first would take hours.
    container["args"].append("x" * 900_000)
    assert problems() == ""


def test_a_secret_in_a_variable(container, problems):
    container["env"].append({"name": "AWS_SECRET_ACCESS_KEY", "value": "minio123"})
    assert "transform has the value of AWS_SECRET_ACCESS_KEY" in problems()


@pytest.mark.parametrize(
    "text",
    [
        "https://hooks:opensesame@example.com/x",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_among_arguments(container, problems, text):
    container["args"] += ["--note", text]
    assert "transform has a" in problems()


def test_the_value_of_a_secret_of_this_shell(container, problems, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "opensesame")
    container["args"].append('{"a": "opensesame"}')
    assert "transform has the value of $DB_PASSWORD" in problems()


def test_nothing_hides_in_a_packed_argument(container, problems):
    container["args"].append(packed('{"a": "/home/me/x", "b": "https://u:p@host"}'))
    assert "transform has a URL with a password" in problems()
    assert "transform has /home/me/x" in problems()


def test_a_secret_outside_any_container(document, problems):
    document["description"] = "https://hooks:opensesame@example.com/x"
    assert "the file has a URL with a password" in problems()


@pytest.mark.parametrize("path", ["/home/me/ratings.csv", "/srv/x", "/etc/passwd"])
def test_a_path_of_this_machine(container, problems, path):
    container["args"].append(f'{{"a": "{path}"}}')
    assert f"transform has {path}, which no pod can see" in problems()
