"""The image in pods like those of the steps: no root, read-only root file system."""

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.kubernetes


def test_it_runs_as_no_root_and_writes_nowhere_but_tmp_and_the_volume(in_pod):
    said = in_pod(
        "sh", "-c", "id -u; touch /app/x; touch /opt/x; touch /tmp/x && ls /tmp"
    )
    user, app, opt, written = said.splitlines()
    assert user == "10001"
    assert "Read-only file system" in app
    assert "Read-only file system" in opt
    assert written == "x"


def test_everything_that_a_step_imports_is_in_it(in_pod):
    script = """
import importlib, pkgutil
import components, pipeline, trainer_modules
for package in (components, pipeline, trainer_modules):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
import tfx.orchestration.kubeflow.container_entrypoint
import tensorflow_addons, tensorflow_io, boto3
from apache_beam.io.aws import s3filesystem
print("all")
import os; os._exit(0)  # tensorflow-io aborts at the interpreter's end
"""
    assert in_pod("python", "-c", script).splitlines()[-1] == "all"


def test_it_holds_what_is_locked_and_no_test_tool(in_pod):
    script = """
import importlib.metadata
for found in importlib.metadata.distributions():
    print(f"{found.metadata['Name']}=={found.version}")
"""
    held = dict(_pinned(line) for line in in_pod("python", "-c", script).split())
    lock = dict(_pinned(line) for line in _lines("requirements.txt"))
    lock |= dict(_pinned(line) for line in _lines("kubeflow/requirements-cpu.txt"))
    assert held.items() <= lock.items()
    assert not held.keys() & {"pytest", "mypy", "notebook", "pip", "tensorflow"}


def _lines(lock: str) -> list[str]:
    lines = Path(__file__).parents[2].joinpath(lock).read_text().splitlines()
    return [line.split()[0] for line in lines if line[:1].isalnum()]


def _pinned(line: str) -> tuple[str, str]:
    name, version = line.split("==")
    return canonicalize_name(name), version
