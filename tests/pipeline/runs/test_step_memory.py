"""The peak memory of a process, beside blocks of a known size."""

import subprocess
import sys

_PROGRAM = """
import numpy as np
from pipeline.runs import step_memory

block = np.ones(300_000_000, np.int8)
del block
large = step_memory.peak()
step_memory.count_from_now()
small = step_memory.peak()
block = np.ones(100_000_000, np.int8)
del block
print(large - small, step_memory.peak() - small)
"""


def test_peak_is_that_since_the_reset():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    first, second = map(int, done.stdout.split())
    assert 290e6 < first < 320e6
    assert 90e6 < second < 120e6
