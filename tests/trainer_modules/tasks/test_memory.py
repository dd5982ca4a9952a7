"""The memory that training sets take for each rating, as Python's allocator counts it.

TensorFlow's constants are copies of arrays that it counts, too. The bounds are what was
measured, rounded up: a copy of a column more is 4 or 8 bytes.
"""

import tracemalloc

import numpy as np
import pytest

from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.registry import MODELS
from trainer_modules.sizes import Sizes
from trainer_modules.training import TRAINING_SETS

NUM_USERS, PER_USER = 2000, 100
NUM_RATINGS = NUM_USERS * PER_USER


@pytest.fixture(scope="module")
def ratings():
    users = f.NUM_RESERVED + np.arange(NUM_USERS, dtype=np.int32)
    items = f.NUM_RESERVED + np.arange(PER_USER, dtype=np.int32)
    ones = np.ones(NUM_RATINGS, np.int32)
    return Ratings(
        np.repeat(users, PER_USER),
        np.tile(items, NUM_USERS),
        ones,
        ones.astype(np.float32),
    )


@pytest.mark.parametrize(
    ("name", "bytes_per_rating"),
    [("gmf", 34), ("deepfm", 37), ("two_tower", 34), ("attrec", 69), ("sasrec", 63)],
)
def test_training_sets_make_few_copies(ratings, name, bytes_per_rating):
    data = Data(
        *([], [], {}),
        Sizes(NUM_USERS + f.NUM_RESERVED, PER_USER + f.NUM_RESERVED),
        num_unknown_items=0,
    )
    config = MODELS[name].config_class()
    make = TRAINING_SETS[config.task]
    make(data, ratings, config, 0)  # what TensorFlow allocates once is not counted
    tracemalloc.start()
    try:
        make(data, ratings, config, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / NUM_RATINGS <= bytes_per_rating
