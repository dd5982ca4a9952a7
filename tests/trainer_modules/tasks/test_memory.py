"""A training set is made within a limit of memory that its ratings would exceed.

Linux counts what ``RLIMIT_DATA`` limits: all private memory of a process that can be
written to, without that of mapped files.
"""

import subprocess
import sys

import pytest

MAKE = """
import re, resource, sys
from pathlib import Path
from benchmarks.training_memory import NUM_ITEMS, RATINGS_PER_USER, generated
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.registry import MODELS
from trainer_modules.sizes import Sizes
from trainer_modules.tasks import task
from trainer_modules.training import TRAINING_SETS

task.SHUFFLED_ROWS = 1 << 20
name, count = sys.argv[1], int(sys.argv[2])
config = MODELS[name].config_class()

def make(num_ratings):
    num_users = num_ratings // RATINGS_PER_USER
    sizes = Sizes(num_users + f.NUM_RESERVED, NUM_ITEMS + f.NUM_RESERVED)
    ratings = generated(num_ratings)
    data = Data([], [], {}, sizes, num_unknown_items=0)
    for batch in TRAINING_SETS[config.task](data, ratings, config, 0).batches.take(3):
        pass

make(3_000_000)  # what does not grow with the ratings
used = re.search(r"VmData:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
limit = int(used[1]) * 1024 + 8 * count
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
make(count)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count otherwise")
@pytest.mark.parametrize("name", ["gmf", "deepfm", "two_tower", "attrec", "sasrec"])
def test_training_sets_need_less_memory_than_their_ratings(name):
    """8 bytes for each rating are less than its two indices, label and stars."""
    command = [sys.executable, "-c", MAKE, name, str(12_000_000)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
