"""Reading the file of a cluster."""

import pytest

from kubeflow.cluster import Cluster, number, read_cluster
from kubeflow.runner import CLUSTER_FILE
from pipeline.config.errors import ConfigError


def test_the_file_that_is_there_holds_the_defaults():
    assert read_cluster(CLUSTER_FILE) == Cluster()


@pytest.mark.parametrize(
    "text", ["a: &a [x]\nb: *a\n", "steps: " + "{a: " * 3000, "user: !!int 1\n", "{"]
)
def test_only_plain_yaml_is_read(tmp_path, text):
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"cluster\.yaml:1|cluster\.yaml:2"):
        read_cluster(tmp_path / "cluster.yaml")


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"root": 3}, "root: Expected `str`, got `int`"),
        ({"roots": "x"}, "unknown field `roots`"),
        ({"metadata": {"password": "x"}}, "metadata: .*unknown field `password`"),
        ({"user": 0}, "user: Expected `int` >= 1"),
        ({"volume": {"claim": ""}}, "volume.claim: Expected `str` matching"),
        ({"metadata": {"secret": "My_Secret"}}, "metadata.secret: Expected `str`"),
        ({"webhook": {"key": ""}}, "webhook.key: Expected `str` matching"),
        ({"service_account": "a b"}, "service_account: Expected `str` matching"),
        ({"image_pull_policy": "always"}, "image_pull_policy: Invalid enum value"),
        (
            {"steps": {"Trainer": {"tolerations": [{"key": "k", "effect": "No"}]}}},
            "steps.Trainer.tolerations.*effect: Invalid enum value",
        ),
        ({"root": "s3://bucket/x"}, "s3: the artifacts are on s3://"),
        ({"live_folder": "/elsewhere/live"}, "live_folder: is not below .* /marquee"),
        ({"steps": {"Transform": {"gpus": 1}}}, "steps.Transform: .*field `gpus`"),
        ({"steps": {"Trainer": {"gpus": -1}}}, "steps.Trainer.gpus: "),
        ({"steps": {"default": {"memory": "4 GB"}}}, "steps.default.memory: "),
    ],
)
def test_what_is_wrong_is_named_with_its_key(cluster_file, cluster, said):
    with pytest.raises(ConfigError, match=f"cluster.yaml: .*{said}"):
        read_cluster(cluster_file(**cluster))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"Transform": {"cpu": "3"}}, "cpu is 3, more than cpu_limit, which is 2"),
        # Two settings that are valid on their own.
        (
            {"default": {"memory": "6Gi"}, "Trainer": {"memory_limit": "5000Mi"}},
            "memory is 6Gi, more than memory_limit, which is 5000Mi",
        ),
    ],
)
def test_a_step_may_use_what_it_asks_for(steps, message):
    [name] = set(steps) - {"default"}
    with pytest.raises(ConfigError, match=f"steps.{name}: {message}"):
        Cluster(steps=steps).step(name)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [("500m", 0.5), ("2", 2.0), ("1.5k", 1500.0), ("2Ki", 2048.0), ("1Gi", 1 << 30)],
)
def test_quantities_are_those_of_kubernetes(quantity, value):
    assert number(quantity) == value
