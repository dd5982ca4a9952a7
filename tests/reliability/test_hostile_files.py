"""A hundred thousand mutated files: each is read, or rejected with a message."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COUNT = 25_000
MAX_GROWTH = 150_000  # kB of resident memory; the largest single file has 9 kB


@pytest.mark.reliability
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_mutated_files_are_read_or_refused(tmp_path, seed):
    script = ROOT / "tests" / "reliability" / "mutate_files.py"
    process = subprocess.run(
        [sys.executable, "-X", "faulthandler", script, str(seed), str(COUNT), tmp_path],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    *faults, counts = [json.loads(line) for line in process.stdout.splitlines()]
    assert faults == []
    assert counts["read"] + counts["rejected"] == COUNT
    assert min(counts["read"], counts["rejected"]) > COUNT // 5  # a real mixture
    assert counts["kilobytes"] < MAX_GROWTH
    assert "Traceback" not in process.stderr
    assert "Warning" not in process.stderr
