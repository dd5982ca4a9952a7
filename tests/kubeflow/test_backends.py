"""What a version of Kubeflow Pipelines lacks is refused before anything is written."""

import pytest

from kubeflow import backends
from kubeflow.backends import FEATURES, lacks, needed, newest
from pipeline.config.errors import ConfigError


def documents(executor, retries=0):
    task = {"taskInfo": {"name": "Transform"}, "componentRef": {"name": "comp"}}
    if retries:
        task["retryPolicy"] = {"maxRetryCount": retries}
    spec = {
        "root": {"dag": {"tasks": {"transform": task}}},
        "components": {"comp": {"executorLabel": "exec"}},
    }
    executors = {"exec": executor}
    return spec, {
        "platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}
    }


def test_what_every_version_has_needs_none():
    fields = dict.fromkeys(("pvcMount", "secretAsEnv", "nodeSelector"), [])
    assert needed(*documents(fields)) == {}
    assert newest([]) == "2.0.5"


@pytest.mark.parametrize(
    ("field", "version", "setting"),
    [
        ("activeDeadlineSeconds", "2.1.0", "timeout_seconds"),
        ("imagePullPolicy", "2.1.0", "image_pull_policy"),
        ("tolerations", "2.1.0", "tolerations"),
        ("securityContext", "2.16.0", "user"),
    ],
)
def test_a_field_needs_the_version_that_brought_it(field, version, setting):
    assert needed(*documents({field: "x"})) == {f"{setting} of Transform": version}


def test_retries_need_a_version():
    assert needed(*documents({}, retries=2)) == {"retries of Transform": "2.5.0"}


def test_a_field_that_is_not_in_the_table_is_an_error():
    with pytest.raises(KeyError, match="emptyDirMounts"):
        needed(*documents({"emptyDirMounts": []}))


def test_a_large_file_needs_a_version_that_keeps_it_elsewhere():
    spec, platform = documents({"pvcMount": ["x" * backends.MAX_BYTES_OF_ANNOTATIONS]})
    assert needed(spec, platform) == {"size of the pipeline": "2.3.0"}
    assert list(lacks(needed(spec, platform), "2.3.0")) == []
    [problem] = lacks(needed(spec, platform), "2.2.0")
    assert "fewer --models" in problem


def test_versions_are_compared_as_numbers():
    assert newest(["2.5.0", "2.16.0", "2.1.0"]) == "2.16.0"
    settings = {"user of Transform": "2.16.0"}
    assert list(lacks(settings, "2.16.0")) == []
    assert list(lacks(settings, "2.9.9")) != []


def test_each_problem_says_what_to_do():
    settings = {f"{f.setting} of X": f.since for f in FEATURES.values()}
    problems = list(lacks(settings, "2.0.5"))
    assert len(problems) == len(FEATURES)
    for problem, feature in zip(problems, FEATURES.values(), strict=True):
        assert f"needs Kubeflow Pipelines {feature.since}" in problem
        assert feature.instead in problem


def test_a_version_that_is_not_supported_is_refused():
    with pytest.raises(ConfigError, match=r"2\.0\.3 is older than 2\.0\.5"):
        list(lacks({}, "2.0.3"))
