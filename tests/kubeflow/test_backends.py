"""The features that a file needs, and those that a version of the backend lacks."""

import pytest

from kubeflow import backends
from kubeflow.backends import FEATURES, Feature, Requirement, lacks, minimum_version
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


def needed(executor, retries=0):
    """Setting and its users → the version that it needs."""
    used = backends.requirements(*documents(executor, retries))
    return {requirement.setting: requirement.since for requirement in used}


def test_what_every_version_has_needs_none():
    fields = dict.fromkeys(("pvcMount", "secretAsEnv", "nodeSelector"), [])
    assert needed(fields) == {}
    assert minimum_version([]) == "2.0.5"


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
    assert needed({field: "x"}) == {f"{setting} of Transform": version}


def test_retries_need_a_version():
    assert needed({}, retries=2) == {"retries of Transform": "2.5.0"}


def test_a_field_that_is_not_in_the_table_is_an_error():
    with pytest.raises(KeyError, match="emptyDirMounts"):
        needed({"emptyDirMounts": []})


def test_a_large_file_needs_a_version_that_keeps_it_elsewhere():
    large = {"pvcMount": ["x" * backends.MAX_BYTES_OF_ANNOTATIONS]}
    assert needed(large) == {"size of the pipeline": "2.3.0"}
    used = backends.requirements(*documents(large))
    assert list(lacks(used, "2.3.0")) == []
    [problem] = lacks(used, "2.2.0")
    assert "fewer --models" in problem


def test_versions_are_compared_as_numbers():
    features = [
        Feature(v, "setting", "none", "#1") for v in ("2.5.0", "2.16.0", "2.1.0")
    ]
    assert minimum_version(Requirement(f, "X") for f in features) == "2.16.0"
    used = [Requirement(FEATURES["securityContext"], "Transform")]
    assert list(lacks(used, "2.16.0")) == []
    assert list(lacks(used, "2.9.9")) != []


def test_each_problem_says_what_to_do():
    used = [Requirement(feature, "X") for feature in FEATURES.values()]
    problems = list(lacks(used, "2.0.5"))
    assert len(problems) == len(FEATURES)
    for problem, feature in zip(problems, FEATURES.values(), strict=True):
        assert f"needs Kubeflow Pipelines {feature.since}" in problem
        assert feature.instead in problem


def test_a_version_that_is_not_supported_is_refused():
    with pytest.raises(ConfigError, match=r"2\.0\.3 is older than 2\.0\.5"):
        list(lacks([], "2.0.3"))
