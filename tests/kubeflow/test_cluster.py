"""The file of a cluster."""

import pytest

from kubeflow.cluster import Cluster, read_cluster
from kubeflow.runner import CLUSTER_FILE
from pipeline.config import ConfigError


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
