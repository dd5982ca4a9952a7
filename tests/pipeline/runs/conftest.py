"""Runs of a small pipeline in a folder of the test."""

import functools

import pytest

from tests.support.cached_runs import run_small_pipeline


@pytest.fixture
def run(tmp_path):
    """Runs the small pipeline; returns the state of each step."""
    return functools.partial(run_small_pipeline, tmp_path)
