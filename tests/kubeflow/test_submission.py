"""Reading a compiled file for its submission, and refusing other files."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeflow.submission import Submission, read
from pipeline.config.errors import ConfigError

# A task in a nested DAG, and one in the root.
SPEC = {
    "pipelineInfo": {"name": "marquee"},
    "schemaVersion": "2.1.0",
    "root": {
        "dag": {
            "tasks": {
                "all": {"componentRef": {"name": "comp-all"}},
                "push": {"componentRef": {"name": "comp-push"}},
            }
        }
    },
    "components": {
        "comp-all": {"dag": {"tasks": {"train": {"componentRef": {"name": "comp-t"}}}}},
        "comp-t": {"executorLabel": "train"},
        "comp-push": {"executorLabel": "push"},
    },
}
SECRET = {
    "secretName": "marquee-metadata",
    "keyToEnv": [
        {"secretKey": "user", "envVar": "MYSQL_USER"},
        {"secretKey": "password", "envVar": "MYSQL_PASSWORD"},
    ],
}
MOUNT = {"constant": "marquee", "mountPath": "/marquee"}


def write(path: Path, submission: Submission, **executors: Any) -> Path:
    kubernetes = {"deploymentSpec": {"executors": executors}}
    platforms = {"kubernetes": kubernetes, "marquee": submission.platform()}
    path.write_text(yaml.safe_dump_all([SPEC, {"platforms": platforms}]))
    return path


def test_everything_comes_back_from_the_file(tmp_path):
    submission = Submission(
        "runner", "0 3 * * *", "Europe/Berlin", "2.5.0", {"tolerations": "2.5.0"}
    )
    path = write(
        tmp_path / "marquee.yaml",
        submission,
        train={"secretAsEnv": [SECRET], "pvcMount": [MOUNT]},
        push={"pvcMount": [MOUNT]},
    )
    compiled = read(path)
    assert compiled.submission == submission
    assert compiled.name == "marquee"
    assert compiled.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert compiled.secrets == {"marquee-metadata": {"user", "password"}}
    assert compiled.claims == {"marquee"}
    assert sorted(compiled.steps) == ["push", "train"]


def test_the_platform_document_is_valid_for_kubeflow():
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    platforms = {"marquee": Submission("marquee", "0 3 * * *").platform()}
    parsed = json_format.ParseDict(
        {"platforms": platforms}, pipeline_spec_pb2.PlatformSpec()
    )
    [values] = parsed.platforms["marquee"].deployment_spec.executors.values()
    assert values["schedule"] == "0 3 * * *"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (yaml.safe_dump({"kind": "Workflow", "spec": {}}), "kubectl create"),
        (yaml.safe_dump({"kind": "CronWorkflow", "spec": {}}), "kubectl create"),
        (yaml.safe_dump(SPEC), "compile it with --target kfp"),
        (yaml.safe_dump_all([SPEC, {"platforms": {"kubernetes": {}}}]), "--target kfp"),
        ("- 1\n", "--target kfp"),
        ("", "--target kfp"),
        ("a: [", "is not YAML"),
        ("\x00", "is not YAML"),
    ],
)
def test_another_file_is_refused(tmp_path, text, message):
    path = tmp_path / "other.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"other.yaml: .*{message}"):
        read(path)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        read(tmp_path / "none.yaml")
