"""The pods' entry point, as a process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_workflow_of_other_sources_is_refused():
    """The cache's keys were made of those, and would find what is not the same."""
    done = subprocess.run(
        [sys.executable, "-m", "kubeflow.entrypoint"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MARQUEE_SOURCES": "0123456789ab"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "compiled from sources 0123456789ab, and this image holds" in done.stderr
    assert "Compile it again" in done.stderr
