"""What every model of the task ``sequence`` must do."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, randomise
from tests.support.short_histories import ITEMS, LENGTH, SIZES
from trainer_modules import features as f
from trainer_modules.registry import MODELS

NAMES = [name for name, spec in MODELS.items() if spec.task == "sequence"]


@pytest.mark.parametrize("name", NAMES)
def test_a_later_item_changes_no_earlier_state(name):
    histories, times = [[9, 2, 3], [9, 2, 8]], [[60, 150, 9_000], [60, 150, 10**9]]
    features = {
        f.ITEM_INDEX: tf.constant(ITEMS[:2]),
        f.HISTORY_ITEM_INDEX: tf.constant(histories, tf.int64),
        f.HISTORY_TIMESTAMP: tf.constant(times, tf.int64),
    }
    model = build(name, SIZES, embedding_dim=4, max_history_length=LENGTH)
    found, later = randomise(model, features, 0.5).states(features).numpy()
    np.testing.assert_array_equal(found[:2], later[:2])
    assert np.abs(found[2] - later[2]).max() > 1e-3
