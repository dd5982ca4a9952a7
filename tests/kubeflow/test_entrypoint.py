"""The entry point of the pods, run as a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubeflow.entrypoint import packed, unpacked
from pipeline.runs.code_version import version_of_all

ROOT = Path(__file__).parents[2]


def test_a_workflow_of_other_sources_is_refused():
    """Its cache keys contain their hash, and would find outputs of other code."""
    done = subprocess.run(
        [sys.executable, "-m", "kubeflow.entrypoint"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MARQUEE_SOURCES": "0123456789ab"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "compiled from sources 0123456789ab, and this image holds" in done.stderr
    assert "Compile the pipeline again" in done.stderr


def test_an_image_shows_its_sources():
    done = subprocess.run(
        [sys.executable, "-m", "kubeflow.entrypoint", "--sources"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == version_of_all()


@pytest.mark.parametrize("text", ["", "zlib:", '{"name":"Amélie"}' * 1000])
def test_a_packed_argument_comes_back_whole(text):
    assert unpacked(packed(text)) == text


def test_a_packed_argument_is_small_and_any_other_stays_as_it_is():
    assert len(packed('{"name":"Amélie"}' * 1000)) < 300
    assert unpacked('{"mysql":"zlib:"}') == '{"mysql":"zlib:"}'
