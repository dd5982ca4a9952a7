"""Training by the task ``sequence``: compiled by XLA, and on two devices."""

import subprocess
import sys
import textwrap

import pytest

from trainer_modules.registry import MODELS

# Each model draws 5 of the 11 items; one also learns from all of them.
CASES = [f"{name}-5" for name, spec in MODELS.items() if spec.task == "sequence"]
CASES.append("sasrec-11")

# Devices can be divided only before TensorFlow first uses them: a process of its own.
TRAIN = """
    import sys
    import numpy as np
    import tensorflow as tf
    from trainer_modules import features as f
    from trainer_modules.inputs import Data
    from trainer_modules.interactions import Ratings
    from trainer_modules.optimizers import compiled
    from trainer_modules.registry import MODELS
    from trainer_modules.sizes import Sizes
    from trainer_modules.tasks import sequence, task

    [cpu] = tf.config.list_physical_devices("CPU")
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [half, half])
    task.MIN_STEPS = 1  # batches of more than a row, of little data
    data = Data([], [], {}, Sizes(num_users=12, num_items=12), 0)
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(2, 12), np.arange(2, 12)).astype(np.int32)
    item, label = (random.integers(*range_of, len(user), np.int32)
                   for range_of in ((2, 12), (0, 2)))
    time = np.cumsum(random.integers(0, 10**6, len(user)))
    ratings = Ratings(user, item, label, np.ones(len(user), np.float32), time)
    one_piece = {f.HISTORY_ITEM_INDEX: tf.ones([1, 4], tf.int32),
                 f.HISTORY_TIMESTAMP: tf.ones([1, 4], tf.int64)}

    def trained(name, config, strategy, jit_compile=False):
        tf.keras.utils.set_random_seed(0)
        with strategy.scope():
            model = MODELS[name].load_class()(config, data.sizes)
            model.states(one_piece)  # the start is the same for all
        batches = sequence.training_set(data, ratings, config, seed=0)
        trainee = compiled(model, config, data.sizes, batches)
        trainee.jit_compile = jit_compile
        trainee.fit(batches.batches, steps_per_epoch=batches.steps, verbose=0)
        return batches.steps, model.get_weights()

    one = tf.distribute.get_strategy()
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for case in sys.argv[1:]:
        name, num_negatives = case.split("-")
        # Batches of three, which two devices share as two and one. Dropout would draw
        # other numbers.
        config = MODELS[name].config_class(
            batch_size=3,
            num_negatives=int(num_negatives),
            max_history_length=4,
            embedding_dim=4,
            dropout_rate=0.0,
        )
        steps, plain = trained(name, config, one)
        for how, other in (
            ("XLA", trained(name, config, one, jit_compile=True)),
            ("two devices", trained(name, config, two)),
        ):
            for a, b in zip(plain, other[1], strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=how)
            print(case, steps, "steps, the same by", how)
"""


@pytest.mark.integration
def test_xla_and_two_devices_give_the_weights_of_one_device():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TRAIN), *CASES],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [
        f"{case} 6 steps, the same by {how}"
        for case in CASES
        for how in ("XLA", "two devices")
    ]
